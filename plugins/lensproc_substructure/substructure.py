"""``substructure``: the classifier that looks at the ring, whatever the size, scale and depth of the cutout."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch

from lensproc.contract.classifier_stage import ClassifierStage
from lensproc.contract.classifier_training import classification_task
from lensproc.contract.training import Fields
from lensproc.nn.classifying.calibrated import Calibrated
from lensproc.nn.ring import Moved, measure_rings, to_ring
from lensproc.nn.spec import from_spec, full_spec
from lensproc.nn.substructure_network import SubstructureNetwork, planes_and_context
from lensproc_substructure.padded import padded_sample
from lensproc_substructure.ring_augmentation import RingAugmentation

if TYPE_CHECKING:
    from lensproc.contract.manifest import Manifest, OptionValue
    from lensproc.contract.stage import Batch
    from lensproc.contract.training import TrainingRecipe, TrainingTask
    from lensproc.nn.classifying.saliency import Frame, Inputs

FRAME = 150
"""Side of the frame that training images are put into [px]."""


def look(
    images: torch.Tensor, fwhm: torch.Tensor, side: int, moved: Moved | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Make the inputs of the network of cutouts.

    Parameters
    ----------
    images : torch.Tensor, shape (N, 1, H, W)
        In σ above the sky.
    fwhm : torch.Tensor, shape (N,)
        Of the PSF [px]; 0 where it is not known.
    side : int
        Of the resampled image [px].
    moved : Moved, optional
        How the ring is shifted, turned and scaled, in training.

    Returns
    -------
    planes : torch.Tensor, shape (N, 4, side, side)
    context : torch.Tensor, shape (N, 3)
        See `planes_and_context`.
    """
    rings = measure_rings(images)
    turn = None
    if moved is not None:
        rings, turn = moved.applied(rings), moved.turn
    return planes_and_context(to_ring(images, rings, side, turn), rings.radius, fwhm)


class SubstructureStage(ClassifierStage):
    """Looks at the ring of each cutout."""

    def inputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        """Planes and context of a batch."""
        return look(batch.images, _widths(batch), self._side())

    def looks(self, batch: Batch) -> tuple[Inputs, Frame]:
        """Look at each ring where it is in the batch: the ring itself is not explained."""
        rings, fwhm, side = measure_rings(batch.images), _widths(batch), self._side()

        def frame(images: torch.Tensor) -> torch.Tensor:
            return to_ring(images, rings, side)

        return lambda images: planes_and_context(frame(images), rings.radius, fwhm), frame

    def _side(self) -> int:
        assert isinstance(self.network, Calibrated)
        network = self.network.backbone
        assert isinstance(network, SubstructureNetwork)
        return network.side


def _widths(batch: Batch) -> torch.Tensor:
    """FWHM of the PSF of each image [px], shape (N,); 0 where it is not known."""
    widths = [0.0 if item.psf is None else float(item.psf.fwhm) for item in batch.items]
    return torch.tensor(widths, dtype=batch.images.dtype, device=batch.images.device)


def stage(manifest: Manifest, options: Mapping[str, OptionValue]) -> SubstructureStage:
    """Build the stage."""
    return SubstructureStage(manifest, options, build)


def build(spec: Mapping[str, object]) -> Calibrated:
    """Build the network of a weights file."""
    return Calibrated(from_spec(SubstructureNetwork, spec, "substructure"))


def in_sigma(batch: Fields) -> torch.Tensor:
    """Raw pixels to σ above the sky, shape (N, 1, H, W), as the core does before the stage (``noise``)."""
    sigma = torch.where(batch["sigma"] > 0, batch["sigma"], torch.ones_like(batch["sigma"])).float()
    return ((batch["image"].float() - batch["sky"].float()[:, None, None]) / sigma[:, None, None]).unsqueeze(
        1
    )


def inside(batch: Fields) -> torch.Tensor:
    """1 where a pixel is the image's own, 0 where its frame is, shape (N, 1, H, W).

    Beyond the edge of a cutout the stage has no noise either.
    """
    side = batch["image"].shape[-1]
    own = batch["inside"].long()
    before = torch.div(side - own, 2, rounding_mode="floor")
    axis = torch.arange(side, device=own.device)
    within = (axis >= before[:, None]) & (axis < (before + own)[:, None])
    return (within[:, None, :, None] & within[:, None, None, :]).float()


def prepare_plain(batch: Fields, generator: torch.Generator, side: int) -> Fields:
    """Prepare images as the stage sees them; draws nothing."""
    planes, context = look(in_sigma(batch), batch["fwhm"].float(), side)
    return {"images": planes, "context": context, "label": batch["label"].long()}


@dataclass(frozen=True)
class PrepareVaried:
    """Prepare images of training: blurred, noisier, shifted, turned and scaled at random.

    Parameters
    ----------
    augmentation : RingAugmentation
        How much.
    side : int
        Of the resampled image [px].
    """

    augmentation: RingAugmentation
    side: int

    def __call__(self, batch: Fields, generator: torch.Generator) -> Fields:
        """Prepare a batch."""
        images, fwhm = self.augmentation.degrade(in_sigma(batch), batch["fwhm"].float(), generator)
        images = images * inside(batch)
        moved = self.augmentation.draw(len(images), generator, images.device)
        planes, context = look(images, fwhm, self.side, moved)
        return {"images": planes, "context": context, "label": batch["label"].long()}


def training(manifest: Manifest, recipe: TrainingRecipe) -> TrainingTask:
    """Describe the training.

    Parameters
    ----------
    recipe : TrainingRecipe
        ``[network]``: parameters of `SubstructureNetwork`, and ``frame``: side of the frame that all images are
        put into [px], 150; ``[loss]``: ``label_smoothing``, and the fields of
        `RingAugmentation`.
    """
    rest = dict(recipe.network)
    frame = int(rest.pop("frame", FRAME))
    network = build(rest)
    spec = full_spec(SubstructureNetwork, rest)
    side = int(spec["side"])
    augmentation, remaining = RingAugmentation.split(recipe.loss)
    plain = dataclasses.replace(recipe, loss=remaining)
    task = classification_task(network, spec, plain, prepare=partial(prepare_plain, side=side))
    return dataclasses.replace(
        task,
        sample=partial(padded_sample, side=frame),
        prepare=PrepareVaried(augmentation, side),
    )
