"""The stage ``lens-denoise``, and how its network is trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from lensproc.contract.network import NetworkStage
from lensproc.contract.stage import Batch, StageOutput
from lensproc.contract.training import TrainingTask, require_known
from lensproc.nn.spec import from_spec, full_spec
from lensproc_denoise.exposures import Drawing, draw_exposures
from lensproc_denoise.losses import Weights, denoising_loss
from lensproc_denoise.noise_unet import NoiseUNet
from lensproc_denoise.samples import exposure_parts

if TYPE_CHECKING:
    from lensproc.contract.manifest import Manifest, OptionValue
    from lensproc.contract.training import TrainingRecipe

FAINTEST = 1e-4
"""Noise of an image without any, as a part of its range: nothing else says what a change of its pixels means."""


class LensDenoise(NetworkStage):
    """Denoise with the noise map of the file, or the noise of the sky where the file states no variance."""

    def inputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        """Image, noise map, typical noise (N, 1, 1, 1) and mask; the others of shape (N, 1, H, W)."""
        images = batch.images
        level = noise_level(batch)
        sigma = level.expand_as(images)
        if batch.variance is not None:
            stated = batch.variance > 0
            sigma = torch.where(stated, batch.variance.clamp_min(0.0).sqrt(), sigma)
        return images, sigma, level, batch.mask.to(images.dtype)

    def outputs(self, result: Any, batch: Batch) -> StageOutput:
        """Denoised image and its 1σ error."""
        denoised, uncertainty = result
        return StageOutput(images=denoised, uncertainty=uncertainty)


def noise_level(batch: Batch) -> torch.Tensor:
    """1σ noise that stands for each image, above 0; shape (N, 1, 1, 1).

    Notes
    -----
    Where the core could measure none it is 10⁻⁴ of the range of the pixels, and 1 for a constant image.
    """
    spread = batch.images.flatten(1).amax(1) - batch.images.flatten(1).amin(1)
    given = torch.tensor([item.noise[0] if item.noise else 0.0 for item in batch.items]).to(spread)
    level = torch.where(given > 0, given, FAINTEST * spread)
    return torch.where(level > 0, level, torch.ones_like(level)).view(-1, 1, 1, 1)


def stage(manifest: Manifest, options: Mapping[str, OptionValue]) -> LensDenoise:
    """Build the stage."""
    return LensDenoise(manifest, options, partial(from_spec, NoiseUNet, name=manifest.id))


def training(manifest: Manifest, recipe: TrainingRecipe) -> TrainingTask:
    """Describe the training: skies without noise, of which every step takes two exposures.

    Parameters
    ----------
    recipe : TrainingRecipe
        ``[network]``: parameters of `NoiseUNet`, and a table ``exposures`` of those of `Drawing`; ``[loss]``:
        those of `lensproc_denoise.losses.Weights`.
    """
    network = dict(recipe.network)
    exposures = network.pop("exposures", {})
    drawing = Drawing(**_known(Drawing, exposures, "[network] exposures"))
    weights = Weights(**_known(Weights, recipe.loss, "[loss]"))
    built = from_spec(NoiseUNet, network, manifest.id)
    return TrainingTask(
        network=built.to(memory_format=torch.channels_last),  # type: ignore[call-overload]
        network_spec=full_spec(NoiseUNet, network),
        sample=exposure_parts,
        scales={"truth": 1, "psf": 0},
        prepare=partial(draw_exposures, drawing=drawing),
        loss=partial(denoising_loss, weights=weights),
    )


def _known(kind: type, table: Mapping[str, Any], where: str) -> dict[str, Any]:
    require_known(table, [field.name for field in dataclasses.fields(kind)], where)
    return {name: tuple(value) if isinstance(value, list) else value for name, value in table.items()}
