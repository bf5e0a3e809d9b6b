"""What a task fits to its network when training has ended: a temperature, a threshold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from lensproc.contract.training import Fields, TrainingTask
from lensproc.errors import PluginError
from lensproc.train.batches import Batches, ValidationSteps
from lensproc.train.preparation import VALIDATION_SEED, mixed_seed, prepared_for_validation
from lensproc.train.state import Progress, copied


@dataclass(frozen=True)
class ValidationFields:
    """The batches of a validation, prepared as every validation of one process prepares them.

    Parameters
    ----------
    task : TrainingTask
        Says how.
    batches : Batches
        All of the validation data.
    seed : int
        Of the training.
    device : torch.device
        Where they go.
    """

    task: TrainingTask
    batches: Batches
    seed: int
    device: torch.device

    def __iter__(self) -> Iterator[Fields]:
        for number, batch in enumerate(ValidationSteps(self.batches)):
            fields = {name: field.to(self.device) for name, field in batch.fields.items()}
            seed = mixed_seed(self.seed, VALIDATION_SEED, number, 0)
            generator = torch.Generator(self.device).manual_seed(seed)
            yield prepared_for_validation(self.task, fields, generator)


def finish_network(
    task: TrainingTask, progress: Progress, batches: Batches, seed: int, device: torch.device
) -> dict[str, float] | None:
    """Let a task fit what it fits to the best weights, which are changed in place.

    Returns
    -------
    dict or None
        Numbers for the record; None for a task that fits nothing.

    Raises
    ------
    PluginError
        Where what it fits is not finite.
    """
    if task.finish is None or progress.best is None:
        return None
    network = task.network
    network.load_state_dict(progress.best.weights)
    network.to(device).eval()
    with torch.no_grad():
        fitted = task.finish(network, ValidationFields(task, batches, seed, device))
    wrong = [name for name, value in fitted.items() if not torch.isfinite(torch.tensor(float(value)))]
    if wrong:
        raise PluginError(f"what was fitted after training is not finite: {', '.join(wrong)}")
    progress.best.weights = copied(network.state_dict())
    return {name: float(value) for name, value in fitted.items()}
