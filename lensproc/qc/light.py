"""Take the lens's light away, so that point sources stand out."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lensproc.qc.thresholds import RING

Array = NDArray[np.float64]

RING_SAMPLES = 24
"""Pixels of the ring that enter its median: a ring of 1 to 1.6 FWHM holds about ten independent beams."""

SAMPLES_AT_ONCE = 1 << 13


def subtract_light(image: Array, fwhm: float, center: tuple[float, float] | None) -> Array:
    """Image less the azimuthal median about the lens, then less a ring median.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
        Image without NaN.
    fwhm : float
        Of its PSF [px].
    center : (float, float) or None
        Zero-based (x, y) of the lens; None for a field without one.
    """
    if center is not None:
        image = image - azimuthal_median(image, center)
    return subtract_ring(image, fwhm)


def subtract_ring(image: Array, fwhm: float) -> Array:
    """Image less a ring median; see `subtract_light` for the parameters."""
    return image - ring_median(image, RING[0] * fwhm, RING[1] * fwhm)


def azimuthal_median(image: Array, center: tuple[float, float]) -> Array:
    """Median in rings of one pixel about a centre, interpolated in radius, shape of `image`.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
        Image without NaN.
    center : (float, float)
        Zero-based (x, y); may lie outside the image.
    """
    ny, nx = image.shape
    radius = np.hypot(np.arange(nx) - center[0], (np.arange(ny) - center[1])[:, None])
    ring = np.floor(radius - radius.min())
    low, high = float(image.min()), float(image.max())
    span = 1.001 * (high - low)
    if span <= 0.0:
        return np.full(image.shape, low)
    # ring number before the point, value behind it: one plain sort orders the values within each ring
    keys = np.sort((ring + (image - low) / span).ravel())
    label = ring.astype(np.intp).ravel()
    counts = np.bincount(label)
    starts = np.concatenate(([0], np.cumsum(counts)[:-1]))
    used = np.flatnonzero(counts)
    first, second = starts[used] + (counts[used] - 1) // 2, starts[used] + counts[used] // 2
    medians = low + span * (0.5 * (keys[first] + keys[second]) - used)
    radii = np.bincount(label, radius.ravel())[used] / counts[used]
    return np.asarray(np.interp(radius, radii, medians))


def ring_median(
    image: Array, inner: float, outer: float, most: int = RING_SAMPLES, step: int | None = None
) -> Array:
    """Median of a ring about each pixel, taken on a coarser grid and interpolated, shape of `image`.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
        Image without NaN; beyond its edge it is mirrored.
    inner, outer : float
        Radii of the ring [px].
    most : int
        Pixels of the ring that enter its median.
    step : int, optional
        Of the coarser grid [px]; a third of the inner radius where not given.
    """
    ny, nx = image.shape
    step = step or max(1, int(inner / 3.0))
    rows, columns = _ring_offsets(inner, outer, most)
    at_y, at_x = _grid(ny, step), _grid(nx, step)
    y = _mirror(at_y[:, None] + rows, ny)
    x = _mirror(at_x[:, None] + columns, nx)
    flat = image.astype(np.float32).ravel()
    count = rows.size
    coarse = np.empty((at_y.size, at_x.size))
    # a few rows at a time: their samples stay in the cache
    block = max(1, SAMPLES_AT_ONCE // (at_x.size * count))
    for start in range(0, at_y.size, block):
        samples = flat[(y[start : start + block] * nx)[:, None, :] + x[None, :, :]]
        samples.partition((count - 1) // 2, axis=-1)
        coarse[start : start + block] = samples[..., (count - 1) // 2]
    if step == 1:
        return coarse
    return np.asarray(_interpolator(at_y, ny) @ coarse @ _interpolator(at_x, nx).T)


def ring_mean(inner: float, outer: float) -> Array:
    """Kernel that takes the mean over a ring, odd square shape."""
    reach = math.ceil(outer)
    steps = np.arange(-reach, reach + 1)
    radius = np.hypot(steps, steps[:, None])
    ring = ((radius >= inner) & (radius <= outer)).astype(np.float64)
    return np.asarray(ring / ring.sum())


def _ring_offsets(inner: float, outer: float, most: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    reach = math.ceil(outer)
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    radius = np.hypot(rows, columns)
    inside = (radius >= inner) & (radius <= outer)
    rows, columns = rows[inside], columns[inside]
    if rows.size > most:
        order = np.argsort(np.arctan2(rows, columns), kind="stable")
        chosen = order[(np.arange(most - 1) * rows.size) // (most - 1)]
        rows, columns = rows[chosen], columns[chosen]
    return rows, columns


def _grid(side: int, step: int) -> NDArray[np.intp]:
    return np.unique(np.append(np.arange(0, side, step), side - 1))


def _mirror(index: NDArray[np.intp], side: int) -> NDArray[np.intp]:
    period = max(1, 2 * (side - 1))
    folded = np.abs(index) % period
    return np.asarray(np.minimum(np.minimum(folded, period - folded), side - 1))


def _interpolator(at: NDArray[np.intp], side: int) -> Array:
    """Matrix that interpolates linearly from the grid `at` to all pixels."""
    eye = np.eye(at.size)
    pixels = np.arange(side)
    return np.stack([np.interp(pixels, at, row) for row in eye], axis=1)
