"""The network of ``sis-class``: a lens is measured, and image, residual and convergence are looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from lensproc.nn.classifying.classes import CLASSES
from lensproc.nn.lensing import Grid
from lensproc.nn.ring import SMALLEST as SMALLEST_RING
from lensproc.nn.ring import Moved, Rings, to_ring
from lensproc.nn.substructure_network import PLANES, SubstructureNetwork, planes_and_context
from lensproc_sis.explained import explained, over_frames
from lensproc_sis.lens_weights import lens_network
from lensproc_sis.measure import Cutouts, Measured, measure
from lensproc_sis.sis_light import lens_light
from lensproc_sis.sis_physics import LIT

SEEN = PLANES + 2
"""Planes that the classifier sees: those of ``substructure``, residual and convergence."""
SOFT = 2.0
"""σ at which the residual turns from linear to logarithmic."""


class LensClassifier(nn.Module):
    """Classify lenses by what their sources do not explain.

    Parameters
    ----------
    lens : mapping
        Hyperparameters of the network of ``sis``.
    sis : str
        SHA-256 of the weights of ``sis`` that it began with; for the record.
    width, blocks, side, classes, dropout
        As for `SubstructureNetwork`, which sees three images instead of one.
    sampling : float
        Pixels of the source plane per pixel of the image, along a side.
    light : bool
        Whether the light of the lens galaxy is fitted and taken off before.

    Notes
    -----
    The lens is measured in one view of the last look. Its network is always in evaluation mode, also where it
    learns, so that what its normalisations have seen stays as it is.
    """

    def __init__(
        self,
        lens: Mapping[str, Any],
        sis: str = "",
        width: int = 24,
        blocks: int = 2,
        side: int = 96,
        classes: int = len(CLASSES),
        dropout: float = 0.1,
        sampling: float = 1.0,
        light: bool = False,
    ) -> None:
        super().__init__()
        if not sampling > 0:
            raise ValueError(f"sampling must be above 0, got {sampling}")
        self.sis, self.sampling, self.light = sis, float(sampling), bool(light)
        self.lens = lens_network(lens)
        self.network = SubstructureNetwork(width, blocks, side, classes, dropout)
        self.network.stem = nn.Conv2d(SEEN, width, 5, 2, 2, bias=False)

    def train(self, mode: bool = True) -> LensClassifier:
        """Set the mode of the classifier; the part that measures stays in evaluation mode."""
        super().train(mode)
        self.lens.eval()
        return self

    def measured(self, cutouts: Cutouts) -> Measured:
        """Measure the lenses of cutouts."""
        return measure(self.lens, cutouts, views=1)

    def rings(self, measured: Measured, view: Moved | None = None) -> Rings:
        """Where it looks: at the lens, as large as its θ_E."""
        rings = Rings(measured.lens[:, 1], measured.lens[:, 2], measured.lens[:, 0].clamp_min(SMALLEST_RING))
        return rings if view is None else view.applied(rings)

    def framed(self, images: torch.Tensor, measured: Measured, view: Moved | None = None) -> torch.Tensor:
        """Resample images (N, C, H, W) to their lenses, shape (N, C, side, side)."""
        turn = None if view is None else view.turn
        return to_ring(images, self.rings(measured, view), self.network.side, turn)

    def planes(
        self, cutouts: Cutouts, measured: Measured, view: Moved | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Make what the classifier sees of cutouts whose lenses are measured.

        Returns
        -------
        planes : torch.Tensor, shape (N, 6, side, side)
            The four of `lensproc.nn.substructure_network.planes_and_context`, asinh of the residual, convergence.
        context : torch.Tensor, shape (N, 3)
            Of that function too; the radius is θ_E.
        """
        with torch.autocast(cutouts.images.device.type, enabled=False):
            images = cutouts.images * cutouts.inside
            arcs = images - galaxies(images, cutouts.inside, measured) if self.light else images
            found = explained(arcs, cutouts.inside, measured, self.sampling)
            stacked = torch.cat((images, found.residual, found.kappa), dim=1)
            image, residual, kappa = self.framed(stacked, measured, view).chunk(3, dim=1)
            seen, context = planes_and_context(image, self.rings(measured, view).radius, cutouts.fwhm)
            return torch.cat((seen, torch.asinh(residual / SOFT), kappa), dim=1), context

    def look(self, cutouts: Cutouts, view: Moved | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Measure the lenses of cutouts, and make what the classifier sees of them; see `planes`."""
        return self.planes(cutouts, self.measured(cutouts), view)

    def features(self, planes: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Features of the last hidden layer, shape (N, 64), of what `look` gives."""
        return self.network.features(planes, context)

    def head(self, features: torch.Tensor) -> torch.Tensor:
        """Logits, shape (N, classes), of `features`."""
        return self.network.head(features)

    def forward(self, planes: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Logits, shape (N, classes), of what `look` gives."""
        return self.head(self.features(planes, context))


@torch.no_grad()
def galaxies(images: torch.Tensor, good: torch.Tensor, measured: Measured) -> torch.Tensor:
    """Light of the lens galaxies, as ``sis`` fits it to what the arcs leave free, shape (N, 1, H, W).

    Parameters
    ----------
    images, good : torch.Tensor, shape (N, 1, H, W)
        In σ above the sky, and 1 where a pixel may be used.
    measured : Measured
        Their lenses.

    Notes
    -----
    It is the same light whatever is differentiated.
    """
    height, width = images.shape[-2:]
    pixels = Grid.of(height, width, images.new_ones(len(images)), (0.0, 0.0)).positions()
    lit = over_frames(measured.arcs, measured.frames, pixels) > LIT
    free = ((good[:, 0] > 0) & ~lit).cpu().numpy()
    away = (pixels - measured.lens[:, 1:3, None, None]).double().cpu().numpy()
    light, ones = images[:, 0].double().cpu().numpy(), np.ones((height, width))
    found = [
        lens_light(light[i], ones, free[i], away[i, 0], away[i, 1], float(measured.lens[i, 0]))
        for i in range(len(images))
    ]
    return torch.from_numpy(np.stack(found)).to(images)[:, None]
