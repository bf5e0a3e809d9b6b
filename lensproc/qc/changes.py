"""The small changes of a whole image that H y shows against x: shift, magnification, brightness, width, level.

They are fitted together, weighted by the power of the noise, so that each error is that which the photons allow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lensproc.qc.pair import Pair

Array = NDArray[np.float64]

FEWEST_PIXELS = 25
"""Fewest lit pixels for a fit."""

INSTRUMENT = 0.3
"""σ of the Gaussian that smooths the instruments [FWHM of the input]."""

DERIVATIVE = np.array([1.0, -8.0, 0.0, 8.0, -1.0]) / 12.0
"""First derivative to fourth order, as weights of a correlation."""

SHIFT_X, SHIFT_Y, ZOOM, BRIGHTNESS = range(4)


@dataclass(frozen=True)
class Changes:
    """Changes from x to H y.

    Parameters
    ----------
    value, error : ndarray, shape (6,)
        Shift along columns and rows [px], magnification less 1, brightness less 1, part of the Laplacian
        [px²], level [σ]; and their 1σ photon errors.
    """

    value: Array
    error: Array


def small_changes(pair: Pair) -> Changes | None:
    """Fit the changes of H y against x.

    Returns
    -------
    Changes or None
        None where H is not known, or the input shows too little light.

    Notes
    -----
    First order: H y - x = a h + b + w ∇²h - d·∇g - z (p - c)·∇h, with h = H y and g the mean of x and h, fitted
    where the input shows light. A phase correlation would not see z, which a corner-aligned zoom leaves; w takes
    up a PSF that is not as declared.

    With instruments Z for the columns M, C the covariance of the noise and r = H y - x, the solution is
    (Zᵀ M)⁻¹ Zᵀ r with the covariance (Zᵀ M)⁻¹ Zᵀ C Z (Mᵀ Z)⁻¹. Z = C⁻¹ M would be generalised least squares
    (Aitken 1935, Proc. R. Soc. Edinburgh 55, 42). The noise of x must not bias the result: so Z is made of h
    alone, and smoothed, in case that h holds some of it; and x stands in M in ∇g only.
    """
    lit = pair.judged & ~pair.noise.sky_pixels
    if pair.hy is None or np.count_nonzero(lit) < FEWEST_PIXELS:
        return None
    from scipy.ndimage import gaussian_filter

    light = 0.5 * (pair.x + pair.hy)
    width = INSTRUMENT * (pair.psf.fwhm if pair.psf else 2.0)
    smooth = gaussian_filter(pair.hy, width, mode="nearest")
    weight = np.where(lit, 1.0 / pair.spread, 0.0)
    model = change_columns(light, pair.hy) * weight
    instrument = change_columns(smooth, smooth) * weight
    scale = np.maximum(np.abs(instrument).max((1, 2)), 1e-30)[:, None, None]
    model = model / scale
    instrument = pair.noise.weighted(instrument / scale) * lit
    normal = np.einsum("iyx,jyx->ij", instrument, model)
    if np.linalg.cond(normal) > 1e10:
        return None
    inverse = np.linalg.inv(normal)
    solution = inverse @ np.einsum("iyx,yx->i", instrument, (pair.hy - pair.x) * weight)
    spread = np.einsum("iyx,jyx->ij", instrument, pair.noise.correlated(instrument))
    covariance = inverse @ spread @ inverse.T
    scale = scale[:, 0, 0]
    return Changes(solution / scale, np.sqrt(np.maximum(np.diag(covariance), 0.0)) / scale)


def change_columns(odd: Array, even: Array) -> Array:
    """Small changes of an image, shape (6, ny, nx), in the order of `Changes`."""
    from scipy.ndimage import correlate1d, laplace

    ny, nx = odd.shape
    across = (np.arange(nx) - (nx - 1) / 2.0)[None, :]
    along = (np.arange(ny) - (ny - 1) / 2.0)[:, None]

    def slope(image: Array, axis: int) -> Array:
        return np.asarray(correlate1d(image, DERIVATIVE, axis=axis, mode="nearest"))

    zoom = across * slope(even, 1) + along * slope(even, 0)
    return np.stack(
        [-slope(odd, 1), -slope(odd, 0), -zoom, even, laplace(even, mode="nearest"), np.ones((ny, nx))]
    )


def edge_shift(pair: Pair, changes: Changes) -> list[tuple[float, float]]:
    """Shift of the centre, and the one that the magnification makes at the edge, each with its error [px]."""
    value, error = changes.value, changes.error
    edge = 0.5 * (min(pair.x.shape) - 1)
    return [
        (
            math.hypot(value[SHIFT_X], value[SHIFT_Y]),
            math.hypot(error[SHIFT_X], error[SHIFT_Y]) / math.sqrt(2.0),
        ),
        (abs(float(value[ZOOM])) * edge, float(error[ZOOM]) * edge),
    ]
