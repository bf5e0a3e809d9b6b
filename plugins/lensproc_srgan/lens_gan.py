"""The stage ``lens-gan``: the network of ``lens-sr``, trained against a discriminator that sees the input too."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lensproc.contract.adversarial import AdversarialSettings, AdversarialTask
from lensproc.contract.lens_sr_stage import LensSRStage
from lensproc.contract.training import Fields, require_known
from lensproc.errors import UsageError
from lensproc.nn.discriminator import small_discriminator
from lensproc.nn.interpolated import TwoWeights
from lensproc.nn.lens_sr import SCALE, LensSR, bicubic
from lensproc.nn.lens_sr_learning import FIELDS, SCALES, image_loss, metrics, prepare
from lensproc.nn.spec import from_spec, full_spec
from lensproc.simulate.samples import sample
from lensproc_srgan.content import flux_disagreement
from lensproc_srgan.stages import BetweenWeights

if TYPE_CHECKING:
    from lensproc.contract.manifest import Manifest, OptionValue
    from lensproc.contract.training import TrainingRecipe

LOSS = {
    "points": 4.0,
    "flux": 0.1,
    "square": 0.5,
    "beta": 0.5,
    "response": 0.0,
    "apertures": 0.0,
    "stars": 0.0,
}
"""Entries of ``[loss]`` with their defaults: those of `lensproc.nn.lens_sr_learning.image_loss`, and the share of
samples that get a very bright star."""


class LensGANStage(BetweenWeights, LensSRStage):
    """``lens-gan``: as ``lens-sr``, with weights between those that learned by pixels and the adversarial ones.

    Parameters
    ----------
    manifest : Manifest
        ``lens-gan``.
    options : mapping
        ``strength``, ``consistency`` and ``weights``.
    """

    def __init__(self, manifest: Manifest, options: Mapping[str, OptionValue]) -> None:
        super().__init__(manifest, options, build)


def build(spec: Mapping[str, Any]) -> TwoWeights:
    """Build both networks of a weights file."""
    return TwoWeights(from_spec(LensSR, spec, "lens-gan"))


def lens_gan(manifest: Manifest, options: Mapping[str, OptionValue]) -> LensGANStage:
    """Build the stage ``lens-gan``."""
    return LensGANStage(manifest, options)


def task(manifest: Manifest, recipe: TrainingRecipe) -> AdversarialTask:
    """Training of ``lens-gan``.

    Parameters
    ----------
    manifest : Manifest
        Of the stage.
    recipe : TrainingRecipe
        ``[network]``: hyperparameters of `LensSR`. ``[loss]``: `LOSS`, and the table ``adversarial``.

    Raises
    ------
    UsageError
        For an entry that there is not, or a negative weight.
    """
    table = dict(recipe.loss)
    settings = AdversarialSettings.from_table({"kind": "relativistic", **table.pop("adversarial", {})})
    require_known(table, LOSS, f"[loss] of {manifest.id}")
    weights = {name: float(value) for name, value in (LOSS | table).items()}
    for name, value in weights.items():
        if value < 0.0:
            raise UsageError(f"[loss] {name} must not be negative, got {value:g}")
    stars = weights.pop("stars")
    content = partial(_content, weights=weights)
    return AdversarialTask(
        network=from_spec(LensSR, recipe.network, manifest.id),
        network_spec=full_spec(LensSR, recipe.network),
        sample=partial(sample, fields=FIELDS),
        scales=SCALES,
        prepare=partial(prepare, stars=stars),
        loss=partial(_loss, weights=weights),
        metrics=partial(_metrics, weights=weights),
        scales_with_light=True,
        discriminator=small_discriminator("spectral" if settings.regulariser == "spectral" else "none", 2),
        generate=generate,
        content=content,
        shown=shown,
        closure=closure,
        settings=settings,
    )


def generate(network: nn.Module, batch: Fields) -> Tensor:
    """Image and its 1σ [noise of the input's sky], shape (N, 2, 2H, 2W)."""
    image, sigma = network(batch["image"], batch["variance"], batch["fwhm"])
    return torch.cat([image.float(), sigma.float()], dim=1)


def _content(generated: Tensor, batch: Fields, weights: Mapping[str, float]) -> Mapping[str, Tensor]:
    return image_loss(generated[:, :1], generated[:, 1:], batch, **weights)


def _loss(network: nn.Module, batch: Fields, weights: Mapping[str, float]) -> Mapping[str, Tensor]:
    return _content(generate(network, batch), batch, weights)


def _metrics(network: nn.Module, batch: Fields, weights: Mapping[str, float]) -> Mapping[str, Tensor]:
    """Give the parts of the loss, what ``lens-sr`` is judged by, and how well flux closes."""
    generated = generate(network, batch)
    return {
        **metrics(network, batch),
        **_content(generated, batch, weights),
        "closure": closure(generated, batch).square().mean().sqrt(),
    }


def shown(generated: Tensor, batch: Fields) -> tuple[Tensor, Tensor]:
    """Show a discriminator generated and real images, each beside its input, shape (N, 2, 2H, 2W).

    Both as the arsinh of the light over the noise (Lupton et al. 1999, AJ 118, 1406): on a linear scale a second
    source is lost beside the first. Beside the input an image can be judged by whether it fits it, not by its
    looks alone (Mirza & Osindero 2014, arXiv:1411.1784).
    """
    given = torch.asinh(bicubic(batch["image"]))

    def beside(image: Tensor) -> Tensor:
        return torch.cat([torch.asinh(image / SCALE), given], dim=1)

    return beside(generated[:, :1]), beside(batch["truth"])


def closure(generated: Tensor, batch: Fields) -> Tensor:
    """Disagreement of the output's flux with the input's [its photon error], shape (N,)."""
    return flux_disagreement(generated[:, :1], batch["truth"], batch["variance"][:, 0])
