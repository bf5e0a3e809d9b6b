"""Weights of ``sis`` as a part of another stage's network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lensproc.contract.registry import load_registry
from lensproc.contract.weights import weights_path
from lensproc.errors import UsageError, WeightsError
from lensproc.nn.spec import from_spec
from lensproc.nn.weights import Weights, read_weights
from lensproc_sis.sis_network import SISNetwork

if TYPE_CHECKING:
    from lensproc.contract.training import TrainingRecipe

SIS = "sis"
"""The stage that measures."""


def lens_network(spec: Mapping[str, Any]) -> SISNetwork:
    """Build the part that measures, frozen, in evaluation mode."""
    network = from_spec(SISNetwork, spec, SIS)
    return network.requires_grad_(False).eval()


def lens_weights(recipe: TrainingRecipe) -> Weights:
    """Read the weights of ``sis`` that a recipe names.

    Parameters
    ----------
    recipe : TrainingRecipe
        ``[network] sis``: a file; without it those that ship.

    Raises
    ------
    UsageError
        Where it is no file name.
    WeightsError
        Where there are none, or they are another stage's.
    """
    source = recipe.network.get(SIS, "")
    if not isinstance(source, str):
        raise UsageError(f"training recipe {recipe.name}: [network] sis {source!r} is no file name")
    path = weights_path(load_registry().manifest(SIS), {"weights": source})
    weights = read_weights(path)
    found = weights.metadata.get("stage")
    if found != SIS:
        raise WeightsError(
            f"these are weights of stage {found}, wanted are those of {SIS}",
            file=path.name,
            remedy=f"train them with lensproc train {SIS}",
        )
    return weights
