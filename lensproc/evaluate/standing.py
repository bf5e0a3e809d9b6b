"""What the output of a generative stage is good for: to look at, or to measure on, by what validation found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lensproc.evaluate.goals import Outcome

HONEST = (
    "invented fraction of candidates",
    "flux bias at SNR 20 [%]",
    "flux bias at SNR 10 [%]",
    "false splits of single stars",
    "false sources in 3,000 blanks, adjudicated",
    "forward χ²",
    "scenes with a residual peak of p < 0.01",
)
"""Goals that say whether something was invented, lost or changed; the others say how much is seen."""
COMPARED = ("… that the truth does not explain",)
"""The same, but the input itself misses the goal: here the stage may not be worse than the input surely is."""
INPUT = "raw"


@dataclass(frozen=True)
class Standing:
    """What the output of a generative stage is good for.

    Parameters
    ----------
    verdict : str
        ``measurement``: nothing speaks against measuring on it. ``picture``: for looking only. ``undecided``: too
        few trials to say, as in a quick run.
    reasons : tuple of str
        For ``picture`` what was missed, for ``undecided`` what was not measured or not surely met.
    """

    verdict: Literal["measurement", "picture", "undecided"]
    reasons: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """One line for people."""
        if self.verdict == "measurement":
            return "generative, and more than a picture: no goal of honesty is missed"
        if self.verdict == "picture":
            return f"generative: a picture, not for measuring. Missed: {', '.join(self.reasons)}"
        return f"generative: a picture until more trials decide on {', '.join(self.reasons)}"


def standing(outcomes: Sequence[Outcome], stage: str, quick: bool) -> Standing:
    """Decide what the output of a generative stage may be called.

    Parameters
    ----------
    outcomes : sequence of Outcome
        Goals of the stage and of the input, ``raw``.
    stage : str
        Name of the stage among the systems.
    quick : bool
        Whether the trials were few: then no goal that is merely met by its value counts as met.
    """
    found = {(outcome.system, outcome.name): outcome for outcome in outcomes}
    missed, open_ = [], []
    for name in HONEST:
        verdict = _verdict(found, stage, name)
        if verdict.startswith("not met"):
            missed.append(name)
        elif verdict == "not measured" or (quick and verdict == "met?"):
            open_.append(name)
    for name in COMPARED:
        own, input_ = found.get((stage, name)), found.get((INPUT, name))
        if own is None or input_ is None or quick or "not measured" in (own.verdict, input_.verdict):
            open_.append(f"{name.lstrip('… ')} (POINTs)")
        elif own.measured.low > input_.measured.high:
            missed.append(f"{name.lstrip('… ')} (POINTs, beside the input's)")
    if missed:
        return Standing("picture", tuple(missed))
    return Standing("undecided", tuple(open_)) if open_ else Standing("measurement")


def _verdict(found: Mapping[tuple[str, str], Outcome], stage: str, name: str) -> str:
    outcome = found.get((stage, name))
    return "not measured" if outcome is None else outcome.verdict
