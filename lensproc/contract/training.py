"""What a plugin hands over so that ``lensproc train`` can train its stage: a recipe and a task."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from lensproc.errors import UsageError

if TYPE_CHECKING:
    import torch

    from lensproc.simulate.image import Simulated

Fields = dict[str, "torch.Tensor"]
"""A batch of samples by field name, each of shape (N, ...)."""


@dataclass(frozen=True)
class DataShare:
    """So many images of one recipe of the simulator.

    Parameters
    ----------
    recipe : str
        Name, ``NAME@INSTRUMENT``, or a TOML file.
    number : int
        How many.
    """

    recipe: str
    number: int


@dataclass(frozen=True)
class TrainingSettings:
    """How long and how fast a network learns.

    Parameters
    ----------
    batch_size : int
        Samples per step.
    crop : int
        Side of the random crops [input px]; 0 takes whole images.
    epochs : int
        At most so many.
    steps_per_epoch : int
        Steps between validations; 0: the whole training set once.
    learning_rate : float
        Of Adam (Kingma & Ba 2015, arXiv:1412.6980), AdamW with a weight decay.
    schedule : str
        ``cosine`` (to 1 % over the run), ``plateau`` (halved where validation no longer improves), ``constant``.
    warmup_steps : int
        Steps over which the rate rises from 0.
    patience : int
        Validations without improvement after which training stops; 0 never.
    weight_decay, gradient_clip : float
        0 for none.
    average : float
        Decay of the running mean of the weights that is validated and kept; 0 for none.
    precision : str
        ``32``, ``bf16-mixed`` or ``16-mixed``.
    budget : float
        Minutes after which training ends well; 0 for no limit. The cosine schedule follows whichever of time
        and epochs is further on.
    seed : int
        Of weights, order, crops and noise.
    """

    batch_size: int = 16
    crop: int = 0
    epochs: int = 100
    steps_per_epoch: int = 0
    learning_rate: float = 1e-4
    schedule: Literal["cosine", "plateau", "constant"] = "cosine"
    warmup_steps: int = 0
    patience: int = 0
    weight_decay: float = 0.0
    gradient_clip: float = 0.0
    average: float = 0.0
    precision: Literal["32", "bf16-mixed", "16-mixed"] = "32"
    budget: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("batch_size", "epochs", "learning_rate"):
            if getattr(self, name) <= 0:
                raise UsageError(f"[training] {name} must be above 0, got {getattr(self, name)}")
        for name in ("crop", "steps_per_epoch", "warmup_steps", "patience", "weight_decay", "budget"):
            if getattr(self, name) < 0:
                raise UsageError(f"[training] {name} must not be negative, got {getattr(self, name)}")
        if not 0.0 <= self.average < 1.0:
            raise UsageError(f"[training] average must be from 0 to below 1, got {self.average}")
        if self.schedule not in ("cosine", "plateau", "constant"):
            raise UsageError(f"[training] schedule {self.schedule!r} is not cosine, plateau or constant")
        if self.precision not in ("32", "bf16-mixed", "16-mixed"):
            raise UsageError(f"[training] precision {self.precision!r} is not 32, bf16-mixed or 16-mixed")


@dataclass(frozen=True)
class TrainingRecipe:
    """Everything that decides the outcome of a training, beside the code.

    Parameters
    ----------
    name : str
        Name of the recipe.
    summary : str
        One line: what it is for.
    data_seed : int
        Seed of the simulated images.
    train, val : tuple of DataShare
        Images of the simulator's ``train`` and ``val`` streams.
    network, loss : mapping
        What the plugin takes from these tables of the TOML.
    settings : TrainingSettings
        The table ``training``.
    """

    name: str
    summary: str
    data_seed: int
    train: tuple[DataShare, ...]
    val: tuple[DataShare, ...]
    network: Mapping[str, Any] = field(default_factory=dict)
    loss: Mapping[str, Any] = field(default_factory=dict)
    settings: TrainingSettings = field(default_factory=TrainingSettings)

    def to_json(self) -> dict[str, Any]:
        """Return a dictionary of JSON types."""
        return dataclasses.asdict(self)

    @classmethod
    def from_toml(cls, text: str, name: str) -> TrainingRecipe:
        """Read a recipe; see ``docs/training.md`` for its tables.

        Raises
        ------
        UsageError
            For text that is no TOML, an unknown table or key, or a value that does not fit.
        """
        try:
            tables = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise UsageError(f"training recipe {name}: {error}") from None
        require_known(tables, ("summary", "data", "network", "loss", "training"), f"training recipe {name}")
        data = dict(tables.get("data", {}))
        known = [entry.name for entry in dataclasses.fields(TrainingSettings)]
        require_known(tables.get("training", {}), known, f"training recipe {name}: [training]")
        return cls(
            name,
            str(tables.get("summary", "")),
            int(data.get("seed", 0)),
            _shares(data, "train", name),
            _shares(data, "val", name),
            tables.get("network", {}),
            tables.get("loss", {}),
            TrainingSettings(**tables.get("training", {})),
        )


def require_known(table: Mapping[str, Any], known: Iterable[str], where: str = "[loss]") -> None:
    """Refuse entries of a recipe's table that there are not, such as misspelt ones.

    Parameters
    ----------
    table : mapping
        What the recipe says.
    known : iterable of str
        Every entry that there is.
    where : str
        Name of the table, for the message.

    Raises
    ------
    UsageError
        For an entry that is not `known`.
    """
    known = list(known)
    unknown = sorted(set(table) - set(known))
    if unknown:
        raise UsageError(f"{where} has no {', '.join(unknown)}", remedy=f"it has: {', '.join(known)}")


def _shares(data: Mapping[str, Any], split: str, name: str) -> tuple[DataShare, ...]:
    entries = data.get(split, [])
    if not entries:
        raise UsageError(f"training recipe {name}: [data] names no images for {split}")
    shares = []
    for entry in entries:
        if set(entry) != {"recipe", "number"} or int(entry["number"]) < 1:
            form = "{ recipe = NAME, number = N }"
            raise UsageError(f"training recipe {name}: [data] {split} needs entries {form}, got {entry}")
        shares.append(DataShare(str(entry["recipe"]), int(entry["number"])))
    return tuple(shares)


@dataclass(frozen=True)
class TrainingTask:
    """What ``lensproc train`` runs for a stage.

    Parameters
    ----------
    network : torch.nn.Module
        With fresh weights.
    network_spec : mapping
        JSON values from which the stage builds the same network again; kept in the weights file.
    sample : callable
        `Simulated` to a mapping of fields (arrays and numbers). It has to pickle: a function of a module, or a
        ``functools.partial`` of one.
    scales : mapping
        Field to pixels per input pixel. These fields are cropped alike and turned by the eight flips and
        quarter turns; 0 turns without cropping (images of the PSF). Fields without an entry are left alone.
    loss : callable
        (network, batch) to a mapping with ``loss``; further entries are logged.
    prepare : callable, optional
        (batch, torch.Generator) to batch, after cropping and turning, on the device: noise, normalisation. The
        generator starts anew in each validation, so that validations compare.
    metrics : callable, optional
        As `loss`, for validation; `loss` by default.
    monitor : str
        The entry of `metrics` that decides which weights are best: the lowest.
    scales_with_light : bool
        True where the network is made such that light brighter than any in training is nothing new to it, for it
        works in units of the light around. The checks then call no pixel too bright (QARANG).
    prepare_validation : callable, optional
        Instead of `prepare` in validation: the same without what only makes the training images more various.
    finish : callable, optional
        (network, batches) to numbers that the record keeps as ``fitted``. Called once when training has ended,
        with the best weights in place, in evaluation mode and without gradients; `batches`, which may be gone
        through several times, are those of a validation, prepared. It may set buffers of the network (a
        temperature): they are saved with the weights.
    """

    network: torch.nn.Module
    network_spec: Mapping[str, Any]
    sample: Callable[[Simulated], Mapping[str, Any]]
    scales: Mapping[str, int]
    loss: Callable[[torch.nn.Module, Fields], Mapping[str, torch.Tensor]]
    prepare: Callable[[Fields, torch.Generator], Fields] | None = None
    metrics: Callable[[torch.nn.Module, Fields], Mapping[str, torch.Tensor]] | None = None
    monitor: str = "loss"
    scales_with_light: bool = False
    prepare_validation: Callable[[Fields, torch.Generator], Fields] | None = None
    finish: Callable[[torch.nn.Module, Iterable[Fields]], Mapping[str, float]] | None = None
