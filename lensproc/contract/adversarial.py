"""What a plugin hands over so that ``lensproc train`` can train a generator against a discriminator."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from lensproc.contract.training import Fields, TrainingTask, require_known
from lensproc.errors import UsageError
from lensproc.nn.adversarial_losses import require_kind

if TYPE_CHECKING:
    import torch

Pair = tuple["torch.Tensor", "torch.Tensor"]


@dataclass(frozen=True)
class AdversarialSettings:
    """How generator and discriminator learn from each other: the table ``[loss.adversarial]`` of a recipe.

    Parameters
    ----------
    kind : str
        ``bce`` (with logits) or ``relativistic`` (average; Jolicoeur-Martineau 2019, arXiv:1807.00734).
    regulariser : str
        ``r1`` (Mescheder et al. 2018, arXiv:1801.04406), ``spectral`` (normalisation of the discriminator's
        layers; Miyato et al. 2018, arXiv:1802.05957) or ``none``.
    gamma : float
        γ of R₁.
    weight : float
        Of the adversarial loss in the generator's, where flux closes.
    pretrain : float
        Share of the training, from 0 to below 1, in which the generator learns by pixels alone.
    discriminator_rate : float
        Learning rate of the discriminator in units of the generator's.
    closure : float
        Disagreement of the binned output with the input's flux [its photon error] up to which `weight` stays.
    patience : int
        Steps after which a discriminator that is always right, or always wrong, ends training; 0: never.
    least_variety : float
        Variance of what is generated over that of real images below which training ends; 0: never.
    """

    kind: Literal["bce", "relativistic"] = "bce"
    regulariser: Literal["r1", "spectral", "none"] = "r1"
    gamma: float = 1.0
    weight: float = 1e-3
    pretrain: float = 0.5
    discriminator_rate: float = 1.0
    closure: float = 2.0
    patience: int = 1000
    least_variety: float = 0.01

    def __post_init__(self) -> None:
        require_kind(self.kind)
        if self.regulariser not in ("r1", "spectral", "none"):
            raise UsageError(
                f"[loss.adversarial] regulariser {self.regulariser!r} is not r1, spectral or none"
            )
        for name in ("weight", "discriminator_rate", "closure"):
            if not getattr(self, name) > 0.0:
                raise UsageError(f"[loss.adversarial] {name} must be above 0, got {getattr(self, name)}")
        for name in ("gamma", "patience", "least_variety"):
            if getattr(self, name) < 0:
                raise UsageError(f"[loss.adversarial] {name} must not be negative, got {getattr(self, name)}")
        if not 0.0 <= self.pretrain < 1.0:
            raise UsageError(f"[loss.adversarial] pretrain must be from 0 to below 1, got {self.pretrain}")

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> AdversarialSettings:
        """Read the table of a recipe.

        Raises
        ------
        UsageError
            For an unknown key or a value that does not fit.
        """
        require_known(table, [entry.name for entry in dataclasses.fields(cls)], "[loss.adversarial]")
        for name, value in table.items():
            wanted = str if name in ("kind", "regulariser") else (int, float)
            if isinstance(value, bool) or not isinstance(value, wanted):
                kind = "a word" if wanted is str else "a number"
                raise UsageError(f"[loss.adversarial] {name} must be {kind}, got {value!r}")
        return cls(**table)


@dataclass(frozen=True, kw_only=True)
class AdversarialTask(TrainingTask):
    """A `TrainingTask` whose network, the generator, learns by `loss` first and then against a discriminator too.

    The weights file holds both: ``pixel.NAME``, the best of the first part, and ``adversarial.NAME``, the best of
    the second.

    Parameters
    ----------
    discriminator : torch.nn.Module
        Images of shape (N, C, h, w) to logits (N, 1), high for real ones; with fresh weights.
    generate : callable
        (generator, batch) to what it generates, shape (N, C, sH, sW), with gradients.
    content : callable
        (generated, batch) to a mapping with ``loss``: what the generator has to lose beside the adversarial part;
        further entries are logged.
    shown : callable
        (generated, batch) to the pair of generated and real images that the discriminator sees.
    closure : callable
        (generated, batch) to the disagreement of the binned output's flux with the input's, in units of its photon
        error, shape (N,).
    settings : AdversarialSettings
        Of the recipe.
    judges : torch.nn.Module, optional
        Frozen networks that `content` uses. They are moved to the device and stay without gradients and in eval
        mode.
    """

    discriminator: torch.nn.Module
    generate: Callable[[torch.nn.Module, Fields], torch.Tensor]
    content: Callable[[torch.Tensor, Fields], Mapping[str, torch.Tensor]]
    shown: Callable[[torch.Tensor, Fields], Pair]
    closure: Callable[[torch.Tensor, Fields], torch.Tensor]
    settings: AdversarialSettings = field(default_factory=AdversarialSettings)
    judges: torch.nn.Module | None = None
