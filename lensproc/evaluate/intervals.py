"""Intervals for what is counted or measured on few trials."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LEVEL = 0.95
"""Confidence of every interval."""

BOOTSTRAPS = 400


@dataclass(frozen=True)
class Measured:
    """A number with its interval.

    Parameters
    ----------
    value : float
        NaN where there is no trial.
    low, high : float
        Ends of its 95 % interval.
    n : int
        Trials it rests on.
    """

    value: float
    low: float
    high: float
    n: int


UNKNOWN = Measured(math.nan, math.nan, math.nan, 0)


def fraction(k: int, n: int) -> Measured:
    """Return the share k/n with its Wilson (1927) score interval."""
    if n == 0:
        return UNKNOWN
    from astropy.stats import binom_conf_interval

    low, high = binom_conf_interval(k, n, confidence_level=LEVEL, interval="wilson")
    return Measured(k / n, float(low), float(high), n)


def rate(count: int, n: int, per: float = 1.0) -> Measured:
    """Events per `per` trials with its exact Poisson interval; for no event the upper limit is one-sided.

    Notes
    -----
    Garwood (1936) by ``astropy.stats.poisson_conf_interval``; no event in n gives less than 3.0/n at 95 %.
    """
    if n == 0:
        return UNKNOWN
    from astropy.stats import poisson_conf_interval
    from scipy.stats import norm

    tail = 1.0 - LEVEL if count == 0 else 0.5 * (1.0 - LEVEL)
    low, high = poisson_conf_interval(count, interval="frequentist-confidence", sigma=float(norm.isf(tail)))
    return Measured(per * count / n, per * float(low) / n, per * float(high) / n, n)


def median(values: Array, seed: int = 0) -> Measured:
    """Median of the finite values, interval by bootstrap; none below 5 values."""
    return _bootstrapped(values, np.median, seed)


def mean(values: Array, seed: int = 0) -> Measured:
    """Mean of the finite values, interval by bootstrap; none below 5 values."""
    return _bootstrapped(values, np.mean, seed)


def rms(values: Array, seed: int = 0) -> Measured:
    """Root mean square of the finite values, interval by bootstrap; none below 5 values."""
    squared = _bootstrapped(values**2, np.mean, seed)
    return Measured(math.sqrt(squared.value), math.sqrt(squared.low), math.sqrt(squared.high), squared.n)


def _bootstrapped(values: Array, statistic, seed: int) -> Measured:  # type: ignore[no-untyped-def]
    good = np.asarray(values, np.float64)
    good = good[np.isfinite(good)]
    if good.size == 0:
        return UNKNOWN
    value = float(statistic(good))
    if good.size < 5:
        return Measured(value, math.nan, math.nan, good.size)
    rng = np.random.default_rng([seed, good.size])
    draws = statistic(good[rng.integers(0, good.size, (BOOTSTRAPS, good.size))], axis=1)
    low, high = np.quantile(draws, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    return Measured(value, float(low), float(high), good.size)
