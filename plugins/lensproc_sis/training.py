"""How an informed classifier learns: three phases of one training."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from lensproc.contract.classifier_training import CrossEntropy, classification_task, in_range
from lensproc.contract.phases import Phase, PhasedTask
from lensproc.contract.training import Fields
from lensproc.errors import UsageError
from lensproc.nn.classifying.calibrated import Calibrated
from lensproc.nn.side import SIDE, to_side
from lensproc_sis.network import InformedClassifier
from lensproc_sis.scaled import scaled_sample

if TYPE_CHECKING:
    from lensproc.contract.training import TrainingRecipe

SHARES = (0.15, 0.35, 0.5)
"""Of the training: image, classifier, all."""
BACKBONE = "backbone"
"""Part of a `Calibrated` network that is the `InformedClassifier`."""
PLAIN = CrossEntropy()

Loss = Callable[[torch.nn.Module, Fields], Mapping[str, torch.Tensor]]


def image_again(network: torch.nn.Module, batch: Fields, within: str = "") -> dict[str, torch.Tensor]:
    """Mean squared error with which the k-network makes its image again."""
    images = to_side(batch["images"], SIDE)
    again = informed(network, within).k_network(images)
    return {"loss": F.mse_loss(again.float(), images.float())}


def informed(network: torch.nn.Module, within: str = "") -> InformedClassifier:
    """Informed classifier of a network: itself, or its part `within`."""
    found = network.get_submodule(within)
    assert isinstance(found, InformedClassifier)
    return found


def phases(
    within: str = "",
    shares: tuple[float, float, float] = SHARES,
    told: Loss = PLAIN,
) -> tuple[Phase, Phase, Phase]:
    """Return what learns when: the k-network by its image; its decoder, and the classifier, by the class; all.

    Parameters
    ----------
    within : str
        Part of the network trained that is the `InformedClassifier`; empty where it is that itself.
    shares : (float, float, float)
        Of the training.
    told : callable
        Loss of the second and third phase.

    Notes
    -----
    In the second phase the encoder keeps what it has learnt to see, while the decoder, which made light, learns to
    make a strength. Batches have ``images`` (N, 1, H, W) of range [0, 1], ``label``, and ``context``, the pixel
    scale (N, 1) [arcsec], or none.
    """
    prefix = f"{within}." if within else ""
    k_network, classifier = f"{prefix}k_network", f"{prefix}classifier"
    return (
        Phase("image", shares[0], partial(image_again, within=within), (k_network,)),
        Phase("classifier", shares[1], told, (f"{k_network}.decoder", classifier)),
        Phase("all", shares[2], told),
    )


def in_range_with_scale(batch: Fields, generator: torch.Generator) -> Fields:
    """Prepare raw pixels as `in_range` does; ``context`` is the pixel scale (N, 1) [arcsec]."""
    return {**in_range(batch, generator), "context": batch["pixel_scale"].float()[:, None]}


def informed_task(network: Calibrated, spec: Mapping[str, Any], recipe: TrainingRecipe) -> PhasedTask:
    """Describe the training of an informed classifier in three phases.

    Parameters
    ----------
    network : Calibrated
        Around an `InformedClassifier` with fresh weights.
    spec : mapping
        Its hyperparameters.
    recipe : TrainingRecipe
        ``[loss]``: ``phases``, three lengths of the phases relative to each other, and what `classification_task`
        takes.

    Raises
    ------
    UsageError
        For ``phases`` that are not three numbers above 0, or what `classification_task` refuses.

    Notes
    -----
    In pixels it learns from the samples that all classifiers share; in arcsec from samples of its own, which know
    their pixel scale.
    """
    rest = dict(recipe.loss)
    shares = _shares(rest.pop("phases", list(SHARES)))
    physical = informed(network, BACKBONE).k_unit == "arcsec"
    task = classification_task(
        network,
        spec,
        dataclasses.replace(recipe, loss=rest),
        prepare=in_range_with_scale if physical else in_range,
    )
    if physical:
        task = dataclasses.replace(task, sample=scaled_sample)
    return PhasedTask.of(task, phases(BACKBONE, shares, task.loss))


def _shares(lengths: object) -> tuple[float, float, float]:
    fits = isinstance(lengths, list | tuple) and all(
        isinstance(n, int | float) and not isinstance(n, bool) and n > 0 for n in lengths
    )
    if not fits or len(lengths) != 3:  # type: ignore[arg-type]
        raise UsageError(
            f"[loss] phases {lengths!r} does not fit",
            remedy="three numbers above 0: lengths of image, classifier and all relative to each other",
        )
    first, second, third = (float(n) for n in lengths)  # type: ignore[attr-defined]
    total = first + second + third
    return first / total, second / total, third / total
