"""``sis-class``: a classifier of image, residual and convergence, which the physics of ``sis`` gives."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from lensproc.contract.classifier_stage import ClassifierStage
from lensproc.nn.classifying.calibrated import Calibrated
from lensproc.nn.spec import from_spec
from lensproc_sis.lens_classifier import LensClassifier
from lensproc_sis.measure import Cutouts
from lensproc_sis.starts import alone_in, begun

if TYPE_CHECKING:
    from lensproc.contract.manifest import Manifest, OptionValue
    from lensproc.contract.stage import Batch
    from lensproc.nn.classifying.saliency import Frame, Inputs


class LensClassStage(ClassifierStage):
    """Measures the lens of each cutout, and classifies what its source does not explain."""

    def inputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        """Planes and context of a batch: each lens is measured once, its planes are turned with the views.

        Notes
        -----
        One cutout at a time: rounding differs with the number of images, and a residual in σ makes much of it.
        """
        alone = (alone_in(batch, index) for index in range(len(batch)))
        parts = [self._backbone().look(self._cutouts(one)) for one in alone]
        return tuple(torch.cat(planes) for planes in zip(*parts, strict=True))

    def looks(self, batch: Batch) -> tuple[Inputs, Frame]:
        """Look at each lens where it is in the batch: its parameters are not explained, the residual is."""
        network, cutouts = self._backbone(), self._cutouts(batch)
        measured = network.measured(cutouts)
        return (
            lambda images: network.planes(dataclasses.replace(cutouts, images=images), measured),
            lambda images: network.framed(images, measured),
        )

    def _cutouts(self, batch: Batch) -> Cutouts:
        return begun(self._backbone().lens, batch.images, (~batch.mask).to(batch.images.dtype), batch)

    def _backbone(self) -> LensClassifier:
        assert isinstance(self.network, Calibrated)
        network = self.network.backbone
        assert isinstance(network, LensClassifier)
        return network


def stage(manifest: Manifest, options: Mapping[str, OptionValue]) -> LensClassStage:
    """Build the stage."""
    return LensClassStage(manifest, options, build)


def build(spec: Mapping[str, object]) -> Calibrated:
    """Build the network of a weights file."""
    return Calibrated(from_spec(LensClassifier, spec, "sis-class"))
