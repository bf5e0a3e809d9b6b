"""What a training shows: a bar within an epoch on a terminal, and a line per epoch."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import click

from lensproc.cli.counting import Report, counting

if TYPE_CHECKING:
    from lensproc.train.learner import Learner


class TrainingProgress:
    """Progress of a training on standard error; further processes of a training on several devices are silent."""

    def __init__(self) -> None:
        self.silent = int(os.environ.get("LOCAL_RANK", "0")) > 0
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> TrainingProgress:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def counting(self, label: str) -> AbstractContextManager[Report]:
        """Progress of a simulation."""
        return counting(label, "samples")

    def begins(self, learner: Learner, resumed: bool) -> None:
        """Say what is trained, on how much."""
        if self.silent:
            return
        weights = sum(p.numel() for p in learner.network.parameters() if p.requires_grad)
        images = sum(share.number for share in learner.training_batches.shares)
        held = sum(share.number for share in learner.validation_batches.shares)
        budget = learner.settings.budget
        line = f"{weights} weights, {images} samples, {held} for validation, up to {learner.steps} steps"
        self._say(line + (f" or {budget:g} min" if budget else ""))
        if resumed:
            self._say(
                f"going on after step {learner.progress.step} ({learner.progress.seconds / 60.0:.1f} min)"
            )
        if sys.stderr.isatty():
            self._start_bar()

    def _start_bar(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=Console(stderr=True))
        self._task = self._bar.add_task("epoch", total=None)
        self._bar.start()

    def step(self, learner: Learner) -> None:
        """Move the bar."""
        if self._bar is not None:
            total = learner.steps_per_epoch
            epoch, done = divmod(learner.progress.step, total)
            self._bar.update(self._task, completed=done + 1, total=total, description=f"epoch {epoch + 1}")

    def epoch(self, learner: Learner) -> None:
        """Say how an epoch went."""
        progress, entry = learner.progress, learner.progress.epochs[-1]
        assert progress.best is not None
        monitor = learner.task.monitor
        best = (
            "best so far"
            if progress.unimproved == 0
            else f"best {progress.best.value:.6g} at {progress.best.epoch}"
        )
        self._say(
            f"epoch {entry['epoch']} of {learner.settings.epochs}, step {entry['step']}: "
            f"loss {entry['train'].get('loss', float('nan')):.6g}, "
            f"validation {monitor} {entry['val'][monitor]:.6g} ({best}), "
            f"rate {entry['rate']:.2g}, {progress.minutes[-1]:.1f} min"
        )

    def _say(self, line: str) -> None:
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            click.echo(line, err=True)
