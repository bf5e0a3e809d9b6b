"""What else than noise a point source must stand out of: the texture of the light around it.

On a deep image the arcs, the spiral arms and the wings of a bright star have structure at every scale, many times
the noise of the sky. A peak of 100σ is nothing special there. A threshold that knows the noise alone takes every
bump for a source, and the deeper the image, the more of them. So the scatter of the finder's own filter is
measured about each pixel, and a candidate must stand out of that as well.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lensproc.qc import thresholds as at
from lensproc.qc.light import ring_median
from lensproc.qc.sources import finder_fwhm

Array = NDArray[np.float64]

SAMPLES = 96
"""Pixels of the ring that enter its median: the ring holds about a hundred independent beams."""

MAD_PER_SIGMA = 0.6745
"""Median absolute value of a normal deviate of unit σ."""


def texture(response: Array, fwhm: float, noise: Array) -> Array:
    """1σ that the texture of the light about each pixel adds to the finder's noise, shape (ny, nx).

    Parameters
    ----------
    response : ndarray, shape (ny, nx)
        The finder's filter on the input free of smooth light (`lensproc.qc.light.subtract_light`), without NaN.
    fwhm : float
        Of its PSF [px].
    noise : ndarray, shape (ny, nx)
        1σ of the finder's filter for noise alone; not finite where nothing is looked for.

    Returns
    -------
    ndarray, shape (ny, nx)
        In the unit of `noise`; 0 where the scatter is that of noise, as on blank sky.

    Notes
    -----
    Median of the filter's absolute response in a ring of 2.5 to 8 FWHM, in quadrature less the noise. The ring
    leaves out the source at its middle, and is so wide that the images of a compact quad fill less than half of
    it: four stars of SNR 10 to 100, 1.5 to 4 FWHM from the middle, are found as often as without it, where a ring
    of 1.6 to 5 FWHM costs up to 6 % of them. The median of a hundred samples scatters by a tenth, so only a
    scatter above 1.5 times the noise counts.
    """
    width = finder_fwhm(fwhm)
    inner, outer = (radius * width for radius in at.TEXTURE_RING)
    scatter = ring_median(np.abs(response), inner, outer, SAMPLES, max(1, int(width))) / MAD_PER_SIGMA
    known = np.where(np.isfinite(noise), noise, np.inf)
    return np.sqrt(np.maximum(scatter**2 - (at.TEXTURE_EXCESS * known) ** 2, 0.0))
