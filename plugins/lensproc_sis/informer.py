"""The informer: what a classifier is told is the image sent back through a lens of learnt strength."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from lensproc.nn.lensing import Grid, deflection, source_positions, sphere_deflection
from lensproc.nn.lensing_warp import Mode, splat

WEAKEST, RANGE = 0.8, 0.4
"""k = .8 + .4 sigmoid(what the k-network gives), in the unit of `Unit`."""
Unit = Literal["pixel", "arcsec"]
"""What k is counted in: pixels of the image that the network sees, or arcsec."""


def strength_of(raw: torch.Tensor, pixel_scale: torch.Tensor, unit: Unit) -> torch.Tensor:
    """Strength k of the sphere [arcsec], within .8 to 1.2 of the unit.

    Parameters
    ----------
    raw : torch.Tensor, shape (N, H, W)
        Any numbers.
    pixel_scale : torch.Tensor, shape (N,)
        Of the pixels of `raw` [arcsec].
    unit : str
        ``pixel``: the same for all images in pixels. ``arcsec``: the same on the sky.
    """
    k = WEAKEST + RANGE * torch.sigmoid(raw)
    return k * pixel_scale[:, None, None] if unit == "pixel" else k


class Informer(nn.Module):
    """Send every pixel from θ to β = θ − α(θ), the deflection of a singular isothermal sphere of strength k(θ).

    Parameters
    ----------
    mode : str
        What pixels do that fall on one: ``sum`` or ``overwrite``, see `lensproc.nn.lensing_warp.splat`.
    slope : bool
        Whether the terms in ∂k are kept, so that α is the gradient of the potential k r.

    Notes
    -----
    Nothing is rounded: the gradient reaches k at every pixel that arrives. Each image is scaled by itself, to a
    brightest pixel of 1; light that leaves the frame is lost. The middle of the frame is the centre of the sphere.
    """

    def __init__(self, mode: Mode = "sum", slope: bool = False) -> None:
        super().__init__()
        self.mode: Mode = mode
        self.slope = slope

    def sent(
        self, images: torch.Tensor, strength: torch.Tensor, pixel_scale: torch.Tensor, mode: Mode
    ) -> torch.Tensor:
        """Light of the images (N, 1, H, W) in the source plane, not scaled; arguments as for `forward`."""
        height, width = images.shape[-2:]
        grid = Grid.of(height, width, pixel_scale)
        positions = grid.positions()
        alpha = deflection(strength, grid) if self.slope else sphere_deflection(strength, positions)
        return splat(images, source_positions(positions, alpha), grid, mode).images

    def forward(
        self, images: torch.Tensor, strength: torch.Tensor, pixel_scale: torch.Tensor
    ) -> torch.Tensor:
        """Images of the source plane (N, 1, H, W), on pixels as large as those of the image plane.

        Parameters
        ----------
        images : torch.Tensor, shape (N, 1, H, W)
            From 0 on.
        strength : torch.Tensor, shape (N, H, W)
            k [arcsec].
        pixel_scale : torch.Tensor, shape (N,)
            Side of a pixel [arcsec].
        """
        source = self.sent(images, strength, pixel_scale, self.mode)
        brightest = source.amax((1, 2, 3), keepdim=True)
        return source / torch.where(brightest > 0, brightest, 1.0)
