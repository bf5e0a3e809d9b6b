"""Further passes of one cutout through its enhancer: other noise, other orientations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lensproc.qc.pair import Pair
from lensproc.qc.redraws import DRAWS, Enhancer, brightness, redrawn
from lensproc.qc.symmetry import SYMMETRIES, symmetric_copies, symmetry_scatter, turned_back

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Copies:
    """What an enhancer makes of an input's copies, as surface brightness in units of its noise level.

    Parameters
    ----------
    redraws : tuple of ndarray, shape (scale ny, scale nx)
        With other noise.
    symmetry : ndarray, shape (scale ny, scale nx)
        1σ scatter under flips and turns.
    """

    redraws: tuple[Array, ...]
    symmetry: Array


def enhance_copies(pair: Pair, enhance: Enhancer, draws: int = DRAWS) -> Copies:
    """Run redraws of the noise and the seven other orientations through an enhancer, all at once.

    Parameters
    ----------
    pair : Pair
        Input and output.
    enhance : callable
        Sequence of cutouts to enhanced cutouts in the same order.
    draws : int
        Redraws of the noise.

    Raises
    ------
    LensprocError
        Whatever the enhancer raises.
    ValueError
        Where an enhanced copy has another size than the output.
    """
    enhanced = list(enhance([*redrawn(pair, draws), *symmetric_copies(pair.cutout)]))
    turned = [
        turned_back(image.data, *symmetry)
        for image, symmetry in zip(enhanced[draws:], SYMMETRIES[1:], strict=True)
    ]
    return Copies(
        tuple(brightness(pair, image.data) for image in enhanced[:draws]),
        symmetry_scatter(pair.y, [brightness(pair, image) for image in turned]),
    )
