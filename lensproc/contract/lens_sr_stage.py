"""A stage of the network of `lensproc.nn.lens_sr`: normalise, run it, make its image agree with the input."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

from lensproc.contract.known_psf import psf_or_reason
from lensproc.contract.network import NetworkStage
from lensproc.contract.stage import Batch, Item, StageOutput
from lensproc.cutout import PSF
from lensproc.nn.consistency import Consistency, consistent
from lensproc.nn.forward import stack_kernels
from lensproc.nn.forward_error import H_ERROR
from lensproc.nn.lens_sr import SCALE, limits
from lensproc.nn.psf import matching_kernel, psf_image

if TYPE_CHECKING:
    from lensproc.contract.manifest import Manifest, OptionValue

PSF_SIDE = 33
"""Side of the PSF that is matched with [input px]."""
FWHM_RANGE = (1.0, 8.0)
"""FWHM that the network is told [input px]; training has 1.2 to 5.5."""
STAND_IN = PSF(3.0)
"""Goes through the network in place of a PSF that is not known; the result is thrown away."""


class LensSRStage(NetworkStage):
    """``lens-sr`` or ``lens-gan``: twice the sampling, half the width of the PSF, an error for every pixel.

    Parameters
    ----------
    manifest : Manifest
        Its ``output_psf`` is what the network was trained for.
    options : mapping
        ``consistency``: whether the last step is taken.
    build : callable
        Hyperparameters to a network that is called as `lensproc.nn.lens_sr.LensSR` is.
    """

    def __init__(
        self,
        manifest: Manifest,
        options: Mapping[str, OptionValue],
        build: Callable[[Mapping[str, Any]], torch.nn.Module],
    ) -> None:
        super().__init__(manifest, options, build)

    def inputs(self, batch: Batch) -> tuple[Tensor, ...]:
        """Images and variances in units of the noise, and the width of the PSF."""
        images, variance = in_noise_units(batch)
        # an image wider than the network knows is taken for the widest it knows; the last step uses the true PSF
        fwhm = images.new_tensor([_psf(item).fwhm for item in batch.items]).clamp(*FWHM_RANGE)
        return images, variance, fwhm[:, None, None, None]

    def outputs(self, result: Any, batch: Batch) -> StageOutput:
        """Make the images agree with their inputs and give everything in the unit of the batch."""
        images, sigma = result
        observed, variance = in_noise_units(batch)
        low, high = limits(observed, variance)
        images = torch.minimum(torch.maximum(images.float(), low), high)
        if self.options["consistency"]:
            psfs = [_psf(item) for item in batch.items]
            kernels = stack_kernels([matching_kernel(p, self.manifest.output_psf, SCALE) for p in psfs])
            stamps = [torch.from_numpy(psf_image(p, PSF_SIDE).copy()) for p in psfs]
            images = consistent(
                images,
                observed,
                variance + allowance(observed, psfs) ** 2,
                None if kernels is None else kernels.to(images),
                torch.stack(stamps).to(images),
                images.new_tensor([p.fwhm for p in psfs]),
                SCALE,
                Consistency(),
                (low, high),
            )
        noise = noise_of(batch)
        failed = tuple(psf_or_reason(item)[1] for item in batch.items)
        return StageOutput(
            images=images * noise,
            uncertainty=sigma.float() * noise,
            failed=failed if any(failed) else (),
        )


def _psf(item: Item) -> PSF:
    return psf_or_reason(item)[0] or STAND_IN


def allowance(observed: Tensor, psfs: Sequence[PSF]) -> Tensor:
    """Error of H at each pixel, shape (N, 1, H, W): what the PSF is not known to, as a share of the light.

    The shares are those of the quality checks; without them the residual that a wrong PSF leaves
    at a bright core would be put back as structure. Half of it reaches 1.5 FWHM from a core, as its wings do.
    """
    light = observed.clamp(min=0.0)
    errors = torch.empty_like(light)
    for item, psf in enumerate(psfs):
        share = H_ERROR["width" if psf.image is None else "image"]
        reach = max(1, round(1.5 * psf.fwhm))
        around = functional.max_pool2d(light[item], 2 * reach + 1, 1, reach)
        errors[item] = share * torch.maximum(light[item], 0.5 * around)
    return errors


def noise_of(batch: Batch) -> Tensor:
    """1σ of the sky of each item in the unit of the batch, shape (N, 1, 1, 1); 1 for a constant image."""
    noise = [item.noise[0] if item.noise and item.noise[0] > 0 else 1.0 for item in batch.items]
    return batch.images.new_tensor(noise)[:, None, None, None]


def in_noise_units(batch: Batch) -> tuple[Tensor, Tensor]:
    """Images and variances of a batch in units of the noise of each item; variance 1 where there is none."""
    noise = noise_of(batch)
    if batch.variance is None:
        return batch.images / noise, torch.ones_like(batch.images)
    variance = batch.variance / noise**2
    # a pixel without a measurement has no variance; it is filled, and counts as typical
    known = torch.isfinite(variance) & (variance > 0)
    return batch.images / noise, torch.where(known, variance, torch.ones_like(variance)).clamp(min=1e-4)
