"""Whether a lens galaxy is seen where its centre is said to be.

The nucleus of a galaxy is no point source, so its light is taken off and what remains there is dropped. Where no
galaxy is seen (the middle of four merged quasar images, the middle of the frame, a position from a card), that
would drop a quasar image instead, and nothing must be taken off or dropped.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lensproc.qc.noise import Noise

Array = NDArray[np.float64]

OFF_CENTRE = 0.3
"""A peak farther than this from the centre is not the nucleus [FWHM]. Judgement: a third of what is dropped."""

SMOOTHING = 1.0 / 7.0
"""σ of the Gaussian that smooths the image before its peak is looked for [FWHM]: a third of the PSF."""

AS_A_STAR = 0.25
"""Light at 1 FWHM over that at the peak, below which the peak is as narrow as a star's: 0.06 for a Gaussian,
0.13 for a Moffat (β = 2.5), 0.5 for a galaxy of twice the PSF's width. Judgement."""

SIGNIFICANT = 3.0
"""Height of the centre above its surroundings from which it is a peak [σ]."""

HIGHER = 2.0
"""Height of another peak above the centre's from which the centre is none [σ]. Lower than the other limit: a
galaxy that is not seen costs little (a faint nucleus is no candidate), one that is not there costs a quasar."""


def lens_is_seen(image: Array, noise: Noise, center: tuple[float, float], fwhm: float) -> bool:
    """Tell whether the light peaks at the centre and is wider than a star.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
        Input less its sky, in units of the noise level, without NaN.
    noise : Noise
        Of the input.
    center : (float, float)
        Zero-based (x, y) of the lens [px].
    fwhm : float
        Of the PSF [px].

    Notes
    -----
    Three questions to the pixels within 1.25 FWHM: is the middle (half an FWHM) significantly brighter than the
    ring of 0.75 to 1.25 FWHM; is the light of that ring at least a quarter of the middle's; and is no point from
    0.3 FWHM (or a pixel) to 0.75 FWHM from the centre significantly brighter than the brightest one nearer to it,
    in the image smoothed by a third of the PSF? The middle of several merged images fails the first or the last.
    """
    from scipy.ndimage import gaussian_filter

    ny, nx = image.shape
    reach = math.ceil(1.5 * fwhm) + 1
    row, column = round(center[1]), round(center[0])
    top, left = max(0, row - reach), max(0, column - reach)
    rows, columns = slice(top, max(top, row + reach + 1)), slice(left, max(left, column + reach + 1))
    window = image[rows, columns]
    if window.size == 0 or not (-0.5 <= center[0] <= nx - 0.5 and -0.5 <= center[1] <= ny - 0.5):
        return False
    y, x = np.mgrid[top : top + window.shape[0], left : left + window.shape[1]]
    radius = np.hypot(x - center[0], y - center[1])
    sigma = noise.sigma[rows, columns]
    good = np.isfinite(sigma)
    middle, ring = good & (radius <= max(0.5 * fwhm, 0.75)), good & (np.abs(radius - fwhm) <= 0.25 * fwhm)
    if not middle.any() or not ring.any():
        return False
    inner, outer = float(window[middle].mean()), float(window[ring].mean())
    weight = middle / np.count_nonzero(middle) - ring / np.count_nonzero(ring)
    typical = float(np.sqrt((sigma[middle] ** 2).mean()))
    if inner - outer < SIGNIFICANT * typical * noise.response(weight) or outer < AS_A_STAR * inner:
        return False
    smooth = gaussian_filter(window, SMOOTHING * fwhm, mode="nearest")
    near = good & (radius <= max(OFF_CENTRE * fwhm, 1.0))
    beside = good & (radius <= 0.75 * fwhm) & ~near
    if not near.any() or not beside.any():
        return bool(near.any())
    peak = np.unravel_index(int(np.where(near, smooth, -np.inf).argmax()), smooth.shape)
    other = np.unravel_index(int(np.where(beside, smooth, -np.inf).argmax()), smooth.shape)
    # neighbouring points share noise: the error is that of their difference
    difference = np.zeros(smooth.shape)
    difference[peak], difference[other] = 1.0, -1.0
    spread = typical * noise.response(gaussian_filter(difference, SMOOTHING * fwhm, mode="nearest"))
    return bool(smooth[other] - smooth[peak] <= HIGHER * spread)
