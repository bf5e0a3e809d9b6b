"""Photon noise of bright pixels where a file has no variance plane but says how many photons it counted.

The scatter of the sky is the noise of the sky. On a quasar image of 10⁵ electrons the photons' own noise is many
times that, and whatever is measured there (a forced flux, the residual x - H y, a peak) would be judged as if it
were exact.
"""

from __future__ import annotations

import math

import numpy as np
from astropy.io.fits import Header
from numpy.typing import NDArray

from lensproc.cutout import Cutout

Array = NDArray[np.float64]

EXPOSURES = ("TEXPTIME", "EXPTIME", "XPOSURE", "EXPOSURE")
"""Cards that hold the seconds which the image adds up; the first that makes sense."""


def electrons_per_unit(cutout: Cutout) -> float | None:
    """Electrons that one unit of a pixel's value stands for.

    Returns
    -------
    float or None
        1 where the unit is ``electron``, the exposure time where it is ``electron/s`` and the header has one. None
        otherwise: a count without its gain, a mean of several exposures in ADU or a calibrated flux says nothing
        of photons, and a guess would excuse errors.
    """
    unit = cutout.unit.value
    if unit == "electron":
        return 1.0
    if unit == "electron/s":
        return _exposure(cutout.header)
    return None


def photon_variance(light: Array, electrons: float, correlation: Array) -> Array:
    """Variance of the light above the sky by its own photons, in the square of its unit, shape of `light`.

    Parameters
    ----------
    light : ndarray, shape (ny, nx)
        Pixels less their sky, 0 where none is seen.
    electrons : float
        Electrons per unit.
    correlation : ndarray, shape (2 k + 1, 2 k + 1)
        Autocorrelation of the sky noise, 1 in the middle.

    Notes
    -----
    Poisson: light / electrons, for pixels that count their own photons. A resampled image shares each photon among
    neighbours, which makes the noise of a pixel smaller and correlates it, while the noise of a sum over several
    pixels stays (Fruchter & Hook 2002, PASP 114, 144, section 7). So the variance is divided by Σ ρ over the
    nearest neighbours. The light is smoothed a little (weights 1, 4, 1 along each axis): a pixel's own noise
    must not set its weight alone.
    """
    from scipy.ndimage import correlate1d

    middle = correlation.shape[0] // 2
    shared = max(1.0, float(correlation[middle - 1 : middle + 2, middle - 1 : middle + 2].sum()))
    weights = np.array([1.0, 4.0, 1.0]) / 6.0
    smooth = correlate1d(correlate1d(light, weights, axis=0, mode="nearest"), weights, axis=1, mode="nearest")
    return np.asarray(np.maximum(smooth, 0.0) / electrons / shared)


def _exposure(header: Header) -> float | None:
    for name in EXPOSURES:
        value = header.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            seconds = float(value)
            if math.isfinite(seconds) and seconds > 0.0:
                return seconds
    return None
