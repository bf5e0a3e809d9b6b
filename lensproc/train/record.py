"""What a training leaves behind: the weights, and a record of how they came about."""

from __future__ import annotations

import json
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

import lensproc
from lensproc.contract.adversarial import AdversarialTask
from lensproc.contract.training import TrainingRecipe, TrainingTask
from lensproc.fits.atomic import atomic_write
from lensproc.nn.weights import save_weights
from lensproc.train.cache import CachedShare
from lensproc.train.lookup import file_stem, recipe_sha256, sha256_of_json
from lensproc.train.state import Best, Progress, TrainingError

LIBRARIES = ("torch", "lightning", "numpy", "lenstronomy")


@dataclass(frozen=True)
class Origin:
    """What a training started from.

    Parameters
    ----------
    stage : str
        Id of the stage.
    package : str
        ``distribution==version`` of its plugin.
    recipe : TrainingRecipe
        With what the command line changed.
    train, val : tuple of CachedShare
        The data.
    start : mapping or None
        ``file`` and ``sha256`` of the weights that it started from.
    """

    stage: str
    package: str
    recipe: TrainingRecipe
    train: tuple[CachedShare, ...]
    val: tuple[CachedShare, ...]
    start: Mapping[str, str] | None = None

    def fingerprint(self, task: TrainingTask) -> str:
        """Hash of everything that must not change while a training is resumed: all but its length."""
        recipe = self.recipe.to_json()
        settings = {k: v for k, v in recipe["settings"].items() if k not in ("epochs", "budget", "patience")}
        content = {
            "stage": self.stage,
            "settings": settings,
            "loss": recipe["loss"],
            "network": dict(task.network_spec),
            "data": self.data_sha256,
            "start": None if self.start is None else self.start["sha256"],
        }
        return sha256_of_json(content)

    @property
    def data_sha256(self) -> str:
        """Hash of all samples that it trains and validates on."""
        return sha256_of_json([share.to_json() for share in (*self.train, *self.val)])


def split_sha256(shares: Sequence[CachedShare]) -> str:
    """Hash of a split: of the recipes, seeds and numbers of its images."""
    return sha256_of_json([[share.split_sha256, share.number] for share in shares])


def write_weights(folder: Path, origin: Origin, task: TrainingTask, progress: Progress) -> dict[str, str]:
    """Write ``ID.safetensors`` of the best weights.

    Returns
    -------
    dict
        ``file`` and ``sha256``.
    """
    assert progress.best is not None
    path = folder / f"{file_stem(origin.stage)}.safetensors"
    metadata = {
        "stage": origin.stage,
        "network": dict(task.network_spec),
        "training": {
            "recipe": origin.recipe.name,
            "recipe_sha256": recipe_sha256(origin.recipe),
            "data_sha256": origin.data_sha256,
            "start_sha256": None if origin.start is None else origin.start["sha256"],
            "seed": origin.recipe.settings.seed,
            "epoch": progress.best.epoch,
            "step": progress.best.step,
            task.monitor: progress.best.value,
            "versions": versions(),
        },
    }
    return {"file": path.name, "sha256": save_weights(path, kept_weights(task, progress), metadata)}


def kept_weights(task: TrainingTask, progress: Progress) -> dict[str, torch.Tensor]:
    """Weights for the file: the best, of adversarial training those of both its parts."""
    assert progress.best is not None
    if not isinstance(task, AdversarialTask):
        return progress.best.weights
    if progress.pretrained is None:
        raise TrainingError(
            f"training ended ({progress.stopped}) before its adversarial part began",
            remedy="give it more epochs or minutes, or a smaller [loss.adversarial] pretrain",
        )
    parts = {"pixel": progress.pretrained, "adversarial": progress.best}
    return {f"{part}.{name}": value for part, best in parts.items() for name, value in best.weights.items()}


def versions() -> dict[str, str]:
    """Versions of lensproc and of the libraries that decide the numbers."""
    found = {"lensproc": lensproc.__version__}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ""
    return found


def training_record(
    origin: Origin,
    task: TrainingTask,
    progress: Progress,
    weights: Mapping[str, str] | None,
    machine: Mapping[str, Any],
    fitted: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Record of a training as JSON values.

    Everything outside ``machine`` and ``time`` is the same when the same command runs again in the same
    versions on the same kind of machine without a budget.

    Parameters
    ----------
    fitted : mapping, optional
        What the task fitted when training had ended.
    """
    best = progress.best
    parameters = list(task.network.parameters())
    content = {
        "stage": origin.stage,
        "package": origin.package,
        "recipe": origin.recipe.to_json(),
        "recipe_sha256": recipe_sha256(origin.recipe),
        "network": dict(task.network_spec),
        "parameters": sum(p.numel() for p in parameters),
        "trained_parameters": sum(p.numel() for p in parameters if p.requires_grad),
        "data": {
            "sha256": origin.data_sha256,
            "train_sha256": split_sha256(origin.train),
            "val_sha256": split_sha256(origin.val),
            "train": [share.to_json() for share in origin.train],
            "val": [share.to_json() for share in origin.val],
        },
        "start": None if origin.start is None else dict(origin.start),
        "monitor": task.monitor,
        "best": None if best is None else _judged(best),
        **({} if progress.pretrained is None else {"pretrained": _judged(progress.pretrained)}),
        "steps": progress.step,
        "stopped": progress.stopped,
        "curve": progress.epochs,
        **({} if fitted is None else {"fitted": dict(fitted)}),
        "weights": None if weights is None else dict(weights),
        "versions": {**versions(), "python": platform.python_version()},
        "machine": dict(machine),
        "time": {"minutes": progress.seconds / 60.0, "curve_minutes": progress.minutes},
    }
    plain: dict[str, Any] = json.loads(json.dumps(content))
    return plain


def _judged(best: Best) -> dict[str, Any]:
    value = best.value if math.isfinite(best.value) else None  # None: kept without a validation
    return {"value": value, "epoch": best.epoch, "step": best.step}


def write_record(folder: Path, stage: str, record: Mapping[str, Any]) -> Path:
    """Write ``ID.training.json``."""
    path = folder / f"{file_stem(stage)}.training.json"
    atomic_write(path, (json.dumps(record, indent=1) + "\n").encode())
    return path


def write_metrics(folder: Path, progress: Progress) -> None:
    """Write ``metrics.csv``: a row per validation, with every value of the training and the validation."""
    names = [f"{kind}_{name}" for kind in ("train", "val") for name in _names(progress, kind)]
    lines = [",".join(["epoch", "step", "minutes", "rate", *names])]
    for entry, minutes in zip(progress.epochs, progress.minutes, strict=True):
        values = [entry[kind].get(name) for kind in ("train", "val") for name in _names(progress, kind)]
        head = [str(entry["epoch"]), str(entry["step"]), f"{minutes:.3f}", f"{entry['rate']:.6g}"]
        lines.append(",".join([*head, *("" if value is None else f"{value:.8g}" for value in values)]))
    atomic_write(folder / "metrics.csv", ("\n".join(lines) + "\n").encode(), sync=False)


def _names(progress: Progress, kind: str) -> list[str]:
    names: dict[str, None] = {}
    for entry in progress.epochs:
        names.update(dict.fromkeys(entry[kind]))
    return list(names)
