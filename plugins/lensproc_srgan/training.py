"""How ``srgan`` and ``esrgan`` are trained: scenes with point sources, behind half the width of their PSF.

A recipe's ``[network]`` holds the hyperparameters of the generator, and ``start``: ``random`` or ``interpolation``
(see `lensproc.nn.starting`). Its ``[loss]`` holds what `LOSS` names, and the table ``[loss.adversarial]`` what
`lensproc.contract.adversarial.AdversarialSettings` names.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from torch import nn

from lensproc.contract.adversarial import AdversarialSettings, AdversarialTask
from lensproc.contract.network import require_reach
from lensproc.contract.training import require_known
from lensproc.errors import UsageError
from lensproc.nn.discriminator import Discriminator, small_discriminator
from lensproc.nn.losses import image_loss
from lensproc.nn.spec import from_spec, full_spec
from lensproc.nn.starting import begin
from lensproc_srgan.content import Content, Metrics, PixelLoss, closure, generate, shown
from lensproc_srgan.features import feature_network
from lensproc_srgan.samples import scene
from lensproc_srgan.stages import FEATURES, GENERATORS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lensproc.contract.manifest import Manifest
    from lensproc.contract.training import TrainingRecipe

SOURCES: dict[str, Any] = {"kind": "l1", "pixels": 1.0, "response": 0.0, "apertures": 0.0, "flux": 0.0}
"""Entries of ``[loss]`` with their defaults that need no other network: kind of the distance of pixels and its
weight; weights of matched filter, apertures and flux."""
LOSS: dict[str, Any] = {
    **SOURCES,
    "features": "none",
    "feature_weight": 1.0,
    "classifier": "",
    "discriminator": "small",
    "adversarial": {},
}
"""All entries of ``[loss]``: beside those which features, their weight and the classifier's file; which
discriminator; and the table of the adversarial part."""
SCALES = {"image": 1, "variance": 1, "sharp2": 2, "points2": 2}
"""Pixels per input pixel of the fields of `scene`."""
DISCRIMINATORS = ("small", "report")


def srgan(manifest: Manifest, recipe: TrainingRecipe) -> AdversarialTask:
    """Training of ``srgan``."""
    return task(manifest, recipe)


def esrgan(manifest: Manifest, recipe: TrainingRecipe) -> AdversarialTask:
    """Training of ``esrgan``; the discriminator is relativistic unless the recipe says otherwise."""
    return task(manifest, recipe, kind="relativistic")


def task(manifest: Manifest, recipe: TrainingRecipe, kind: str = "bce") -> AdversarialTask:
    """Training of a generator.

    Parameters
    ----------
    manifest : Manifest
        ``srgan`` or ``esrgan``.
    recipe : TrainingRecipe
        See this module.
    kind : str
        Of the adversarial losses, where the recipe does not say.

    Raises
    ------
    UsageError
        For an entry or a value that there is not.
    """
    spec = dict(recipe.network)
    start = spec.pop("start", "random")
    loss = read_loss(recipe.loss, LOSS)
    settings = AdversarialSettings.from_table({"kind": kind, **loss["adversarial"]})
    network = from_spec(GENERATORS[manifest.id], spec, manifest.id)
    require_reach(network, manifest)
    begin(network, start)
    features, seen = feature_network(loss["features"], loss["classifier"])
    content = Content(loss["kind"], content_weights(loss), features)
    return AdversarialTask(
        network=network,
        network_spec={**full_spec(GENERATORS[manifest.id], spec), FEATURES: seen},
        sample=partial(scene, normalisation=manifest.normalisation),
        scales=SCALES,
        loss=PixelLoss(loss["kind"]),
        metrics=Metrics(content),
        discriminator=discriminator(loss["discriminator"], settings.regulariser),
        generate=generate,
        content=content,
        shown=shown,
        closure=closure,
        settings=settings,
        judges=features,
    )


def read_loss(table: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Fill the defaults into the table ``[loss]`` of a recipe.

    Parameters
    ----------
    table : mapping
        What the recipe says.
    known : mapping
        Every entry with its default: `SOURCES` or `LOSS`.

    Raises
    ------
    UsageError
        For an entry that is not `known`, another kind of distance, or a negative weight.
    """
    require_known(table, known)
    loss = {**known, **table}
    image_loss(loss["kind"])
    for name in ("pixels", "feature_weight", "response", "apertures", "flux"):
        if loss.get(name, 0.0) < 0.0:
            raise UsageError(f"[loss] {name} must not be negative, got {loss[name]}")
    return loss


def content_weights(loss: Mapping[str, Any]) -> dict[str, float]:
    """Weights of `Content` by a table that `read_loss` has read."""
    names = ("pixels", "response", "apertures", "flux")
    return {**{name: float(loss[name]) for name in names}, "features": float(loss.get("feature_weight", 0.0))}


def discriminator(kind: str, regulariser: str) -> nn.Module:
    """Build a discriminator.

    Parameters
    ----------
    kind : str
        ``small``, or ``report``: that of the origin, with batch normalisation.
    regulariser : str
        ``spectral`` puts spectral normalisation in the place of batch normalisation.
    """
    if kind not in DISCRIMINATORS:
        raise UsageError(f"[loss] discriminator {kind!r} is not {' or '.join(DISCRIMINATORS)}")
    if kind == "small":
        return small_discriminator("spectral" if regulariser == "spectral" else "none")
    return Discriminator(norm="spectral" if regulariser == "spectral" else "batch")
