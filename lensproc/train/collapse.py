"""Whether generator and discriminator still learn from each other, step by step, and how much that may weigh."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lensproc.contract.adversarial import AdversarialSettings

MEMORY = 0.98
"""Of the running means: they remember some fifty steps."""
SETTLING = 50
"""Steps of the adversarial part before variety is judged."""


@dataclass
class Contest:
    """What the adversarial part knows of itself; it is part of the checkpoint.

    Parameters
    ----------
    steps : int
        Steps of the adversarial part.
    judged : bool
        Whether weights of it have been validated.
    always_right, always_wrong : int
        Steps, up to the last, in which the discriminator was right, or wrong, on every image.
    disagreement : float
        Running mean square of the disagreement with the input's flux [its photon variance].
    generated, real : float
        Running means of the variances of generated and real images.
    """

    steps: int = 0
    judged: bool = False
    always_right: int = 0
    always_wrong: int = 0
    disagreement: float = 0.0
    generated: float = 0.0
    real: float = 0.0

    def to_state(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Contest:
        """Go on from `to_state`."""
        return cls(**state)

    def weight(self, disagreement: float, settings: AdversarialSettings) -> float:
        """Take in the mean square disagreement of a step, and return the weight of the adversarial loss in it.

        The weight is that of the settings as long as flux closes, and falls as the inverse square of the
        disagreement beyond.
        """
        # The mean starts at the first value: nothing is known before it.
        self.disagreement = self._mean(self.disagreement, disagreement)
        beyond = self.disagreement / settings.closure**2
        return settings.weight / max(1.0, beyond)

    def _mean(self, before: float, value: float) -> float:
        return value if self.steps == 0 else MEMORY * before + (1.0 - MEMORY) * value

    def count(self, accuracy: float, generated: float, real: float) -> None:
        """Take in a step: the discriminator's accuracy, and the variances of generated and real images."""
        self.generated = self._mean(self.generated, generated)
        self.real = self._mean(self.real, real)
        self.always_right = self.always_right + 1 if accuracy == 1.0 else 0
        self.always_wrong = self.always_wrong + 1 if accuracy == 0.0 else 0
        self.steps += 1

    @property
    def variety(self) -> float:
        """Variance of what is generated over that of real images; 1 where real images have none."""
        return self.generated / self.real if self.real > 0.0 else 1.0

    def collapse(self, settings: AdversarialSettings) -> str:
        """Say what has collapsed; empty where nothing has."""
        if settings.patience and self.always_right >= settings.patience:
            return f"the discriminator was right on every image of {self.always_right} steps"
        if settings.patience and self.always_wrong >= settings.patience:
            return f"the discriminator was wrong on every image of {self.always_wrong} steps"
        if self.steps >= SETTLING and self.variety < settings.least_variety:
            return (
                f"what is generated has lost its variety: {self.variety:.2g} of the variance of real images"
            )
        return ""
