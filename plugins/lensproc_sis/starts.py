"""Where the lenses of a batch are looked for first, and one image of it by itself."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import torch

from lensproc_sis.measure import Cutouts, measure
from lensproc_sis.sis_network import SISNetwork

if TYPE_CHECKING:
    from lensproc.contract.stage import Batch

APART = 1.0
"""Distance of a known centre from the middle above which both are looked at [px]."""


def alone_in(batch: Batch, index: int) -> Batch:
    """Return one image of a batch as a batch of its own."""
    one = slice(index, index + 1)
    return dataclasses.replace(
        batch,
        images=batch.images[one],
        variance=None if batch.variance is None else batch.variance[one],
        mask=batch.mask[one],
        items=batch.items[one],
    )


@torch.no_grad()
def begun(network: SISNetwork, images: torch.Tensor, good: torch.Tensor, batch: Batch) -> Cutouts:
    """Say where the lenses of a batch are looked for first: of middle and known centre, where θ_E is surer.

    Parameters
    ----------
    network : SISNetwork
        In evaluation mode.
    images, good : torch.Tensor, shape (N, 1, H, W)
        In σ above the sky, and 1 where a pixel may be used.
    batch : Batch
        Of these images: its items know the PSF and, maybe, the centre of the lens.

    Notes
    -----
    A centre that was found by its light may be that of an arc.
    """
    height, width = images.shape[-2:]
    middle = images.new_tensor([((width - 1) / 2, (height - 1) / 2)]).expand(len(batch), 2)
    widths = [0.0 if item.psf is None else float(item.psf.fwhm) for item in batch.items]
    half = images.new_full((len(batch),), max(height, width) / 2)
    cutouts = Cutouts(images, good, images.new_tensor(widths), middle[:, 0], middle[:, 1], half)
    known = images.new_tensor(
        [item.lens_center or (float(x), float(y)) for item, (x, y) in zip(batch.items, middle, strict=True)]
    )
    apart = (known - middle).norm(dim=1) > APART
    if not bool(apart.any()):
        return cutouts
    other = dataclasses.replace(cutouts, x=known[:, 0], y=known[:, 1])
    unsure, unsure_there = (_unsure(network, where) for where in (cutouts, other))
    there = apart & (unsure_there < unsure)
    return dataclasses.replace(
        cutouts,
        x=torch.where(there, other.x, cutouts.x),
        y=torch.where(there, other.y, cutouts.y),
    )


def _unsure(network: SISNetwork, cutouts: Cutouts) -> torch.Tensor:
    """Relative error of θ_E, shape (N,); infinite where it is no number."""
    measured = measure(network, cutouts, views=1)
    error = measured.sigma[:, 0] / measured.lens[:, 0]
    return torch.where(torch.isfinite(error), error, torch.inf)
