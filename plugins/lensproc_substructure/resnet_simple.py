"""``resnet-simple``: a short residual network with a wide fully connected layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lensproc.contract.classifier_training import classification_task
from lensproc.nn.classifying.calibrated import Calibrated
from lensproc.nn.resnet_simple import ResnetSimple
from lensproc.nn.spec import from_spec, full_spec

if TYPE_CHECKING:
    from lensproc.contract.classifier_stage import ClassifierStage
    from lensproc.contract.manifest import Manifest, OptionValue
    from lensproc.contract.training import TrainingRecipe, TrainingTask


def stage(manifest: Manifest, options: Mapping[str, OptionValue]) -> ClassifierStage:
    """Build the stage."""
    from lensproc.contract.classifier_stage import ClassifierStage

    return ClassifierStage(manifest, options, build)


def build(spec: Mapping[str, object]) -> Calibrated:
    """Build the network of a weights file."""
    return Calibrated(from_spec(ResnetSimple, spec, "resnet-simple"))


def training(manifest: Manifest, recipe: TrainingRecipe) -> TrainingTask:
    """Describe the training; ``[network]`` holds the parameters of `ResnetSimple`."""
    network = build(recipe.network)
    return classification_task(network, full_spec(ResnetSimple, recipe.network), recipe)
