"""One training from a recipe to weights on disk."""

from __future__ import annotations

import os
import platform
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.plugins.environments import LightningEnvironment

from lensproc.contract.adversarial import AdversarialTask
from lensproc.contract.manifest import Manifest
from lensproc.contract.phases import PhasedTask
from lensproc.contract.training import DataShare, TrainingRecipe, TrainingTask
from lensproc.engine.device import device_name, prepare_torch, resolve_device
from lensproc.errors import OutputError, UsageError, WeightsError
from lensproc.nn.weights import read_weights
from lensproc.train.adversarial import AdversarialLearner, require_two_parts
from lensproc.train.batches import Batches
from lensproc.train.cache import CachedShare, Report, cached_share, simulator_recipe
from lensproc.train.curve import draw_curve
from lensproc.train.finishing import finish_network
from lensproc.train.learner import Learner
from lensproc.train.lookup import make_task
from lensproc.train.phased import PhasedLearner
from lensproc.train.quiet import quiet_lightning
from lensproc.train.record import Origin, training_record, write_metrics, write_record, write_weights
from lensproc.train.signals import stopping_gently
from lensproc.train.state import LAST, InterruptedTraining, Progress, TrainingError, read_checkpoint


@dataclass(frozen=True)
class TrainingRun:
    """What to train, on what, and where.

    Parameters
    ----------
    manifest : Manifest
        Of the stage.
    recipe : TrainingRecipe
        With what the user changed.
    output : pathlib.Path
        Folder of everything that training writes.
    data : pathlib.Path
        Cache of simulated samples; trainings may share it.
    beside : pathlib.Path or None
        Folder of the recipe, where it may keep recipes of the simulator.
    package : str
        ``distribution==version`` of the plugin.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    devices : int
        Processes that share each batch, on a device each.
    jobs : int
        Processes that simulate.
    start : pathlib.Path or None
        Weights to start from.
    resume : bool
        Go on from ``last.ckpt`` in `output`.
    every : float
        Seconds between checkpoints within an epoch.
    """

    manifest: Manifest
    recipe: TrainingRecipe
    output: Path
    data: Path
    beside: Path | None = None
    package: str = ""
    device: str = "auto"
    devices: int = 1
    jobs: int = 1
    start: Path | None = None
    resume: bool = True
    every: float = 60.0


class Watcher(Protocol):
    """Who is told what happens."""

    def counting(self, label: str) -> AbstractContextManager[Report]:
        """Progress of something that is counted."""

    def begins(self, learner: Learner, resumed: bool) -> None:
        """Training is about to begin, or to go on."""

    def step(self, learner: Learner) -> None:
        """Hear of every step."""

    def epoch(self, learner: Learner) -> None:
        """Hear of every validation."""


@dataclass(frozen=True)
class Trained:
    """Outcome of a training.

    Parameters
    ----------
    record : dict
        What ``ID.training.json`` holds.
    weights : pathlib.Path
        The weights file.
    """

    record: dict[str, Any]
    weights: Path


def train(run: TrainingRun, watcher: Watcher) -> Trained | None:
    """Train a stage, or go on with it.

    Returns
    -------
    Trained or None
        None in the further processes of a training on several devices.

    Raises
    ------
    TrainingError
        Where the loss or a weight is no longer finite; the best weights until then are written first.
    UsageError, PluginError, OutputError, WeightsError
        As they say.
    KeyboardInterrupt
        Where it was asked to stop by Ctrl-C or SIGTERM; the checkpoint holds the last step.
    """
    _make_folder(run.output)
    settings = run.recipe.settings
    device = resolve_device(run.device)
    _check_devices(run, device)
    prepare_torch(torch.get_num_threads())
    with quiet_lightning():
        pl.seed_everything(settings.seed, workers=True, verbose=False)
        task = make_task(run.manifest, run.recipe, run.package)
        if isinstance(task, AdversarialTask):
            require_two_parts(task, settings, run.devices)
        train_shares = _shares(run, task, "train", run.recipe.train, watcher)
        val_shares = _shares(run, task, "val", run.recipe.val, watcher)
        start = None if run.start is None else _start_from(run.start, task)
        origin = Origin(run.manifest.id, run.package, run.recipe, train_shares, val_shares, start)
        learner = _learner(run, task, origin, watcher)
        resumed = _resume(run, learner)
        machine = _machine(run, device)

        def finish() -> Trained:
            fitted = finish_network(
                task, learner.progress, _batches(run, task, val_shares), settings.seed, device
            )
            return _write_all(run.output, origin, task, learner.progress, machine, fitted)

        if resumed and learner.progress.stopped:
            return finish()
        watcher.begins(learner, resumed)
        try:
            _fit(run, learner, device, watcher)
        except TrainingError as error:
            if learner.keeps:
                learner.progress.stopped = error.stopped
                finish()
            raise
        except InterruptedTraining:
            raise KeyboardInterrupt from None
        return finish() if learner.trainer.is_global_zero else None


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"the folder cannot be made: {error.strerror}", file=folder.name) from None


def _check_devices(run: TrainingRun, device: torch.device) -> None:
    precision = run.recipe.settings.precision
    if device.type == "cpu" and precision == "16-mixed":
        raise UsageError("precision 16-mixed needs a GPU", remedy="--precision bf16-mixed or 32")
    if run.recipe.settings.batch_size % run.devices:
        raise UsageError(
            f"batch_size {run.recipe.settings.batch_size} cannot be shared by {run.devices} devices",
            remedy="choose a number of devices that divides it",
        )
    if device.type == "cuda" and run.devices > torch.cuda.device_count():
        raise UsageError(f"--devices {run.devices}: torch sees {torch.cuda.device_count()} CUDA devices")


def _shares(
    run: TrainingRun, task: TrainingTask, split: str, shares: tuple[DataShare, ...], watcher: Watcher
) -> tuple[CachedShare, ...]:
    found = []
    recipes = [simulator_recipe(share, run.beside) for share in shares]
    for share, recipe in zip(shares, recipes, strict=True):
        with ExitStack() as stack:
            report = _when_needed(stack, watcher, f"simulating {recipe.name} ({split})")
            seed = run.recipe.data_seed
            found.append(
                cached_share(run.data, recipe, share.number, seed, split, task.sample, run.jobs, report)
            )
    return tuple(found)


def _when_needed(stack: ExitStack, watcher: Watcher, label: str) -> Report:
    """Progress that is shown from its first count on, so that nothing is shown of what is there already."""
    shown: list[Report] = []

    def report(done: int, total: int) -> None:
        if not shown:
            shown.append(stack.enter_context(watcher.counting(label)))
        shown[0](done, total)

    return report


def _start_from(path: Path, task: TrainingTask) -> dict[str, str]:
    """Give the network the weights of a file."""
    weights = read_weights(path)
    try:
        task.network.load_state_dict(weights.state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise WeightsError(
            f"these weights are for another network: {reason[:300]}",
            file=path.name,
            remedy="the [network] of both recipes must be the same",
        ) from None
    return {"file": path.name, "sha256": weights.sha256}


LEARNERS: dict[type[TrainingTask], type[Learner]] = {
    AdversarialTask: AdversarialLearner,
    PhasedTask: PhasedLearner,
}
"""What trains a task that is more than a `TrainingTask`."""


def _learner(run: TrainingRun, task: TrainingTask, origin: Origin, watcher: Watcher) -> Learner:
    settings = run.recipe.settings
    task.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    rank = int(os.environ.get("LOCAL_RANK", "0")) if run.devices > 1 else 0
    batches = partial(_batches, run, task, rank=rank, devices=run.devices)

    def on_epoch(learner: Learner) -> None:
        write_metrics(run.output, learner.progress)
        watcher.epoch(learner)

    kind = LEARNERS.get(type(task), Learner)
    return kind(
        task, settings, batches(origin.train), batches(origin.val), Progress(),
        run.output / LAST, run.every, origin.fingerprint(task), dict(run.recipe.network), on_epoch,
    )  # fmt: skip


def _batches(
    run: TrainingRun, task: TrainingTask, shares: tuple[CachedShare, ...], rank: int = 0, devices: int = 1
) -> Batches:
    settings = run.recipe.settings
    return Batches(shares, task.scales, settings.crop, settings.batch_size, settings.seed, rank, devices)


def _resume(run: TrainingRun, learner: Learner) -> bool:
    """Take up the checkpoint if there is one, and return whether there was."""
    path = run.output / LAST
    if not run.resume or not path.exists():
        return False
    content = read_checkpoint(path, learner.fingerprint, learner.hyperparameters)
    learner.network.load_state_dict(content["network"])
    learner.resumed = content
    progress = learner.progress = Progress.from_state(content["progress"])
    settings = run.recipe.settings
    over = {
        "epochs": progress.step >= learner.steps,
        "budget": progress.stopped == "budget" and 0 < settings.budget <= content["budget"],
        "patience": bool(settings.patience) and progress.unimproved >= settings.patience,
    }
    progress.stopped = next((reason for reason, holds in over.items() if holds), "")
    return True


def _fit(run: TrainingRun, learner: Learner, device: torch.device, watcher: Watcher) -> None:
    settings, done = run.recipe.settings, learner.progress.step
    several = run.devices > 1
    devices: int | list[int] = run.devices
    if device.type == "cuda" and device.index is not None and not several:
        devices = [device.index]
    logger = TensorBoardLogger(run.output, name="", version="tensorboard", purge_step=done)
    trainer = pl.Trainer(
        accelerator="gpu" if device.type == "cuda" else "cpu",
        devices=devices,
        strategy="ddp" if several else "auto",
        sync_batchnorm=several and device.type == "cuda",
        precision="32-true" if settings.precision == "32" else settings.precision,
        max_epochs=settings.epochs - done // learner.steps_per_epoch,
        gradient_clip_val=(settings.gradient_clip or None) if learner.automatic_optimization else None,
        logger=logger,
        callbacks=[_Watch(watcher)],
        default_root_dir=run.output,
        # Its own processes on this machine; what a scheduler set up is not asked.
        plugins=[LightningEnvironment()],
        reload_dataloaders_every_n_epochs=1,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        # A network may differentiate within its forward pass, which inference mode forbids.
        inference_mode=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        benchmark=device.type == "cuda",
    )
    with stopping_gently(learner.interrupt):
        try:
            trainer.fit(learner)
        finally:
            learner.stop_clock()


LOGGED = 20
"""Steps between points of the training loss in TensorBoard."""


class _Watch(pl.Callback):  # type: ignore[misc]
    """Passes on what happens, and writes the TensorBoard log."""

    def __init__(self, watcher: Watcher) -> None:
        self.watcher = watcher

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        assert isinstance(pl_module, Learner)
        step = pl_module.progress.step + 1
        if trainer.is_global_zero and step % LOGGED == 0 and isinstance(outputs, dict):
            losses = {f"step/{name}": float(value) for name, value in outputs.items()}
            _scalars(trainer, {**losses, "step/rate": _rate(trainer)}, step)
        if trainer.is_global_zero:
            self.watcher.step(pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, Learner)
        if trainer.is_global_zero:
            entry = pl_module.progress.epochs[-1]
            values = {f"{kind}/{k}": v for kind in ("train", "val") for k, v in entry[kind].items()}
            _scalars(trainer, values, entry["step"])


def _rate(trainer: pl.Trainer) -> float:
    return float(trainer.optimizers[0].param_groups[0]["lr"])


def _scalars(trainer: pl.Trainer, values: dict[str, float], step: int) -> None:
    assert trainer.logger is not None
    trainer.logger.log_metrics(values, step)


def _machine(run: TrainingRun, device: torch.device) -> dict[str, Any]:
    """Describe what it ran on, without naming the machine."""
    return {
        "device": device_name(device),
        "processor": _processor(),
        "devices": run.devices,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "precision": run.recipe.settings.precision,
    }


def _processor() -> str:
    """Model of the processor, empty where the system does not tell."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()


def _write_all(
    folder: Path,
    origin: Origin,
    task: TrainingTask,
    progress: Progress,
    machine: dict[str, Any],
    fitted: dict[str, float] | None,
) -> Trained:
    weights = write_weights(folder, origin, task, progress)
    record = training_record(origin, task, progress, weights, machine, fitted)
    write_record(folder, origin.stage, record)
    write_metrics(folder, progress)
    draw_curve(record, folder / "curve.png")
    return Trained(record, folder / weights["file"])
