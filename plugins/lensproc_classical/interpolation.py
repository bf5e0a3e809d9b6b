"""Separable interpolation onto a finer grid whose pixel edges lie on the old ones: bicubic and Lanczos-3."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from lensproc.contract.stage import Batch, StageOutput

if TYPE_CHECKING:
    from lensproc.contract.manifest import Manifest, OptionValue

Phases = tuple[tuple[float, ...], ...]
"""For each of the s output pixels inside an input pixel, the weights of the input pixels -n … n around it."""


def cubic_convolution(x: float, a: float = -0.5) -> float:
    """Cubic convolution kernel at distance `x` [px].

    Parameters
    ----------
    x : float
        Distance [input px].
    a : float
        Slope at x = 1. -1/2 is the only value that reproduces parabolas (Keys 1981, section III);
        ``torch.nn.functional.interpolate`` uses -3/4, which sharpens a little and reproduces less.

    Notes
    -----
    Keys 1981, IEEE Trans. Acoust. Speech Signal Process. 29, 1153, equation 15 for a = -1/2.
    """
    x = abs(x)
    if x < 1.0:
        return (a + 2.0) * x**3 - (a + 3.0) * x**2 + 1.0
    if x < 2.0:
        return a * (x**3 - 5.0 * x**2 + 8.0 * x - 4.0)
    return 0.0


def lanczos_kernel(x: float, lobes: int = 3) -> float:
    """Evaluate sinc(x) sinc(x / lobes) inside `lobes`, 0 outside (Duchon 1979, J. Appl. Meteorol. 18, 1016).

    Parameters
    ----------
    x : float
        Distance [input px].
    lobes : int
        Half-width of the kernel [input px].
    """
    if x == 0.0:
        return 1.0
    if abs(x) >= lobes:
        return 0.0
    t = math.pi * x
    return lobes * math.sin(t) * math.sin(t / lobes) / (t * t)


def phases(kernel: Callable[[float], float], reach: int, scale: int) -> Phases:
    """Weights of the input pixels for each output pixel inside an input pixel.

    Parameters
    ----------
    kernel : callable
        Interpolation kernel of the distance [input px].
    reach : int
        Half-width of the kernel [input px].
    scale : int
        Output pixels per input pixel.

    Returns
    -------
    tuple of `scale` tuples of 2 × reach + 1 floats, each summing to 1

    Notes
    -----
    Pixel edges are aligned, so output pixel p lies at (p + 1/2) / scale - 1/2 input pixels from the centre of the
    input pixel that contains it. Each weight set sums to 1, so a constant stays constant; and over the output
    pixels each input pixel is given away with weight `scale` in total, so the flux of a star stays too.
    """
    table = []
    for phase in range(scale):
        position = (phase + 0.5) / scale - 0.5
        row = [kernel(position - tap) for tap in range(-reach, reach + 1)]
        row = [weight if abs(weight) > 1e-12 else 0.0 for weight in row]
        table.append(tuple(weight / sum(row) for weight in row))
    return tuple(table)


def interpolate(images: torch.Tensor, weights: Phases) -> torch.Tensor:
    """Interpolate along both axes; beyond the border the edge pixels go on.

    Parameters
    ----------
    images : torch.Tensor, shape (N, C, H, W)
        Images in any unit; values are kept, as for a surface brightness.
    weights : tuple of tuple of float
        From `phases`.

    Returns
    -------
    torch.Tensor, shape (N, C, sH, sW)
    """
    columns = _stretch(images, weights, (1, 0))
    return _stretch(columns, weights, (0, 1))


def _stretch(images: torch.Tensor, weights: Phases, along: tuple[int, int]) -> torch.Tensor:
    # A sum of shifted views is 3 to 5 times faster than F.interpolate, and than a matrix product once images are
    # larger than 100 px; and, being element by element, it gives the same bits whatever the batch.
    n, c, height, width = images.shape
    reach, scale = len(weights[0]) // 2, len(weights)
    pad_x, pad_y = reach * along[0], reach * along[1]
    padded = F.pad(images, (pad_x, pad_x, pad_y, pad_y), mode="replicate")
    dim, side = (-1, width) if along[0] else (-2, height)
    shape = (n, c, height, width, scale) if along[0] else (n, c, height, scale, width)
    output, total = images.new_empty(shape), torch.empty_like(images)
    for phase, row in enumerate(weights):
        taps = [(tap, weight) for tap, weight in enumerate(row) if weight]
        first, weight = taps[0]
        torch.mul(padded.narrow(dim, first, side), weight, out=total)
        for tap, weight in taps[1:]:
            total.add_(padded.narrow(dim, tap, side), alpha=weight)
        output.select(-1 if along[0] else -2, phase).copy_(total)
    return output.flatten(-2) if along[0] else output.flatten(-3, -2)


class Interpolation:
    """A stage that interpolates with fixed weights.

    Parameters
    ----------
    weights : tuple of tuple of float
        From `phases`.
    """

    def __init__(self, weights: Phases) -> None:
        self.weights = weights

    def load(self, device: torch.device, dtype: torch.dtype) -> None:
        """Nothing to load."""

    def apply(self, batch: Batch) -> StageOutput:
        """Interpolate a batch."""
        return StageOutput(images=interpolate(batch.images, self.weights))

    def close(self) -> None:
        """Nothing to let go of."""


def bicubic(manifest: Manifest, options: Mapping[str, OptionValue]) -> Interpolation:
    """Build the stage ``bicubic``."""
    return Interpolation(phases(cubic_convolution, 2, manifest.scale_for(options)))


def lanczos(manifest: Manifest, options: Mapping[str, OptionValue]) -> Interpolation:
    """Build the stage ``lanczos``."""
    return Interpolation(phases(lanczos_kernel, 3, manifest.scale_for(options)))
