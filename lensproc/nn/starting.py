"""Start a network without a skip around it as an interpolation, carried by the first of its channels.

A network that maps an image straight to an image first has to learn to copy it. Here its first channel does that
from the start: a first convolution that passes the image on, upsampling that interpolates, a last convolution that
reads it out; the other channels start at random as ever. Activations let it pass where images are 0 or above.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from lensproc.errors import UsageError

OTHERS = 0.1
"""Factor on the random weights with which the last convolution reads the other channels."""
QUADRATIC = (0.15625, 0.9375, -0.09375)
"""Weights of three pixels for the parabola through them, a quarter pixel before the middle one."""
LINEAR = (0.25, 0.75, 0.75, 0.25)
"""Transposed convolution of stride 2 that interpolates linearly."""
CUBIC = (-0.0234375, -0.0703125, 0.2265625, 0.8671875, 0.8671875, 0.2265625, -0.0703125, -0.0234375)
"""The same by cubic convolution with a = -1/2 (Keys 1981) at quarters of a pixel."""


def begin(network: Any, start: object, other: str = "interpolation") -> None:
    """Start a network as a recipe's ``[network] start`` says.

    Parameters
    ----------
    network : nn.Module
        With a method `start_as_interpolation`.
    start : object
        ``random``: as it is; the word `other`: as an interpolation of its input.

    Raises
    ------
    UsageError
        For a third word.
    """
    if start not in ("random", other):
        raise UsageError(f"[network] start {start!r} is not random or {other}")
    if start == other:
        network.start_as_interpolation()


def _profile(*values: float) -> torch.Tensor:
    line = torch.tensor(values)
    return torch.outer(line, line)


@torch.no_grad()
def carry(part: nn.Module, kernel: tuple[float, ...] = (1.0,)) -> None:
    """Let output channel 0 of a convolution be input channel 0.

    Parameters
    ----------
    part : nn.Module
        The convolution, or a sequence that begins with it.
    kernel : tuple of float
        Of odd length; its outer product is applied on the way.
    """
    layer = _layers(part)[0]
    layer.weight[0] = 0.0
    _centre(layer.weight[0, 0], _profile(*kernel))
    _clear_bias(layer)


@torch.no_grad()
def leave_out(part: nn.Module) -> None:
    """Let a convolution or normalisation beside a skip, or a sequence that ends with it, add 0 to channel 0."""
    layer = _layers(part)[-1]
    layer.weight[0] = 0.0
    _clear_bias(layer)


@torch.no_grad()
def interpolate(part: nn.Module) -> None:
    """Let channel 0 of a layer that upsamples by 2 be the interpolation of channel 0.

    Parameters
    ----------
    part : nn.Module
        A 3×3 convolution into 4 C channels before ``PixelShuffle(2)``, or a transposed one of stride 2 and 4×4 or
        8×8 taps; or a sequence that begins with it.
    """
    layer = _layers(part)[0]
    if isinstance(layer, nn.ConvTranspose2d):
        layer.weight[:, 0] = 0.0
        layer.weight[0, 0] = _profile(*(LINEAR if layer.kernel_size[0] == 4 else CUBIC))
        _clear_bias(layer)
        return
    before = torch.tensor(QUADRATIC)
    for row in range(2):
        for column in range(2):
            phase = 2 * row + column
            layer.weight[phase] = 0.0
            layer.weight[phase, 0] = torch.outer(
                before.flip(0) if row else before, before.flip(0) if column else before
            )
            _clear_bias(layer, phase)


@torch.no_grad()
def read_out(part: nn.Module, others: float = OTHERS) -> None:
    """Let the last convolution give channel 0 as it is, plus the other channels with `others` of their weights."""
    layer = _layers(part)[0]
    layer.weight *= others
    layer.weight[0, 0] = 0.0
    _centre(layer.weight[0, 0], _profile(1.0))
    _clear_bias(layer)


Layer = nn.Conv2d | nn.ConvTranspose2d | nn.BatchNorm2d


def _layers(part: nn.Module) -> list[Layer]:
    return [layer for layer in part.modules() if isinstance(layer, Layer)]


def _centre(target: torch.Tensor, kernel: torch.Tensor) -> None:
    margin = (target.shape[0] - kernel.shape[0]) // 2
    side = kernel.shape[0]
    target[margin : margin + side, margin : margin + side] = kernel


def _clear_bias(layer: Layer, channel: int = 0) -> None:
    if layer.bias is not None:
        layer.bias[channel] = 0.0
