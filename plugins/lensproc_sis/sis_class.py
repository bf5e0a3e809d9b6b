"""``sis-class``: a classifier of image, residual and convergence, which the physics of ``sis`` gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch

from lensproc.contract.classifier_stage import ClassifierStage
from lensproc.nn.classifying.calibrated import Calibrated
from lensproc.nn.spec import from_spec
from lensproc_sis.lens_classifier import LensClassifier
from lensproc_sis.measure import Cutouts

if TYPE_CHECKING:
    from lensproc.contract.manifest import Manifest, OptionValue
    from lensproc.contract.stage import Batch
    from lensproc.nn.classifying.saliency import Frame, Inputs


class LensClassStage(ClassifierStage):
    """Measures the lens of each cutout, and classifies what its source does not explain."""

    def inputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        """Planes and context of a batch: each lens is measured once, its planes are turned with the views."""
        return self._backbone().look(cutouts_of(batch, batch.images))

    def looks(self, batch: Batch) -> tuple[Inputs, Frame]:
        """Look at each lens where it is in the batch: its parameters are not explained, the residual is."""
        network = self._backbone()
        measured = network.measured(cutouts_of(batch, batch.images))
        return (
            lambda images: network.planes(cutouts_of(batch, images), measured),
            lambda images: network.framed(images, measured),
        )

    def _backbone(self) -> LensClassifier:
        assert isinstance(self.network, Calibrated)
        network = self.network.backbone
        assert isinstance(network, LensClassifier)
        return network


def cutouts_of(batch: Batch, images: torch.Tensor) -> Cutouts:
    """Give what is measured of a batch whose images, in σ above the sky, are replaced by others."""
    height, width = images.shape[-2:]
    middle = ((width - 1) / 2, (height - 1) / 2)
    places = images.new_tensor([item.lens_center or middle for item in batch.items])
    widths = [0.0 if item.psf is None else float(item.psf.fwhm) for item in batch.items]
    return Cutouts(
        images,
        (~batch.mask).to(images.dtype),
        images.new_tensor(widths),
        places[:, 0],
        places[:, 1],
        images.new_full((len(batch),), max(height, width) / 2),
    )


def stage(manifest: Manifest, options: Mapping[str, OptionValue]) -> LensClassStage:
    """Build the stage."""
    return LensClassStage(manifest, options, build)


def build(spec: Mapping[str, object]) -> Calibrated:
    """Build the network of a weights file."""
    return Calibrated(from_spec(LensClassifier, spec, "sis-class"))
