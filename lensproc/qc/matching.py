"""Which candidate of the output is which candidate of the input."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def match_one_to_one(
    first: tuple[Array, Array], second: tuple[Array, Array], reach: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Match two lists of positions one to one, as many as possible within a reach, the nearest together.

    Parameters
    ----------
    first, second : (ndarray, ndarray)
        x and y of each list, shapes (n,) and (m,) [px].
    reach : float
        Largest distance of a match [px].

    Returns
    -------
    (ndarray, ndarray) of int, shape (k,)
        Indices into the first and the second list.
    """
    if first[0].size == 0 or second[0].size == 0:
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    from scipy.optimize import linear_sum_assignment

    distance = np.hypot(first[0][:, None] - second[0][None, :], first[1][:, None] - second[1][None, :])
    # a pair out of reach costs more than any number of pairs within it, so it is never bought with one
    cost = np.where(distance <= reach, distance, reach * (1 + min(distance.shape)))
    rows, columns = linear_sum_assignment(cost)
    near = distance[rows, columns] <= reach
    return rows[near], columns[near]
