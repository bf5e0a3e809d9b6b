"""The training of one task as a Lightning module."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import nn

from lensproc.contract.training import Fields, TrainingSettings, TrainingTask
from lensproc.errors import PluginError
from lensproc.train.augment import turn_each
from lensproc.train.average import Average
from lensproc.train.batches import Batch, Batches, TrainingSteps, ValidationSteps
from lensproc.train.optimiser import adam
from lensproc.train.preparation import (
    STEP_SEED,
    VALIDATION_SEED,
    keep_frozen_parts_in_eval,
    mixed_seed,
    prepared_for_validation,
)
from lensproc.train.rates import PLATEAU_PATIENCE, cosine, fraction_done, warm_up
from lensproc.train.state import (
    Best,
    InterruptedTraining,
    Progress,
    TrainingError,
    copied,
    write_checkpoint,
)

AHEAD = 4
"""Batches that a thread prepares while a GPU computes."""


class Learner(pl.LightningModule):  # type: ignore[misc]
    """Trains the network of a task.

    Every random number follows from the seed and the number of the step, as if training was never interrupted.

    Parameters
    ----------
    task : TrainingTask
        Of the plugin.
    settings : TrainingSettings
        Of the recipe.
    training, validation : Batches
        The data of this process.
    progress : Progress
        Fresh, or of the checkpoint to go on from.
    checkpoint, every : pathlib.Path, float
        Where to write checkpoints; seconds between them within an epoch.
    fingerprint : str
        What the checkpoint is for.
    hyperparameters : mapping
        The recipe's ``[network]``.
    on_epoch : callable
        Called after every validation in the main process.
    """

    PARTS: tuple[str, ...] = ("network",)  # of a checkpoint, that are weights: they must be finite

    def __init__(
        self,
        task: TrainingTask,
        settings: TrainingSettings,
        training: Batches,
        validation: Batches,
        progress: Progress,
        checkpoint: Path,
        every: float,
        fingerprint: str,
        hyperparameters: Mapping[str, Any],
        on_epoch: Callable[[Learner], None],
    ) -> None:
        super().__init__()
        self.task, self.settings, self.progress = task, settings, progress
        self.training_batches, self.validation_batches = training, validation
        self.checkpoint, self.every, self.on_epoch = checkpoint, every, on_epoch
        self.fingerprint, self.hyperparameters = fingerprint, hyperparameters
        self.network = task.network
        # Held in a list: it is no part of the module that a distributed strategy wraps.
        self._average = [Average(self.network, settings.average)] if settings.average else []
        self.resumed: Mapping[str, Any] | None = None
        self.steps_per_epoch = settings.steps_per_epoch or training.steps_per_pass
        self.interrupted = False
        self._since = self._saved = time.monotonic()
        self._validation_seconds = 0.0
        self._validated: dict[str, torch.Tensor] = {}
        self._sums: dict[str, torch.Tensor] = {}

    # -- what it is -----------------------------------------------------------------------------------------

    @property
    def steps(self) -> int:
        """Steps in all."""
        return self.settings.epochs * self.steps_per_epoch

    @property
    def epoch(self) -> int:
        """Number of the epoch, from 1, that the last step belongs to."""
        return math.ceil(self.progress.step / self.steps_per_epoch)

    @property
    def judged(self) -> nn.Module:
        """The network that is validated and kept: the average where there is one."""
        return self._average[0].network if self._average else self.network

    @property
    def seconds(self) -> float:
        """Time that this training has taken."""
        return self.progress.seconds + time.monotonic() - self._since

    def interrupt(self) -> None:
        """Ask it to stop after this step, with a checkpoint."""
        self.interrupted = True

    def stop_clock(self) -> None:
        """Write the time down."""
        self.progress.seconds, self._since = self.seconds, time.monotonic()

    # -- data -----------------------------------------------------------------------------------------------

    def train_dataloader(self) -> TrainingSteps:
        """Return the steps up to the next validation."""
        first = self.progress.step
        last = (first // self.steps_per_epoch + 1) * self.steps_per_epoch
        return TrainingSteps(self.training_batches, first, last, AHEAD if self.device.type == "cuda" else 0)

    def val_dataloader(self) -> ValidationSteps:
        """Return the steps of a validation."""
        return ValidationSteps(self.validation_batches)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Move the fields; the turns stay where they are counted."""
        return Batch({name: field.to(device) for name, field in batch.fields.items()}, batch.turns)

    # -- optimisation -----------------------------------------------------------------------------------------

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return `lensproc.train.optimiser.adam`."""
        return adam(self.network, self.settings)

    def on_fit_start(self) -> None:
        """Bring the average to the device."""
        for average in self._average:
            average.model.to(self.device)

    def on_train_start(self) -> None:
        """Take up optimiser, average and gradient scaler where the checkpoint left them."""
        self.train()
        self._since = self._saved = time.monotonic()
        self._sums = {
            name: torch.tensor(value, dtype=torch.float64) for name, value in self.progress.sums.items()
        }
        if self.resumed is None:
            return
        self.take_up(self.resumed)
        self.resumed = None

    def take_up(self, content: Mapping[str, Any]) -> None:
        """Go on from a checkpoint, whose weights the network has already."""
        self.trainer.optimizers[0].load_state_dict(content["optimizer"])
        for average in self._average:
            average.load_state_dict(content["average"])
        if content["scaler"]:
            self.trainer.precision_plugin.load_state_dict(content["scaler"])

    def train(self, mode: bool = True) -> Learner:
        """Set the mode; frozen parts stay in eval mode."""
        super().train(mode)
        if mode:
            keep_frozen_parts_in_eval(self.network)
        return self

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Set the learning rate of this step."""
        rate = self.rate()
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = rate

    def rate(self) -> float:
        """Learning rate of the next step."""
        settings, step = self.settings, self.progress.step
        factor = warm_up(step, settings.warmup_steps)
        if settings.schedule == "cosine":
            seconds = self.seconds
            if settings.budget and self.trainer.world_size > 1:  # one clock for all
                seconds = self.trainer.strategy.broadcast(seconds)
            factor *= cosine(fraction_done(step, self.steps, seconds, settings.budget))
        elif settings.schedule == "plateau":
            factor *= self.progress.factor
        return settings.learning_rate * factor

    def training_step(self, batch: Batch, batch_idx: int) -> Any:
        """Loss of one batch."""
        losses = self.task.loss(self.network, self.fields_of_step(batch))
        self.note(losses)
        return losses["loss"]

    def fields_of_step(self, batch: Batch) -> Fields:
        """Seed torch for this step, turn the samples of a batch and prepare them."""
        seed = mixed_seed(self.settings.seed, STEP_SEED, self.progress.step, self.global_rank)
        torch.manual_seed(seed)
        assert batch.turns is not None
        fields = turn_each(batch.fields, self.task.scales, batch.turns)
        if self.task.prepare is None:
            return fields
        return self.task.prepare(fields, torch.Generator(self.device).manual_seed(seed))

    def note(self, losses: Mapping[str, torch.Tensor]) -> None:
        """Add the losses of a step to the sums of its epoch.

        Raises
        ------
        TrainingError
            Where ``loss`` is not finite.
        """
        if "loss" not in losses:
            raise PluginError(f"the task's loss gave {', '.join(losses) or 'nothing'}, but no 'loss'")
        self.require_finite("loss", losses["loss"])
        for name, value in losses.items():
            value = value.detach().to("cpu", torch.float64)
            self._sums[name] = self._sums[name] + value if name in self._sums else value

    def require_finite(self, what: str, value: torch.Tensor) -> None:
        """Stop training where a loss is no finite number."""
        if not bool(torch.isfinite(value)):
            step = self.progress.step
            raise TrainingError(
                f"the {what} became {float(value.detach())} at step {step + 1} (epoch {self.epoch_of(step)})",
                remedy=self.remedy,
            )

    @property
    def remedy(self) -> str:
        """What to do where a number is not finite."""
        kept = "; the best weights so far are kept" if self.keeps else ""
        return f"lower learning_rate, or set gradient_clip{kept}"

    @property
    def keeps(self) -> bool:
        """Whether there are weights to write."""
        return self.progress.best is not None

    def epoch_of(self, step: int) -> int:
        """Epoch, from 1, of a step that is counted from 0."""
        return step // self.steps_per_epoch + 1

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Count the step, average, stop in time, and write a checkpoint now and then."""
        progress = self.progress
        progress.step += 1
        progress.summed += 1
        for average in self._average:
            average.update(self.network)
        if self._together(self._time_is_up()):
            progress.stopped = "budget"
            self.trainer.should_stop = True
        elif self._together(self.interrupted):
            self.save()
            raise InterruptedTraining
        elif progress.step % self.steps_per_epoch and self._together(
            time.monotonic() - self._saved > self.every
        ):
            self.save()

    def _time_is_up(self) -> bool:
        budget = self.settings.budget
        return bool(budget) and self.seconds + self._validation_seconds >= 60.0 * budget

    def _together(self, decision: bool) -> bool:
        """Decide for all processes what one of them wants."""
        if self.trainer.world_size == 1:
            return decision
        return bool(self.trainer.strategy.reduce_boolean_decision(decision, all=False))

    # -- validation -----------------------------------------------------------------------------------------

    def on_validation_epoch_start(self) -> None:
        """Start the clock and the sums of a validation."""
        self._validation_began = time.monotonic()
        self._validated = {}

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Add the metrics of one batch, weighted by its size."""
        seed = mixed_seed(self.settings.seed, VALIDATION_SEED, batch_idx, self.global_rank)
        fields = dict(batch.fields)
        size = len(next(iter(fields.values())))
        prepared = prepared_for_validation(self.task, fields, torch.Generator(self.device).manual_seed(seed))
        metrics = (self.task.metrics or self.task.loss)(self.judged.eval(), prepared)
        entries = {name: value.detach().double() * size for name, value in metrics.items()}
        entries["_size"] = torch.tensor(float(size), dtype=torch.float64, device=self.device)
        for name, value in entries.items():
            self._validated[name] = self._validated[name] + value if name in self._validated else value

    def on_validation_epoch_end(self) -> None:
        """Note the values, and keep the weights if they are the best."""
        sums = {name: self._sum_of_all(value) for name, value in sorted(self._validated.items())}
        size = sums.pop("_size")
        values = {name: value / size for name, value in sums.items()}
        monitor, progress = self.task.monitor, self.progress
        if monitor not in values:
            raise PluginError(f"the task monitors {monitor!r}, but its metrics are {', '.join(values)}")
        steps = progress.summed * self.trainer.world_size
        train = {name: self._sum_of_all(value) / steps for name, value in self._sums.items()}
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        entry = {"epoch": self.epoch, "step": progress.step, "rate": rate, "train": train, "val": values}
        progress.epochs.append(entry)
        progress.minutes.append(self.seconds / 60.0)
        progress.summed, self._sums, progress.sums = 0, {}, {}
        if not math.isfinite(values[monitor]):
            raise TrainingError(
                f"{monitor} in validation became {values[monitor]} at step {progress.step} (epoch {self.epoch})",
                remedy=self.remedy,
            )
        self._judge(values[monitor])
        self._validation_seconds = time.monotonic() - self._validation_began

    def _sum_of_all(self, value: torch.Tensor) -> float:
        if self.trainer.world_size > 1:
            value = self.trainer.strategy.reduce(value.to(self.device), reduce_op="sum")
        return float(value)

    def _judge(self, value: float) -> None:
        progress = self.progress
        if progress.best is None or value < progress.best.value:
            progress.best = Best(value, self.epoch, progress.step, copied(self.judged.state_dict()))
            progress.unimproved = progress.waited = 0
            return
        progress.unimproved += 1
        progress.waited += 1
        if progress.waited >= PLATEAU_PATIENCE:
            progress.factor, progress.waited = progress.factor / 2.0, 0

    def on_train_epoch_end(self) -> None:
        """Decide whether that was the last epoch, report, and write a checkpoint."""
        progress = self.progress
        if progress.step >= self.steps:
            progress.stopped = "epochs"
        elif self.settings.patience and progress.unimproved >= self.settings.patience:
            progress.stopped = "patience"
            self.trainer.should_stop = True
        self.save()
        if self.trainer.is_global_zero:
            self.on_epoch(self)

    # -- checkpoints -----------------------------------------------------------------------------------------

    def save(self) -> None:
        """Write everything that is needed to go on from here.

        Raises
        ------
        TrainingError
            Where a weight is not finite: the checkpoint before stays.
        """
        self._saved = time.monotonic()
        content = self.content()
        states = [item for part in self.PARTS for item in content[part].items()]
        bad = [n for n, v in states if v.is_floating_point() and not bool(torch.isfinite(v).all())]
        if bad:
            raise TrainingError(
                f"weights are not finite after step {self.progress.step} ({bad[0]})",
                remedy=self.remedy,
            )
        if not self.trainer.is_global_zero:
            return
        write_checkpoint(self.checkpoint, content)

    def content(self) -> dict[str, Any]:
        """Return what a checkpoint holds."""
        progress = self.progress.to_state()
        progress["seconds"] = self.seconds
        progress["sums"] = {name: float(value) for name, value in self._sums.items()}
        return {
            "fingerprint": self.fingerprint,
            "hyperparameters": dict(self.hyperparameters),
            "budget": self.settings.budget,
            "network": self.network.state_dict(),
            "average": self._average[0].state_dict() if self._average else None,
            "optimizer": self.trainer.optimizers[0].state_dict(),
            "scaler": self.trainer.precision_plugin.state_dict(),
            "progress": progress,
        }
