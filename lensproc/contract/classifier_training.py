"""How the classifiers are trained: one sample function, one way to prepare images, cross entropy on logits.

All of them read the same fields of the same simulated images, so that they share what is simulated once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from lensproc.contract.training import Fields, TrainingTask, require_known
from lensproc.errors import UsageError
from lensproc.nn.classifying.augmentation import Augmentation
from lensproc.nn.classifying.calibrated import Calibrated
from lensproc.nn.classifying.classes import CLASSES, FIELDS
from lensproc.simulate.samples import sample

if TYPE_CHECKING:
    from lensproc.contract.training import TrainingRecipe

lens_sample = partial(sample, fields=FIELDS)
"""The sample function of every classifier: simulated images are kept by its name and arguments, and so shared."""

Prepare = Callable[[Fields, torch.Generator], Fields]
Loss = Callable[[torch.nn.Module, Fields], Mapping[str, torch.Tensor]]


def unit_range(images: torch.Tensor) -> torch.Tensor:
    """Scale each image (N, 1, H, W) from its smallest and largest value to 0 and 1, as the core does (``range``).

    A constant image becomes 0.
    """
    low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    return (images - low) / torch.where(high > low, high - low, torch.ones_like(high))


def in_range(batch: Fields, generator: torch.Generator, classes: int = len(CLASSES)) -> Fields:
    """Prepare raw pixels for a network that reads images of range [0, 1].

    Parameters
    ----------
    batch : dict of torch.Tensor
        Fields of `FIELDS`; ``image`` (N, H, W).
    generator : torch.Generator
        Not drawn from.
    classes : int
        2 joins all classes but the first.

    Returns
    -------
    dict of torch.Tensor
        ``images`` (N, 1, H, W) and ``label`` (N,) of int64.
    """
    label = batch["label"].long()
    return {
        "images": unit_range(batch["image"].float().unsqueeze(1)),
        "label": label.clamp_max(1) if classes == 2 else label,
    }


@dataclass(frozen=True)
class Augmented:
    """Turns and zooms raw pixels before they are prepared: for training, never for validation.

    Parameters
    ----------
    augmentation : Augmentation
        What is done to the pixels.
    prepare : callable
        What comes after it.
    """

    augmentation: Augmentation
    prepare: Prepare

    def __call__(self, batch: Fields, generator: torch.Generator) -> Fields:
        """Prepare a batch of training."""
        return self.prepare({**batch, "image": self.augmentation(batch, generator)}, generator)


def logits_of(network: torch.nn.Module, batch: Fields) -> torch.Tensor:
    """Logits (N, K) of a prepared batch: ``images``, and ``context`` where the network takes one."""
    logits: torch.Tensor = network(batch["images"], batch.get("context"))
    return logits.float()


@dataclass(frozen=True)
class CrossEntropy:
    """Cross entropy of the logits, and the accuracy.

    Softmax is part of the cross entropy; a network that applied it itself would learn with softmax twice.

    Parameters
    ----------
    label_smoothing : float
        Part of a label that is spread over all classes (Szegedy et al. 2016, CVPR, 2818); 0 in validation.
    """

    label_smoothing: float = 0.0

    def __call__(self, network: torch.nn.Module, batch: Fields) -> dict[str, torch.Tensor]:
        """Return ``loss`` [nat] and ``accuracy`` of a batch."""
        logits = logits_of(network, batch)
        return {
            "loss": F.cross_entropy(logits, batch["label"], label_smoothing=self.label_smoothing),
            "accuracy": (logits.argmax(1) == batch["label"]).double().mean(),
        }


def classification_task(
    network: Calibrated,
    spec: Mapping[str, Any],
    recipe: TrainingRecipe,
    prepare: Prepare = in_range,
    loss: Loss | None = None,
) -> TrainingTask:
    """Describe the training of a classifier.

    Parameters
    ----------
    network : Calibrated
        With fresh weights; called with ``images`` and ``context`` it gives logits.
    spec : mapping
        JSON values from which the stage builds the backbone again.
    recipe : TrainingRecipe
        ``[loss]``: ``label_smoothing``, and ``rotation`` [deg], ``zoom`` and ``share`` of `Augmentation`.
    prepare : callable
        Raw fields to ``images``, ``label`` and, where the network takes one, ``context``.
    loss : callable, optional
        Instead of the cross entropy of the logits, in training; validation has the cross entropy always.

    Raises
    ------
    UsageError
        For an unknown entry of ``[loss]``, or a value that does not fit.
    """
    require_known(recipe.loss, ("label_smoothing", "rotation", "share", "zoom"))
    smoothing = float(recipe.loss.get("label_smoothing", 0.0))
    if not 0.0 <= smoothing < 1.0:
        raise UsageError(f"[loss] label_smoothing must be from 0 to below 1, got {smoothing}")
    augmentation = Augmentation.from_table(recipe.loss)
    return TrainingTask(
        network=network,
        network_spec=dict(spec),
        sample=lens_sample,
        scales={"image": 1},
        prepare=Augmented(augmentation, prepare) if augmentation.active else prepare,
        prepare_validation=prepare,
        loss=loss or CrossEntropy(smoothing),
        metrics=CrossEntropy(),
        finish=fit_calibration,
    )


def fit_calibration(network: torch.nn.Module, batches: Iterable[Fields]) -> Mapping[str, float]:
    """Fit temperature, conformal threshold and reference features on the images of validation.

    Parameters
    ----------
    network : Calibrated
        With its best weights; its buffers are set.
    batches : iterable of dict
        Prepared batches of the validation set.

    Returns
    -------
    mapping of str to float
        What `Calibrated.fit` says of the fit.
    """
    assert isinstance(network, Calibrated)
    return network.fit(batches)
