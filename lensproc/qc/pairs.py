"""Two sources or one? The test on the input's own pixels.

A Moffat star fitted by a Gaussian of its width looks like a pair every time at SNR 100, so a pair is claimed only
with a real PSF image, and with an allowance for that image's own error.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lensproc.qc.forced import PointSpread
from lensproc.qc.noise import Noise

Array = NDArray[np.float64]

RADIUS = 2.0
"""Radius of the fit [FWHM]."""


def delta_chi2(
    image: Array,
    noise: Noise,
    spread: PointSpread,
    first: tuple[float, float],
    second: tuple[float, float],
    psf_error: float,
) -> float:
    """χ² of the best single PSF less that of the best two, positions free in both.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
        Input in units of its noise level.
    noise : Noise
        Of the input; the sum is divided by the noise's correlation on the scale of the PSF.
    spread : PointSpread
        PSF.
    first, second : (float, float)
        Zero-based (x, y) of the two [px], where the fit begins.
    psf_error : float
        Relative error of the PSF, added to the noise in proportion to the light.

    Returns
    -------
    float
        At least 0; NaN where fewer than 12 good pixels are near.
    """
    from scipy.optimize import least_squares

    ny, nx = image.shape
    middle = 0.5 * (first[0] + second[0]), 0.5 * (first[1] + second[1])
    apart = math.hypot(first[0] - second[0], first[1] - second[1])
    reach = RADIUS * spread.fwhm + 0.5 * apart
    rows, columns = np.mgrid[
        max(0, math.ceil(middle[1] - reach)) : min(ny, math.floor(middle[1] + reach) + 1),
        max(0, math.ceil(middle[0] - reach)) : min(nx, math.floor(middle[0] + reach) + 1),
    ]
    use = np.isfinite(noise.sigma[rows, columns])
    use &= np.hypot(columns - middle[0], rows - middle[1]) <= reach
    if np.count_nonzero(use) < 12:
        return math.nan
    y, x = rows[use].astype(np.float64), columns[use].astype(np.float64)
    data = image[rows[use], columns[use]]
    sigma = np.hypot(
        noise.sigma[rows[use], columns[use]], psf_error * np.maximum(data - np.median(data), 0.0)
    )

    def residual(positions: Array) -> Array:
        shapes = [spread.at(y - py, x - px) for px, py in positions.reshape(-1, 2)]
        design = np.stack([*shapes, np.ones_like(x)], axis=1) / sigma[:, None]
        solution = np.linalg.lstsq(design, data / sigma, rcond=1e-6)[0]
        if (solution[:-1] < 0).any():  # a star takes no light away
            keep = np.append(solution[:-1] >= 0, True)
            design = design[:, keep]
            solution = np.linalg.lstsq(design, data / sigma, rcond=1e-6)[0]
        return np.asarray(data / sigma - design @ solution)

    def best(start: list[float]) -> float:
        fit = least_squares(residual, start, x_scale=0.3 * spread.fwhm, max_nfev=30, diff_step=1e-3)
        return 2.0 * float(fit.cost)

    brighter = max((first, second), key=lambda p: image[_nearest(p, image.shape)])
    single = min(best(list(middle)), best(list(brighter)))
    double = best([*first, *second])
    profile = spread.at(y - middle[1], x - middle[0])
    correlation = 1.0
    if np.count_nonzero(noise.correlation) > 1:
        square = np.zeros(rows.shape)
        square[use] = profile
        correlation = noise.variance_of(square) / float((square**2).sum())
    return max(0.0, single - double) / correlation


def _nearest(position: tuple[float, float], shape: tuple[int, ...]) -> tuple[int, int]:
    column = min(max(round(position[0]), 0), shape[1] - 1)
    row = min(max(round(position[1]), 0), shape[0] - 1)
    return row, column
