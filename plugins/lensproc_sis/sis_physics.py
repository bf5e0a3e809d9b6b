"""From a measured lens to maps: deflection, convergence, source plane and what the source does not explain."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from lensproc.nn.lensing import Grid, convergence
from lensproc_sis.sis_frame import Frames, sampled
from lensproc_sis.sis_light import lens_light
from lensproc_sis.source import correction_deflection, reconstruct, smooth_deflection, smooth_map
from lensproc_sis.source_noise import residual_sigma

Array = NDArray[np.float64]

SOURCE_HALF = 1.2
"""Half the side of the source plane [θ_E]."""
LARGEST_SOURCE = 512
"""Pixels along a side of the source plane, at most."""
FINE_MAP = 64
"""Pixels along a side to which the map of the correction is raised."""
TOLD = 0.3
"""Noise left in the residual, in σ of the image, below which it tells nothing: the pixel explains itself."""
LIT = 0.5
"""Probability of light of the source above which a pixel is not used for the light of the lens."""


@dataclass(frozen=True)
class Maps:
    """Maps of one lens.

    Parameters
    ----------
    alpha : ndarray, shape (2, ny, nx)
        Deflection along x and y [px].
    kappa : ndarray, shape (ny, nx)
        Convergence.
    light : ndarray, shape (ny, nx)
        Light of the lens galaxy.
    source : ndarray, shape (h, w)
        Surface brightness in the source plane, in the unit of the image.
    relensed : ndarray, shape (ny, nx)
        The source lensed again.
    residual : ndarray, shape (ny, nx)
        (image − light − relensed) / its 1σ; 0 where nothing else tells what a pixel should be, and beyond what the
        source plane holds.
    lit : ndarray of bool, shape (ny, nx)
        Pixels with light of the source.
    origin : (float, float)
        Zero-based (x, y) in the source plane of what lies behind the centre of the lens [px of the source plane].
    step : float
        Side of a pixel of the source plane [px of the image].
    """

    alpha: Array
    kappa: Array
    light: Array
    source: Array
    relensed: Array
    residual: Array
    lit: NDArray[np.bool_]
    origin: tuple[float, float]
    step: float


def maps_of(
    image: torch.Tensor,
    sigma: torch.Tensor,
    good: torch.Tensor,
    lens: torch.Tensor,
    lit: torch.Tensor,
    strength: torch.Tensor | None = None,
    sampling: int = 2,
) -> Maps:
    """Make the maps of one lens.

    Parameters
    ----------
    image, sigma, good : torch.Tensor, shape (ny, nx)
        Pixels above the sky, their 1σ noise in the same unit, and 1 where a pixel may be used, else 0.
    lens : torch.Tensor, shape (7,)
        θ_E, x, y [px], e₁, e₂, γ₁, γ₂ along the axes of the pixels.
    lit : torch.Tensor, shape (ny, nx)
        Probability of light of the source.
    strength : torch.Tensor, shape (ny, nx), optional
        Correction of k [px].
    sampling : int
        Pixels of the source plane per pixel of the image.
    """
    image, sigma, good, lens = (tensor.double() for tensor in (image, sigma, good, lens))
    height, width = image.shape
    one = lens.new_ones(1)
    radius = float(lens[0])
    grid = Grid.of(height, width, one, lens[None, 1:3])
    theta = grid.positions()
    alpha = smooth_deflection(theta, torch.cat((lens[:1], lens[3:]))[None])
    kappa = ellipse_convergence(theta, lens)
    if strength is not None and bool((strength != 0).any()) and min(height, width) >= 5:
        extra = correction_deflection(strength.double()[None], grid)
        alpha, kappa = alpha + extra, kappa + convergence(extra, one)[0]
    side, step = source_plane(radius, sampling)
    plane = Grid.of(side, side, one * step)
    shining = (lit.cpu().numpy() > LIT) & (good.cpu().numpy() > 0)
    free = (good.cpu().numpy() > 0) & ~shining
    pixels, noise = image.cpu().numpy(), sigma.cpu().numpy()
    dx, dy = (theta[0, i].cpu().numpy() for i in (0, 1))
    light = lens_light(pixels, noise, free, dx, dy, radius)
    weights = good * (sigma.median() / sigma) ** 2
    rest = image - torch.from_numpy(light).to(image)
    beta = theta - alpha
    made = reconstruct(rest[None, None], weights[None, None], beta, plane)
    at = plane.pixels(beta)[0].flatten(1).cpu().numpy()
    left = residual_sigma(at[0], at[1], weights.cpu().numpy().ravel(), noise.ravel(), (side, side)).reshape(
        height, width
    )
    relensed = made.relensed[0, 0].cpu().numpy()
    reached = ((at >= 0.0) & (at <= side - 1.0)).all(axis=0).reshape(height, width)
    told = (left > TOLD * noise) & (good.cpu().numpy() > 0) & reached
    residual = np.where(told, (rest.cpu().numpy() - relensed) / np.where(told, left, 1.0), 0.0)
    middle = (side - 1) / 2
    return Maps(
        alpha[0].cpu().numpy(),
        kappa.cpu().numpy(),
        light,
        made.source[0, 0].cpu().numpy(),
        relensed,
        residual,
        shining,
        (middle, middle),
        step,
    )


def source_plane(radius: float, sampling: int) -> tuple[int, float]:
    """Side of the source plane [px], and the side of one of its pixels [px of the image]."""
    side = max(2 * math.ceil(SOURCE_HALF * radius * sampling), 8)
    if side <= LARGEST_SOURCE:
        return side, 1.0 / sampling
    return LARGEST_SOURCE, 2.0 * SOURCE_HALF * radius / LARGEST_SOURCE


def ellipse_convergence(theta: torch.Tensor, lens: torch.Tensor) -> torch.Tensor:
    """Convergence of a singular isothermal ellipsoid at pixels, shape (ny, nx).

    Along its axes κ = θ_E √q / (2 √(q² x² + y²)) (Kormann, Schneider & Bartelmann 1994, A&A 284, 285); nearer to
    the centre than half a pixel it is that of half a pixel.

    Parameters
    ----------
    theta : torch.Tensor, shape (1, 2, ny, nx)
        From the centre [px].
    lens : torch.Tensor, shape (7,)
        As for `maps_of`.
    """
    e = torch.hypot(lens[3], lens[4])
    q, phi = (1.0 - e) / (1.0 + e), 0.5 * torch.atan2(lens[4], lens[3])
    x, y = theta[0]
    along, across = torch.cos(phi) * x + torch.sin(phi) * y, torch.cos(phi) * y - torch.sin(phi) * x
    root = torch.sqrt((q * along) ** 2 + across**2).clamp_min(0.5 * float(q))
    return 0.5 * lens[0] * torch.sqrt(q) / root


def on_cutout(plane: torch.Tensor, frame: Frames, height: int, width: int) -> torch.Tensor:
    """Look up a plane over a frame (1, 1, s, s) on the pixels of a cutout; beyond the frame as at its edge."""
    rows, columns = (torch.arange(n, dtype=plane.dtype, device=plane.device) for n in (height, width))
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    side = plane.shape[-1]
    there = (frame.to_places(torch.stack((x, y))[None]) + 1.0) * (side / 2) - 0.5
    return sampled(plane, there.clamp(0.0, side - 1.0))[0, 0]


def correction_on_cutout(cells: torch.Tensor, frame: Frames, height: int, width: int) -> torch.Tensor:
    """Correction of k (1, 1, c, c) over a frame, smooth on the pixels of the cutout (height, width)."""
    return on_cutout(smooth_map(cells, FINE_MAP), frame, height, width)
