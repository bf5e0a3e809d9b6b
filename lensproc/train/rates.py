"""Learning rate as a fraction of the recipe's, step by step."""

from __future__ import annotations

import math

FLOOR = 0.01
"""Where the cosine ends, as a fraction of the rate."""
PLATEAU_PATIENCE = 3
"""Validations without improvement after which ``plateau`` halves the rate."""


def warm_up(step: int, steps: int) -> float:
    """Rise linearly over the first `steps` steps; step 0 has the fraction 1 / `steps`."""
    return min(1.0, (step + 1) / steps) if steps else 1.0


def cosine(done: float) -> float:
    """Fall from 1 to `FLOOR` as half a cosine (Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5, no restart).

    Parameters
    ----------
    done : float
        Fraction of the training that is over, 0 to 1.
    """
    return FLOOR + (1.0 - FLOOR) * 0.5 * (1.0 + math.cos(math.pi * min(max(done, 0.0), 1.0)))


def fraction_done(step: int, steps: int, seconds: float, budget: float) -> float:
    """Fraction of the training that is over: of its steps or of its time, whichever is further on.

    Parameters
    ----------
    step, steps : int
        Steps done, and in all.
    seconds : float
        Time that training has taken.
    budget : float
        Time that it may take [minutes]; 0 for no limit.
    """
    by_time = seconds / (60.0 * budget) if budget else 0.0
    return max(step / steps, by_time)
