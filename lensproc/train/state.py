"""What a training knows of itself, and how that survives a kill."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from lensproc.errors import InputError, LensprocError, UsageError
from lensproc.fits.atomic import atomic_write

VERSION = 1
LAST = "last.ckpt"


class TrainingError(LensprocError):
    """A training that cannot go on."""

    stopped = "not finite"
    """What the record says it ended by."""


class CollapsedTraining(TrainingError):
    """A generator and a discriminator that no longer learn from each other."""

    stopped = "collapsed"


class InterruptedTraining(Exception):
    """A training that was asked to stop, after its checkpoint was written."""


@dataclass
class Best:
    """The best weights so far, kept by value: training goes on and changes the network's own.

    Parameters
    ----------
    value : float
        What is monitored, at its lowest.
    epoch, step : int
        When.
    weights : dict of str to torch.Tensor
        Copies on the CPU.
    """

    value: float
    epoch: int
    step: int
    weights: dict[str, torch.Tensor]


@dataclass
class Progress:
    """How far a training is.

    Parameters
    ----------
    step : int
        Steps done.
    seconds : float
        Time they took, over all resumptions.
    epochs : list of dict
        One entry per validation: epoch, step, rate, train and val values; without times.
    minutes : list of float
        Time at each of them.
    best : Best or None
        None before the first validation.
    unimproved : int
        Validations since the best.
    factor, waited : float, int
        Of the schedule ``plateau``: what the rate is multiplied by, and validations without improvement since
        it last changed.
    sums : dict of str to float
        Sums of the training losses since the last validation.
    summed : int
        Steps in them.
    stopped : str
        Why it ended: ``epochs``, ``budget``, ``patience``, ``not finite``, ``collapsed``; empty while it goes on.
    pretrained : Best or None
        Of adversarial training, once its second part has begun: the best weights of the first.
    """

    step: int = 0
    seconds: float = 0.0
    epochs: list[dict[str, Any]] = field(default_factory=list)
    minutes: list[float] = field(default_factory=list)
    best: Best | None = None
    unimproved: int = 0
    factor: float = 1.0
    waited: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    summed: int = 0
    stopped: str = ""
    pretrained: Best | None = None

    def to_state(self) -> dict[str, Any]:
        """Return plain values and tensors."""
        state = dict(self.__dict__)
        for name in ("best", "pretrained"):
            kept: Best | None = state[name]
            state[name] = None if kept is None else dict(kept.__dict__)
        return state

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Progress:
        """Go on from `to_state`."""
        kept = {name: state.get(name) for name in ("best", "pretrained")}
        return cls(
            **{**state, **{name: None if best is None else Best(**best) for name, best in kept.items()}}
        )


def copied(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Copy tensors to the CPU, in the plain layout."""
    return {
        name: tensor.detach().to("cpu", copy=True).contiguous(memory_format=torch.contiguous_format)
        for name, tensor in state.items()
    }


def write_checkpoint(path: Path, content: Mapping[str, Any]) -> None:
    """Write a checkpoint in one step: a kill leaves the old one or the new one."""
    buffer = io.BytesIO()
    torch.save({"version": VERSION, **content}, buffer)
    atomic_write(path, buffer.getvalue())


def read_checkpoint(path: Path, fingerprint: str, hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
    """Read a checkpoint of the same training.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    fingerprint : str
        Of recipe, data and start.
    hyperparameters : mapping
        The recipe's ``[network]``, which may hold more than what rebuilds the network: how it begins.

    Raises
    ------
    InputError
        Where it cannot be read.
    UsageError
        Where it belongs to another recipe, other data or another start.
    """
    remedy = "choose another folder with -o, or start anew with --no-resume"
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises what its unpickler meets
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(f"the checkpoint cannot be read: {reason}", file=path.name, remedy=remedy) from None
    if content.get("version") != VERSION:
        raise InputError("the checkpoint was written by another version", file=path.name, remedy=remedy)
    same = content["fingerprint"] == fingerprint
    if not same or content.get("hyperparameters", dict(hyperparameters)) != dict(hyperparameters):
        raise UsageError(
            f"the folder {path.parent.name} holds a training with other settings, data or start",
            remedy=remedy,
        )
    return content
