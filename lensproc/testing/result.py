"""What became of one check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["passed", "failed", "expected failure", "unexpected pass", "not applicable"]


class CheckFailedError(AssertionError):
    """A stage does not keep what it promised; the message says what was seen and what was expected."""


class NotApplicableError(Exception):
    """A check has nothing to look at in this stage; the message says why."""


@dataclass(frozen=True)
class CheckResult:
    """What became of one named check on one stage.

    Parameters
    ----------
    stage : str
        Stage id.
    name : str
        Name of the check.
    status : str
        ``passed``, ``failed``, ``expected failure``, ``unexpected pass`` or ``not applicable``.
    message : str
        What was seen and what was expected, or the reason that was given; empty where it passed.
    traceback : str
        The whole story of a failure.
    """

    stage: str
    name: str
    status: Status
    message: str = ""
    traceback: str = ""

    @property
    def ok(self) -> bool:
        """False for a failure, and for a failure that was expected and did not come."""
        return self.status not in ("failed", "unexpected pass")
