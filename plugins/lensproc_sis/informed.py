"""``sis-1``, ``sis-2``, ``sis-full``: classifiers of the source plane that a learnt sphere leads back to."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from lensproc.contract.classifier_stage import ClassifierStage
from lensproc.errors import InputError, UsageError, WeightsError
from lensproc.nn.classifying.calibrated import Calibrated
from lensproc.nn.spec import from_spec, full_spec
from lensproc_sis.network import InformedClassifier
from lensproc_sis.training import BACKBONE, informed, informed_task

if TYPE_CHECKING:
    from lensproc.contract.manifest import Manifest, OptionValue
    from lensproc.contract.stage import Batch
    from lensproc.contract.training import TrainingRecipe, TrainingTask
    from lensproc.nn.classifying.saliency import Frame, Inputs

PHYSICS: dict[str, dict[str, object]] = {
    "sis-1": {"mode": "overwrite", "slope": False},
    "sis-2": {"mode": "sum", "slope": False},
    "sis-full": {"mode": "sum", "slope": True},
}
"""What each stage is: hyperparameters of `InformedClassifier` that no recipe changes."""


class InformedStage(ClassifierStage):
    """Classify images by their source planes; arguments as for `ClassifierStage`, and option ``k_unit``."""

    def load(self, device: torch.device, dtype: torch.dtype) -> None:
        """Read the weights, which have to be of the unit that the option ``k_unit`` names.

        Raises
        ------
        WeightsError
            Where they are not, or for what `ClassifierStage.load` refuses.
        """
        super().load(device, dtype)
        asked, learnt = str(self.options["k_unit"]), self._informed().k_unit
        if asked != learnt:
            stage = self.manifest.id
            raise WeightsError(
                f"stage {stage}: these weights were trained with k in {learnt}, asked is {asked}",
                file=self.loaded_weights[0].file,
                remedy=f"--set {stage}.k_unit={learnt}, or train with [network] k_unit = {asked!r}",
            )

    def inputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        """Images, and where k is in arcsec their pixel scale (N, 1).

        Raises
        ------
        InputError
            Where the scale of an image is needed and not known.
        """
        if self._informed().k_unit == "pixel":
            return (batch.images,)
        scales = [item.pixel_scale for item in batch.items]
        if None in scales:
            raise InputError(
                f"stage {self.manifest.id}: k in arcsec needs the pixel scale, which the file does not give",
                remedy="give it with --pixel-scale ARCSEC",
            )
        return batch.images, batch.images.new_tensor(scales)[:, None]

    def looks(self, batch: Batch) -> tuple[Inputs, Frame]:
        """Look at a batch as it is sent to the source plane: k itself is not explained by its maps."""
        frame = self._informed().frame(*self.inputs(batch))
        return lambda images: self.inputs(dataclasses.replace(batch, images=images)), frame

    def _informed(self) -> InformedClassifier:
        assert self.network is not None
        return informed(self.network, BACKBONE)


def stage(manifest: Manifest, options: Mapping[str, OptionValue]) -> InformedStage:
    """Build the stage."""
    return InformedStage(manifest, options, build)


def build(spec: Mapping[str, object]) -> Calibrated:
    """Build the network of a weights file."""
    return Calibrated(from_spec(InformedClassifier, spec, "sis-1, sis-2, sis-full"))


def training(manifest: Manifest, recipe: TrainingRecipe) -> TrainingTask:
    """Describe the training; ``[network]`` holds the parameters of `InformedClassifier` but `mode` and `slope`.

    Raises
    ------
    UsageError
        Where it names these too: they are what the stage is.
    """
    physics = PHYSICS[manifest.id]
    given = sorted(set(recipe.network) & set(physics))
    if given:
        raise UsageError(
            f"training recipe {recipe.name}: [network] {', '.join(given)} is what stage {manifest.id} is",
            remedy=f"take another of {', '.join(PHYSICS)}",
        )
    spec = {**recipe.network, **physics}
    network = build(spec)
    return informed_task(network, full_spec(InformedClassifier, spec), recipe)
