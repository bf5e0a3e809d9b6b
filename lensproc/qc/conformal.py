"""Factors that make intervals of a stated error cover the truth as often as they say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Basis = Literal["stage", "scatter"]

LEVEL = 0.9
"""Part of the pixels that an interval is to cover."""


@dataclass(frozen=True)
class Conformal:
    """Factors from 1σ errors to half-widths of 90 % intervals.

    Parameters
    ----------
    basis : str
        What they multiply: ``stage`` (its own uncertainty) or ``scatter`` (under redraws and symmetries).
    factors : mapping of str to float
        By group of pixels; one that the scenes did not hold is left out.
    scenes : int
        Scenes they were measured on.
    """

    basis: Basis
    factors: Mapping[str, float]
    scenes: int


def conformal_factor(scores: Array) -> float:
    """Factor that covers 90 %: the ⌈0.9 (n + 1)⌉-th smallest of n scores |y - truth| / σ.

    Raises
    ------
    ValueError
        Where there are fewer than nine.
    """
    rank = math.ceil(LEVEL * (scores.size + 1))
    if rank > scores.size:
        raise ValueError(f"{scores.size} scores are too few for an interval of {LEVEL:.0%}")
    return float(np.partition(scores, rank - 1)[rank - 1])
