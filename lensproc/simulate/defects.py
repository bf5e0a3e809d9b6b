"""Bad pixels: where they are, and what a survey leaves in their place."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Defects:
    """Pixels without a measurement.

    Parameters
    ----------
    cosmic_rays, dead : tuple of (int, int)
        Zero-based (row, column) of pixels hit by a cosmic ray, and of dead ones.
    """

    cosmic_rays: tuple[tuple[int, int], ...] = ()
    dead: tuple[tuple[int, int], ...] = ()

    def mask(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """All bad pixels, shape `shape`."""
        bad = np.zeros(shape, bool)
        for row, column in (*self.cosmic_rays, *self.dead):
            bad[row, column] = True
        return bad


def draw_defects(mean: float, size: int, rng: np.random.Generator) -> Defects:
    """Draw a Poisson number of defects: half are tracks of 2 to 5 px, half single dead pixels."""
    if mean <= 0:
        return Defects()
    tracks: list[tuple[int, int]] = []
    dead: list[tuple[int, int]] = []
    for _ in range(int(rng.poisson(mean))):
        row, column = rng.uniform(0, size, size=2)
        if rng.uniform() < 0.5:
            dead.append((int(row), int(column)))
            continue
        angle = rng.uniform(0.0, 2.0 * math.pi)
        for step in range(int(rng.integers(2, 6))):
            place = (int(row + step * math.sin(angle)), int(column + step * math.cos(angle)))
            if all(0 <= p < size for p in place) and place not in tracks:
                tracks.append(place)
    return Defects(tuple(tracks), tuple(dead))


def replaced(image: NDArray[np.float32], bad: NDArray[np.bool_], how: str) -> NDArray[np.float32]:
    """`image` with ``nan``, ``zero``, or the median of the good pixels around in the place of `bad` ones."""
    if not bad.any():
        return image
    result = image.copy()
    if how == "interpolated":
        for row, column in np.argwhere(bad):
            window = np.s_[max(0, row - 3) : row + 4, max(0, column - 3) : column + 4]
            good = image[window][~bad[window]]
            result[row, column] = np.median(good) if good.size else 0.0
        return result
    result[bad] = np.nan if how == "nan" else 0.0
    return result
