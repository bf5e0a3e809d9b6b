"""What a plugin hands over so that ``lensproc train`` can train a network part by part."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from itertools import accumulate
from typing import TYPE_CHECKING

from lensproc.contract.training import Fields, TrainingTask
from lensproc.errors import PluginError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Phase:
    """A part of a training: what learns in it, and what for.

    Parameters
    ----------
    name : str
        For messages.
    share : float
        Of the training, above 0 to 1.
    loss : callable
        As `TrainingTask.loss`. It need not use the parts that do not learn.
    learns : tuple of str
        Parts of the network that learn: ``"encoder"`` for all of ``network.encoder``, ``"encoder.last"`` for a
        part of it. The others are frozen, and in eval mode. Empty: all learn.
    """

    name: str
    share: float
    loss: Callable[[torch.nn.Module, Fields], Mapping[str, torch.Tensor]]
    learns: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PhasedTask(TrainingTask):
    """A `TrainingTask` that goes through phases, in their order, in one training.

    What `metrics`, or else `loss`, says in validation is the same in all of them, so that the best weights are the
    best at what the network is for; and `TrainingSettings.patience` counts in the last one only.

    Parameters
    ----------
    phases : tuple of Phase
        Their shares sum to 1.

    Raises
    ------
    PluginError
        Where they do not, or a phase learns what the network does not have.
    """

    phases: tuple[Phase, ...]

    @classmethod
    def of(cls, task: TrainingTask, phases: tuple[Phase, ...]) -> PhasedTask:
        """Let a task go through phases, with all else as it is."""
        return cls(**{entry.name: getattr(task, entry.name) for entry in fields(task)}, phases=phases)

    def __post_init__(self) -> None:
        shares = [phase.share for phase in self.phases]
        if not shares or min(shares) <= 0.0 or not math.isclose(sum(shares), 1.0):
            raise PluginError(f"the shares of a training's phases must be above 0 and sum to 1, got {shares}")
        for phase in self.phases:
            for part in phase.learns:
                if not any(is_in(name, part) for name, _ in self.network.named_parameters()):
                    raise PluginError(f"phase {phase.name} trains {part!r}, which the network does not have")

    def phase_at(self, done: float) -> int:
        """Count, from 0, the phase that a training is in when a fraction `done` of it is over."""
        # shares such as 0.1 and 0.2 do not add up exactly
        ends = list(accumulate(phase.share for phase in self.phases))[:-1]
        return sum(done >= end - 1e-9 for end in ends)


def is_in(name: str, part: str) -> bool:
    """Whether a parameter's name lies in a part of the network."""
    return name == part or name.startswith(f"{part}.")
