"""The stage ``lens-sr`` and how it learns."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from lensproc.contract.lens_sr_stage import LensSRStage
from lensproc.contract.training import TrainingRecipe, TrainingTask, require_known
from lensproc.nn.lens_sr import LensSR
from lensproc.nn.lens_sr_learning import FIELDS, SCALES, loss, metrics, prepare
from lensproc.nn.spec import from_spec, full_spec
from lensproc.simulate.samples import sample

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lensproc.contract.manifest import Manifest, OptionValue

LOSS = {"points": 4.0, "flux": 0.1, "square": 0.5, "beta": 0.5, "stars": 0.0}
"""Entries of ``[loss]`` that have a weight where the recipe does not say."""


def lens_sr(manifest: Manifest, options: Mapping[str, OptionValue]) -> LensSRStage:
    """Build the stage ``lens-sr``."""
    return LensSRStage(manifest, options, build)


def build(spec: Mapping[str, Any]) -> LensSR:
    """Build the network of a weights file."""
    return from_spec(LensSR, spec, "lens-sr")


def task(manifest: Manifest, recipe: TrainingRecipe) -> TrainingTask:
    """Return the training task of ``lens-sr``.

    Parameters
    ----------
    manifest : Manifest
        Of the stage.
    recipe : TrainingRecipe
        ``[network]``: ``width``, ``blocks``, ``fine``. ``[loss]``: ``points`` (weight of point sources over the
        rest), ``flux`` (weight of the light in squares), ``square`` (weight of the squared error), ``beta``,
        ``response`` and ``apertures`` (weights of what point sources lose), ``stars`` (share of samples that get a
        very bright star).

    Raises
    ------
    UsageError
        For an entry of ``[loss]`` that there is not.
    """
    require_known(recipe.loss, (*LOSS, "response", "apertures"))
    weights = LOSS | dict(recipe.loss)
    stars = float(weights.pop("stars"))
    return TrainingTask(
        network=from_spec(LensSR, recipe.network, manifest.id),
        network_spec=full_spec(LensSR, recipe.network),
        sample=functools.partial(sample, fields=FIELDS),
        scales=SCALES,
        prepare=functools.partial(prepare, stars=stars),
        loss=functools.partial(loss, **weights),
        metrics=metrics,
        monitor="score",
        scales_with_light=True,  # the network works in units of `local_scale`, its other inputs end at `BRIGHTEST`
    )
