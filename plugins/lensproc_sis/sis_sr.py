"""``sis-sr``: the source of a measured lens, lensed again on pixels half as large."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from lensproc.contract.known_psf import psf_or_reason
from lensproc.contract.lens_sr_stage import PSF_SIDE, STAND_IN, in_noise_units, noise_of
from lensproc.contract.network import NetworkStage
from lensproc.contract.stage import StageOutput
from lensproc.enhanced import Value
from lensproc.errors import PluginError
from lensproc.nn.consistency import Consistency, consistent, matched_significance
from lensproc.nn.forward import forward, stack_kernels
from lensproc.nn.forward_error import H_ERROR
from lensproc.nn.lens_sr import bicubic, limits
from lensproc.nn.psf import matching_kernel, psf_image
from lensproc.nn.spec import from_spec
from lensproc_sis.lens_classifier import galaxies
from lensproc_sis.relensed import SCALE, Relensed
from lensproc_sis.starts import begun

if TYPE_CHECKING:
    from lensproc.contract.manifest import Manifest, OptionValue
    from lensproc.contract.stage import Batch
    from lensproc.cutout import PSF

SURE = (0.5, 0.9)
"""Share of the light explained from which the lens counts, and from which it counts as a whole."""
SEEN = 3.0
"""Light below this many σ of a matched filter is not asked for."""
WIDE = 1.5
"""Reach around what a lens does not explain that is interpolated with it [FWHM]."""
MEANING = "share of the arcs that other images explain"
NOT_FINITE = "the lens that was found is not finite"


class RelensedStage(NetworkStage):
    """Bring each lens to finer pixels by itself.

    Parameters
    ----------
    manifest : Manifest
        What the stage says of itself.
    options : mapping
        As for `NetworkStage`.
    """

    def __init__(self, manifest: Manifest, options: Mapping[str, OptionValue]) -> None:
        super().__init__(manifest, options, build)

    def apply(self, batch: Batch) -> StageOutput:
        """Enhance a batch, item by item, so that neighbours make no difference."""
        observed, variance = in_noise_units(batch)
        known = [psf_or_reason(item) for item in batch.items]
        images, values, failed = [], [], []
        for i, (psf, reason) in enumerate(known):
            one = slice(i, i + 1)
            image, share = self._one(batch, i, observed[one], variance[one], psf or STAND_IN)
            finite = bool(torch.isfinite(image).all())
            failed.append(reason or (None if finite else NOT_FINITE))
            images.append(image if finite else torch.zeros_like(image))
            values.append({} if failed[-1] else {"LPEXPL": Value(share, None, "", MEANING)})
        return StageOutput(
            images=torch.cat(images) * noise_of(batch),
            values=tuple(values),
            failed=tuple(failed) if any(failed) else (),
        )

    def _one(
        self, batch: Batch, index: int, observed: torch.Tensor, variance: torch.Tensor, psf: PSF
    ) -> tuple[torch.Tensor, float]:
        network = self.network
        if not isinstance(network, Relensed):
            raise PluginError(f"stage {self.manifest.id} is used before it is loaded")
        good = (~batch.mask[index : index + 1]).to(observed.dtype)
        item = dataclasses.replace(batch.items[index], psf=psf)
        alone = dataclasses.replace(batch, images=observed, items=(item,))
        cutouts = begun(network.lens, observed, good, alone)
        measured = network.measured(cutouts)
        light = galaxies(observed, good, measured)
        arcs, weights = observed - light, good / variance
        share = explained_share(arcs, variance, *network.across(arcs, weights, measured), psf)
        low, high = SURE
        trust = min(1.0, max(0.0, (share - low) / (high - low)))
        image, _, _ = network(arcs, weights, measured, cutouts.fwhm)
        return completed(trust * (image + bicubic(light)), observed, variance, psf), share


def explained_share(
    arcs: torch.Tensor, variance: torch.Tensor, said: torch.Tensor, saying: torch.Tensor, psf: PSF
) -> float:
    """Share of the arcs' light, in power above its noise, that images on the other side of the lens explain.

    Parameters
    ----------
    arcs, variance : torch.Tensor, shape (1, 1, H, W)
        Light less that of the lens galaxy, and its variance.
    said, saying : torch.Tensor, shape (1, 1, H, W)
        Of `Relensed.across`.
    psf : PSF
        Of the input [input px].

    Returns
    -------
    float
        From 0 to 1; 0 where no light above the noise has an image on the other side.
    """
    _, stamp, allowed = _matched(arcs, variance, psf)
    where = (saying & (matched_significance(arcs, allowed, stamp) > SEEN)).to(arcs)
    power = float((where * (arcs**2 - variance)).sum())
    left = float((where * ((arcs - said) ** 2 - variance)).sum())
    return min(1.0, max(0.0, 1.0 - left / power)) if power > 0 else 0.0


def again(image: torch.Tensor, psf: PSF) -> torch.Tensor:
    """H of images (N, 1, 2H, 2W): what the input would be."""
    return forward(image, _kernels(psf, image), SCALE, "surface brightness")


def _kernels(psf: PSF, like: torch.Tensor) -> torch.Tensor | None:
    kernels = stack_kernels([matching_kernel(psf, "same", SCALE)])
    return None if kernels is None else kernels.to(like)


def _matched(
    observed: torch.Tensor, variance: torch.Tensor, psf: PSF
) -> tuple[torch.Tensor | None, torch.Tensor, torch.Tensor]:
    """Kernel of H, PSF to match with, and the variance with what H itself may be wrong by."""
    stamp = torch.from_numpy(psf_image(psf, PSF_SIDE).copy()).to(observed)[None]
    allowed = variance + (H_ERROR["same"] * observed.clamp(min=0.0)) ** 2
    return _kernels(psf, observed), stamp, allowed


def completed(image: torch.Tensor, observed: torch.Tensor, variance: torch.Tensor, psf: PSF) -> torch.Tensor:
    """Add what the lens does not explain, so that the image agrees with its input.

    Parameters
    ----------
    image : torch.Tensor, shape (1, 1, 2H, 2W)
        What the lens explains, as surface brightness.
    observed, variance : torch.Tensor, shape (1, 1, H, W)
        The input with its sky near 0, and the variance of its pixels.
    psf : PSF
        Of the input [input px].

    Returns
    -------
    torch.Tensor, shape (1, 1, 2H, 2W)

    Notes
    -----
    Where the residual is significant as a point source (from 4 to 5σ of a matched filter) or lies within 1.5 FWHM
    of such a place, it is interpolated and added, noise and all; elsewhere it is noise and left out. Then follows
    the last step of `lensproc.nn.consistency`: slow waves, and with them the flux, are those of the input.
    """
    kernels, stamp, allowed = _matched(observed, variance, psf)
    settings = Consistency()
    rest = observed - again(image, psf)
    sigma = matched_significance(rest, allowed, stamp).abs()
    low, high = settings.residual
    reach = max(1, round(WIDE * psf.fwhm))
    where = functional.max_pool2d(((sigma - low) / (high - low)).clamp(0.0, 1.0), 2 * reach + 1, 1, reach)
    where = functional.avg_pool2d(functional.pad(where, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    fwhm = observed.new_tensor([psf.fwhm])
    return consistent(
        image + bicubic(where * rest),
        observed,
        allowed,
        kernels,
        stamp,
        fwhm,
        SCALE,
        settings,
        limits(observed, allowed),
    )


def stage(manifest: Manifest, options: Mapping[str, OptionValue]) -> RelensedStage:
    """Build the stage."""
    return RelensedStage(manifest, options)


def build(spec: Mapping[str, object]) -> Relensed:
    """Build the network of a weights file."""
    return from_spec(Relensed, spec, "sis-sr")
