"""A finder's threshold from the output's own blank sky, for an enhancer that cannot be run on blanks.

The scatter of all that an enhancer makes is no threshold: peaks that were kept stand out of sky that was
smoothed, and a source that was invented raises the scatter it is held against. Here only the *troughs* count, on
pixels where the input shows no light and away from what stands out of the output (the filter leaves a trough about
each peak): an enhancer that draws peaks into the sky does not raise its own threshold.
Where noise has another shape above than below (an image kept positive), it is too low and more candidates
come up; the forced fit on the input's pixels decides on each.
"""

from __future__ import annotations

import math

import numpy as np

from lensproc.nn.psf import gaussian_psf
from lensproc.qc import thresholds as at
from lensproc.qc.calibration import BlankLevel, Calibration
from lensproc.qc.forced import PointSpread, flux_error
from lensproc.qc.light import subtract_light
from lensproc.qc.pair import Pair
from lensproc.qc.sources import border_of, finder_fwhm, finder_kernel

STANDS_OUT = 8.0
"""Peaks of the output this many times its robust scatter are left out with their surroundings, if they are also
above a point source of SNR 4 in the input, below which the finder never looks. Judgement."""

ENOUGH_BEAMS = 20
"""Fewest beams (areas of one output FWHM squared) of blank sky for its troughs to say anything."""


def calibration_from_sky(pair: Pair) -> Calibration | None:
    """Measure the finder's noise on the output's blank regions.

    Parameters
    ----------
    pair : Pair
        Input and output.

    Returns
    -------
    Calibration or None
        With one level. None where the PSF is not known or too little blank sky is left; the finder then takes the
        noise of the input.

    Notes
    -----
    `gain` is the rms of the filtered values below zero, `maximum` the depth of the deepest trough, `star` the
    height of a star of the output's declared PSF.
    """
    from scipy.ndimage import binary_dilation, binary_erosion
    from scipy.signal import fftconvolve

    if pair.psf is None or pair.psf_out is None:
        return None
    width = finder_fwhm(pair.psf_out.fwhm)
    kernel = finder_kernel(width)
    response = fftconvolve(subtract_light(pair.y, width, pair.lens_out), kernel, mode="same")
    blank = (pair.noise.sky_pixels & pair.clean).repeat(pair.scale, 0).repeat(pair.scale, 1)
    # a trough beside a source is the filter's own, and the ring median's
    blank = binary_erosion(blank, np.ones(kernel.shape, bool))
    star = float((kernel * gaussian_psf(width, kernel.shape[0])).sum()) * pair.scale**2
    floor = at.FINDER_FLOOR_SNR * flux_error(PointSpread(pair.psf), pair.noise) * star
    if blank.any():
        robust = float(np.median(np.abs(response[blank]))) / 0.6745
        reach = kernel.shape[0] // 2 + math.ceil(at.RING[1] * width)
        near = np.hypot(np.arange(-reach, reach + 1), np.arange(-reach, reach + 1)[:, None]) <= reach
        blank &= ~binary_dilation(response > max(floor, STANDS_OUT * robust), near)
    border = border_of(pair.x.shape) * pair.scale
    blank[:border] = blank[-border:] = False
    blank[:, :border] = blank[:, -border:] = False
    values = response[blank]
    below = values[values < 0.0]
    if values.size < ENOUGH_BEAMS * width**2 or below.size == 0:
        return None
    level = BlankLevel(
        fwhm=pair.psf.fwhm,
        lag1=pair.noise.lag1,
        gain=float(np.sqrt(np.mean(below**2))),
        maximum=float(-below.min()),
        width=width,
        star=star,
    )
    return Calibration("", (level,), 0)
