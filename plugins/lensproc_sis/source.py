"""Light of a lensed image brought back to the source plane, and lensed again."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from lensproc.nn.lensing import Grid
from lensproc.nn.lensing import deflection as deflection_of_strength
from lensproc.nn.lensing_models import ellipse_deflection, shear_deflection
from lensproc.nn.lensing_warp import splat, warp

LEAST = 0.05
"""Weight (of pixels of the image) below which a pixel of the source plane holds nothing."""


def smooth_deflection(positions: torch.Tensor, lens: torch.Tensor) -> torch.Tensor:
    """Deflection of singular isothermal ellipsoids with shear.

    Parameters
    ----------
    positions : torch.Tensor, shape (N, 2, ...)
        From the centre of the lens, in any unit of angle.
    lens : torch.Tensor, shape (N, 5)
        θ_E in that unit, e₁, e₂, γ₁, γ₂.

    Returns
    -------
    torch.Tensor, shape (N, 2, ...)
        α in that unit.
    """
    radius, e1, e2, gamma1, gamma2 = lens.unbind(1)
    return ellipse_deflection(positions, radius, e1, e2) + shear_deflection(positions, gamma1, gamma2)


def correction_deflection(strength: torch.Tensor, grid: Grid) -> torch.Tensor:
    """Deflection (N, 2, H, W) of a correction of k, ∇(δk r), for a δk (N, H, W) on the pixels of a grid."""
    return deflection_of_strength(strength, grid)


def smooth_map(cells: torch.Tensor, side: int) -> torch.Tensor:
    """Raise a coarse map (N, 1, c, c) to (N, 1, side, side), smoothly, with pixel edges aligned."""
    return F.interpolate(cells, size=(side, side), mode="bicubic", align_corners=False)


@dataclass(frozen=True)
class Reconstruction:
    """A source plane, and what it looks like through the lens.

    Parameters
    ----------
    source : torch.Tensor, shape (N, 1, h, w)
        Surface brightness: what fell on each pixel over the weight that fell there; 0 where nothing did.
    weight : torch.Tensor, shape (N, 1, h, w)
        Weight that fell there.
    relensed : torch.Tensor, shape (N, 1, H, W)
        The source lensed again.
    """

    source: torch.Tensor
    weight: torch.Tensor
    relensed: torch.Tensor


def reconstruct(
    images: torch.Tensor, weights: torch.Tensor, positions: torch.Tensor, plane: Grid
) -> Reconstruction:
    """Bring images to the source plane and lens them again.

    Parameters
    ----------
    images : torch.Tensor, shape (N, 1, H, W)
        Light of the source.
    weights : torch.Tensor, of the same shape
        Of each pixel: 0 for those that are not to be used.
    positions : torch.Tensor, shape (N, 2, H, W)
        β of each pixel [unit of the grid].
    plane : Grid
        Pixels of the source plane.
    """
    sent = splat(torch.cat((images * weights, weights), dim=1), positions, plane).images
    light, weight = sent[:, :1], sent[:, 1:]
    full = weight > LEAST * weights.amax((1, 2, 3), keepdim=True)
    source = torch.where(full, light / torch.where(full, weight, 1.0), torch.zeros_like(light))
    return Reconstruction(source, weight, warp(source, plane, positions))
