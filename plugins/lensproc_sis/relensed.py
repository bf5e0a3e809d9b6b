"""The network of ``sis-sr``: from a lensed image to its source, and from there to an image on finer pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from lensproc.nn.lensing import Grid
from lensproc.nn.lensing_warp import splat, warp
from lensproc_sis.explained import behind, bent, source_grid
from lensproc_sis.lens_weights import lens_network
from lensproc_sis.measure import Cutouts, Measured, measure
from lensproc_sis.source_network import SourceNetwork, pull_push

SCALE = 2
"""Pixels of the output per pixel of the input."""
ENOUGH = 0.1
"""Weight that has to fall on a pixel of the source plane, where that plane has to say what another image is."""


class Relensed(nn.Module):
    """Lens the source of a measured lens again, on finer pixels.

    Parameters
    ----------
    lens : mapping
        Hyperparameters of the network of ``sis``, whose weights stay as they are.
    sis : str
        SHA-256 of these weights; for the record.
    width, blocks : int
        Of `SourceNetwork`.
    sampling : int
        Pixels of the source plane per pixel of the image, along a side.
    """

    def __init__(
        self, lens: Mapping[str, Any], sis: str = "", width: int = 24, blocks: int = 4, sampling: int = 2
    ) -> None:
        super().__init__()
        if sampling < 1:
            raise ValueError(f"sampling must be at least 1, got {sampling}")
        self.sis, self.sampling = sis, int(sampling)
        self.lens = lens_network(lens)
        self.source = SourceNetwork(width, blocks)

    def train(self, mode: bool = True) -> Relensed:
        """Set the mode of what learns; the part that measures stays in evaluation mode."""
        super().train(mode)
        self.lens.eval()
        return self

    @torch.no_grad()
    def measured(self, cutouts: Cutouts, views: int = 8) -> Measured:
        """Measure the lenses of cutouts."""
        return measure(self.lens, cutouts, views)

    def sources(
        self,
        arcs: torch.Tensor,
        weights: torch.Tensor,
        measured: Measured,
        fwhm: torch.Tensor,
        *,
        learnt: bool = True,
    ) -> tuple[torch.Tensor, Grid]:
        """Source planes of N images.

        Parameters
        ----------
        arcs : torch.Tensor, shape (N, 1, H, W)
            Light of the sources, in σ of a pixel.
        weights : torch.Tensor, shape (N, 1, H, W)
            Of each pixel, 1/variance in that unit; 0 for those that are not to be used.
        measured : Measured
            The lenses.
        fwhm : torch.Tensor, shape (N,)
            Of the PSF [px of the image].
        learnt : bool
            Whether what has been learnt of sources is used.

        Returns
        -------
        source : torch.Tensor, shape (N, 1, S, S)
            Surface brightness.
        plane : Grid
            Its pixels [px of the image].
        """
        radius = measured.lens[:, 0]
        _, beta = bent(measured, *arcs.shape[-2:])
        plane = source_grid(radius, float(self.sampling))
        used = weights * behind(beta, radius)
        light, weight = splat(torch.cat((arcs * used, used), dim=1), beta, plane).images.chunk(2, dim=1)
        source = pull_push(light, weight)
        if learnt:
            source = self.source(source, weight, fwhm / plane.pixel_scale)
        return source, plane

    @torch.no_grad()
    def across(
        self, arcs: torch.Tensor, weights: torch.Tensor, measured: Measured
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Ask the images on one side of a lens about those on the other; arguments as for `sources`.

        Returns
        -------
        said : torch.Tensor, shape (N, 1, H, W)
            Light of each pixel by a source made of the other side alone, the mean of left and right, above and
            below; 0 where the other side does not say.
        saying : torch.Tensor of bool, of that shape
            Whether it does.
        """
        height, width = arcs.shape[-2:]
        lens = measured.lens
        radius = lens[:, 0]
        _, beta = bent(measured, height, width)
        plane = source_grid(radius, float(self.sampling))
        used = weights * behind(beta, radius)
        theta = Grid.of(height, width, torch.ones_like(radius), lens[:, 1:3]).positions()
        total, number = torch.zeros_like(arcs), torch.zeros_like(arcs)
        for direction in (theta[:, :1], -theta[:, :1], theta[:, 1:], -theta[:, 1:]):
            half = used * (direction > 0)
            light, weight = splat(torch.cat((arcs * half, half), dim=1), beta, plane).images.chunk(2, dim=1)
            source, fallen = warp(torch.cat((pull_push(light, weight), weight), dim=1), plane, beta).chunk(
                2, 1
            )
            saying = ((direction <= 0) & (fallen > ENOUGH) & (used > 0)).to(arcs)
            total, number = total + saying * source, number + saying
        return total / number.clamp_min(1.0), number > 0

    def forward(
        self,
        arcs: torch.Tensor,
        weights: torch.Tensor,
        measured: Measured,
        fwhm: torch.Tensor,
        *,
        learnt: bool = True,
    ) -> tuple[torch.Tensor, torch.Tensor, Grid]:
        """Images on pixels half as large; arguments as for `sources`.

        Returns
        -------
        image : torch.Tensor, shape (N, 1, 2H, 2W)
            The source lensed again: 0 where no light comes from its plane.
        source, plane
            Of `sources`.
        """
        source, plane = self.sources(arcs, weights, measured, fwhm, learnt=learnt)
        height, width = arcs.shape[-2:]
        _, beta = bent(measured, height, width, SCALE)
        return warp(source, plane, beta), source, plane
