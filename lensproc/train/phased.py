"""The training of a task that goes through phases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from lensproc.contract.phases import PhasedTask, is_in
from lensproc.errors import PluginError, UsageError
from lensproc.train.batches import Batch
from lensproc.train.learner import Learner
from lensproc.train.preparation import keep_frozen_parts_in_eval
from lensproc.train.rates import fraction_done


@contextmanager
def only(network: nn.Module, learns: tuple[str, ...]) -> Iterator[None]:
    """Freeze all but the parts `learns`, while a loss is computed.

    What is frozen is in eval mode and gets no gradient, so that the optimiser leaves it alone. Parameters that
    were frozen before stay so. Afterwards the network is in training as before.
    """
    frozen = [
        parameter
        for name, parameter in network.named_parameters()
        if parameter.requires_grad and learns and not any(is_in(name, part) for part in learns)
    ]
    for parameter in frozen:
        parameter.requires_grad_(False)
    keep_frozen_parts_in_eval(network)
    try:
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)
        network.train()
        keep_frozen_parts_in_eval(network)


class PhasedLearner(Learner):
    """Trains the network of a `PhasedTask`; arguments as for `Learner`.

    A phase begins with an epoch: the one before which its turn has come by the number of steps or, in a training
    with a budget, by time.

    Raises
    ------
    UsageError
        Where a phase would get no epoch, or for several devices.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        epochs = self.settings.epochs
        reached = {self.phases.phase_at(epoch / epochs) for epoch in range(epochs)}
        missed = [phase.name for number, phase in enumerate(self.phases.phases) if number not in reached]
        if missed:
            raise UsageError(
                f"{epochs} epochs are too few: none is left for phase {', '.join(missed)}",
                remedy="more epochs, of fewer steps_per_epoch",
            )
        if self.training_batches.devices > 1:
            raise UsageError("a training in phases runs on one device", remedy="--devices 1")
        self._phase = 0

    @property
    def phases(self) -> PhasedTask:
        """The task."""
        assert isinstance(self.task, PhasedTask)
        return self.task

    def on_train_epoch_start(self) -> None:
        """Go on to the phase whose turn it is."""
        first = self.progress.step // self.steps_per_epoch * self.steps_per_epoch
        done = fraction_done(first, self.steps, self.seconds, self.settings.budget)
        self._phase = self.phases.phase_at(done)

    def training_step(self, batch: Batch, batch_idx: int) -> Any:
        """Loss of one batch, in the phase that is on; ``phase`` among its entries counts them from 1."""
        phase, fields = self.phases.phases[self._phase], self.fields_of_step(batch)
        with only(self.network, phase.learns):
            losses = phase.loss(self.network, fields)
        if "loss" in losses and not losses["loss"].requires_grad:
            raise PluginError(f"the loss of phase {phase.name} depends on nothing that learns in it")
        self.note({**losses, "phase": torch.tensor(self._phase + 1.0)})
        return losses["loss"]

    def _judge(self, value: float) -> None:
        super()._judge(value)
        if self._phase < len(self.phases.phases) - 1:
            self.progress.unimproved = self.progress.waited = 0
