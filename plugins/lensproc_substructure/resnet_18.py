"""``resnet-18``: the residual network of 18 layers, for one channel and without weights from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lensproc.contract.classifier_training import classification_task
from lensproc.nn.classifying.calibrated import Calibrated
from lensproc.nn.resnet_18 import Resnet18
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
    return Calibrated(from_spec(Resnet18, spec, "resnet-18"))


def training(manifest: Manifest, recipe: TrainingRecipe) -> TrainingTask:
    """Describe the training; ``[network]`` holds the parameters of `Resnet18`."""
    network = build(recipe.network)
    return classification_task(network, full_spec(Resnet18, recipe.network), recipe)
