"""How ``sis-class`` learns: the class from what a measured lens leaves, and the measurement with it if it may."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch

from lensproc.contract.classifier_training import CrossEntropy, classification_task
from lensproc.contract.phases import Phase, PhasedTask
from lensproc.contract.training import Fields, require_known
from lensproc.errors import UsageError
from lensproc.nn.classifying.calibrated import Calibrated
from lensproc.nn.ring import Moved, draw_moved
from lensproc.nn.spec import full_spec
from lensproc_sis.lens_classifier import LensClassifier
from lensproc_sis.lens_weights import SIS, lens_weights
from lensproc_sis.measure import Cutouts
from lensproc_sis.sis_class import build

if TYPE_CHECKING:
    from lensproc.contract.manifest import Manifest
    from lensproc.contract.training import TrainingRecipe

BACKBONE = "backbone"
"""Part of a `Calibrated` network that is the `LensClassifier`."""
PLAIN = CrossEntropy()


@dataclass(frozen=True)
class Variation:
    """How much of what training images are looked at differently.

    Parameters
    ----------
    shift : float
        1σ of the shift along each axis [θ_E].
    magnify : float
        Largest relative change of the size at which the lens is shown.
    turn : float
        Part of the images that are turned by an angle that is no quarter turn.
    unknown : float
        Part of the images whose PSF the network is not told.
    """

    shift: float = 0.05
    magnify: float = 0.12
    turn: float = 0.5
    unknown: float = 0.2

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1:
                raise UsageError(f"[loss] {field.name} must be a number from 0 to 1, got {value!r}")

    def draw(self, count: int, generator: torch.Generator, device: torch.device) -> Moved:
        """Draw how `count` lenses are looked at."""
        return draw_moved(count, self.shift, self.magnify, self.turn, generator, device)


def prepare_plain(batch: Fields, generator: torch.Generator) -> Fields:
    """Bring raw pixels to σ above the sky, as the core does before the stage (``noise``); draws nothing."""
    sigma = torch.where(batch["sigma"] > 0, batch["sigma"], torch.ones_like(batch["sigma"])).float()
    image = (batch["image"].float() - batch["sky"].float()[:, None, None]) / sigma[:, None, None]
    return {"cutout": image[:, None], "fwhm": batch["fwhm"].float(), "label": batch["label"].long()}


def prepare_varied(batch: Fields, generator: torch.Generator, variation: Variation) -> Fields:
    """Prepare images of training: with how each of them is looked at, in ``view`` (N, 4)."""
    plain = prepare_plain(batch, generator)
    count, device = len(plain["cutout"]), plain["cutout"].device
    view = variation.draw(count, generator, device)
    told = torch.rand(count, generator=generator, device=device) >= variation.unknown
    stacked = torch.stack((view.x, view.y, view.scale, view.turn), dim=1)
    return {**plain, "fwhm": plain["fwhm"] * told, "view": stacked}


def seen(network: torch.nn.Module, batch: Fields) -> Fields:
    """``images``, ``context`` and ``label`` of a prepared batch, as the stage makes them of cutouts."""
    backbone = network.get_submodule(BACKBONE)
    assert isinstance(backbone, LensClassifier)
    images = batch["cutout"]
    height, width = images.shape[-2:]
    number = images.new_ones(len(images))
    cutouts = Cutouts(
        images,
        torch.ones_like(images),
        batch["fwhm"],
        number * (width - 1) / 2,
        number * (height - 1) / 2,
        number * max(height, width) / 2,
    )
    view = Moved(*batch["view"].unbind(1)) if "view" in batch else None
    planes, context = backbone.look(cutouts, view)
    return {"images": planes, "context": context, "label": batch["label"]}


@dataclass(frozen=True)
class ToldBySeen:
    """A loss of what the classifier sees; see `seen`."""

    told: CrossEntropy = PLAIN

    def __call__(self, network: torch.nn.Module, batch: Fields) -> dict[str, torch.Tensor]:
        """Return ``loss`` and ``accuracy`` of a prepared batch."""
        return self.told(network, seen(network, batch))


def fit_calibration(network: torch.nn.Module, batches: Iterable[Fields]) -> Mapping[str, float]:
    """Fit temperature, sets and LPOOD on images of validation; for `TrainingTask.finish`."""
    assert isinstance(network, Calibrated)

    def inputs(fields: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        found = seen(network, dict(fields))
        return found["images"], found["context"]

    return network.fit(batches, inputs)


def training(manifest: Manifest, recipe: TrainingRecipe) -> PhasedTask:
    """Describe the training.

    Parameters
    ----------
    recipe : TrainingRecipe
        ``[network]``: ``sis``, a file of weights of the stage ``sis``, by default those that ship; parameters of
        `LensClassifier`. ``[loss]``: ``joint``, the last part of the training, in which the measurement learns
        from the class too (0: never); ``label_smoothing``; fields of `Variation`.

    Raises
    ------
    UsageError
        For entries that there are not, or values that do not fit.
    WeightsError
        Where the weights of ``sis`` are missing or another stage's.
    """
    rest = dict(recipe.network)
    rest.pop(SIS, None)
    if "lens" in rest:
        raise UsageError(
            f"training recipe {recipe.name}: [network] lens is what the weights of {SIS} say",
            remedy=f"name other weights: [network] {SIS} = FILE",
        )
    weights = lens_weights(recipe)
    spec = full_spec(LensClassifier, {**rest, "lens": weights.metadata["network"], SIS: weights.sha256})
    network = build(spec)
    backbone = network.backbone
    assert isinstance(backbone, LensClassifier)
    backbone.lens.load_state_dict(weights.state)
    names = [field.name for field in dataclasses.fields(Variation)]
    require_known(recipe.loss, ("joint", "label_smoothing", *names))
    loss = dict(recipe.loss)
    joint = loss.pop("joint", 0.0)
    if not isinstance(joint, int | float) or isinstance(joint, bool) or not 0 <= joint < 1:
        raise UsageError(f"[loss] joint must be from 0 to below 1, got {joint!r}")
    variation = Variation(**{name: loss.pop(name) for name in names if name in loss})
    task = classification_task(network, spec, dataclasses.replace(recipe, loss=loss))
    told = task.loss
    assert isinstance(told, CrossEntropy)
    learning = ToldBySeen(told)
    task = dataclasses.replace(
        task,
        prepare=partial(prepare_varied, variation=variation),
        prepare_validation=prepare_plain,
        loss=learning,
        metrics=ToldBySeen(),
        finish=fit_calibration,
    )
    return PhasedTask.of(task, phases(backbone, learning, float(joint)))


def phases(backbone: LensClassifier, learning: ToldBySeen, joint: float) -> tuple[Phase, ...]:
    """Return what learns when: the classifier, and in the last part `joint` the measurement with it."""
    if joint == 0:
        return (Phase("classifier", 1.0, learning, (f"{BACKBONE}.network",)),)
    backbone.lens.requires_grad_(True)
    return (
        Phase("classifier", 1.0 - joint, learning, (f"{BACKBONE}.network",)),
        Phase("all", joint, learning),
    )
