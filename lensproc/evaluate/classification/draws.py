"""Bootstrap over the images of a set: the same draws for every stage and figure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lensproc.evaluate.classification.measures import Statistic
from lensproc.evaluate.intervals import BOOTSTRAPS, LEVEL, Measured

Array = NDArray[np.float64]

FEWEST = 5
"""Below so many images there is no interval."""

AT_ONCE = 2_000_000
"""Weights held at a time, so that memory does not grow with the set."""


@dataclass(frozen=True)
class Sample:
    """A figure of a set, and of every draw of it.

    Parameters
    ----------
    value : float
        Of the set.
    draws : ndarray, shape (b,)
        Of the draws.
    n : int
        Images it rests on.
    """

    value: float
    draws: Array
    n: int

    def measured(self, *, reflected: bool = False) -> Measured:
        """Give the value with the 95 % interval of the draws.

        Parameters
        ----------
        reflected : bool
            Take the draws' distances from the value with the other sign (the basic bootstrap; Davison & Hinkley
            1997, section 5.2.1), for figures of which drawing adds to the value itself, such as a sum of absolute
            values; nothing below 0.
        """
        if self.n < FEWEST or math.isnan(self.value) or np.isnan(self.draws).all():
            return Measured(self.value, math.nan, math.nan, self.n)
        low, high = (float(one) for one in np.nanquantile(self.draws, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2]))
        if reflected:
            low, high = max(0.0, 2.0 * self.value - high), max(0.0, 2.0 * self.value - low)
        return Measured(self.value, low, high, self.n)

    def above(self, other: Sample) -> Measured:
        """Difference to `other` on the same images, drawn together."""
        difference = Sample(self.value - other.value, self.draws - other.draws, min(self.n, other.n))
        return difference.measured()


class Bootstrap:
    """Draws of n images with replacement.

    Parameters
    ----------
    n : int
        Number of images.
    seed : int
        Of the draws.
    """

    def __init__(self, n: int, seed: int = 0) -> None:
        self.n = n
        self.seed = seed

    def weights(self) -> Iterator[Array]:
        """Yield blocks of draws, shape (b, n): how often each image was drawn; the same at every call."""
        rng = np.random.default_rng([self.seed, self.n])
        block = max(1, AT_ONCE // self.n)
        for start in range(0, BOOTSTRAPS, block):
            drawn = rng.integers(0, self.n, (min(block, BOOTSTRAPS - start), self.n))
            yield np.stack([np.bincount(one, minlength=self.n) for one in drawn]).astype(np.float64)

    def samples(self, statistics: dict[str, Statistic], counts: dict[str, int]) -> dict[str, Sample]:
        """Figures of the set and of all draws.

        Parameters
        ----------
        statistics : dict of str to callable
            By any name.
        counts : dict of str to int
            Images that each rests on; all where it is not named.
        """
        whole = np.ones((1, self.n))
        draws: dict[str, list[Array]] = {name: [] for name in statistics}
        for weights in self.weights():
            for name, statistic in statistics.items():
                draws[name].append(statistic(weights))
        return {
            name: Sample(float(statistic(whole)[0]), np.concatenate(draws[name]), counts.get(name, self.n))
            for name, statistic in statistics.items()
        }
