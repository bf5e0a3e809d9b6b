"""Errors of an enhanced image's pixels, and what makes 90 % intervals of them cover the truth in 90 % of pixels.

The errors come from the stage itself, or from how its image scatters under other noise and other orientations.
Both know nothing of a bias, so they are multiplied by a factor measured on scenes with a known truth, one for each
group of pixels (split conformal prediction; Vovk et al. 2005; Angelopoulos & Bates 2023, FnTML 16, 494).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lensproc.qc.conformal import Conformal
from lensproc.qc.pair import Pair
from lensproc.qc.verdict import UNMEASURED, Finding

Array = NDArray[np.float64]

GAUSSIAN = 1.6448536
"""Half-width of the central 90 % of a normal distribution [σ]."""

FLOOR = 0.1
"""Least error of a pixel, in σ of the input's: an enhancer that wipes noise and light out scatters by nothing."""

SMOOTHING = 0.4
"""σ of the Gaussian over which variances of eight draws are averaged [FWHM of the input]: about three beams."""


def scatter_error(pair: Pair, redraws: Sequence[Array], symmetry: Array) -> Array:
    """1σ error of an enhanced image from its scatter, shape (scale ny, scale nx), in units of the noise level.

    Parameters
    ----------
    pair : Pair
        Input and output.
    redraws : sequence of ndarray, shape (scale ny, scale nx)
        Enhanced redraws.
    symmetry : ndarray, shape (scale ny, scale nx)
        Scatter under flips and turns.

    Notes
    -----
    Added in quadrature: both scatters, a tenth of the input's σ, and the error of H that the checks allow, which
    grows with the light.
    """
    from scipy.ndimage import gaussian_filter

    sigma = np.where(np.isfinite(pair.noise.sigma), pair.noise.sigma, 1.0)
    light = np.where(np.isfinite(pair.spread), pair.spread**2, sigma**2) - sigma**2
    floor = np.maximum(light, 0.0) + (FLOOR * sigma) ** 2
    variance = np.var(np.stack(redraws), axis=0, ddof=1) + symmetry**2
    reach = SMOOTHING * (pair.psf.fwhm if pair.psf else 3.0) * pair.scale
    smooth = gaussian_filter(variance, reach, mode="mirror")
    return np.asarray(np.sqrt(smooth + floor.repeat(pair.scale, 0).repeat(pair.scale, 1)))


def half_widths(error: Array, groups: Mapping[str, NDArray[np.bool_]], conformal: Conformal | None) -> Array:
    """Half-widths of 90 % intervals, shape of `error`.

    Parameters
    ----------
    error : ndarray, shape (scale ny, scale nx)
        1σ.
    groups : mapping of str to ndarray of bool, shape (ny, nx)
        Pixels by group; a pixel in none counts as Gaussian.
    conformal : Conformal or None
        Factors; None for Gaussian intervals.
    """
    shape = next(iter(groups.values())).shape
    factor = np.full(shape, GAUSSIAN)
    for name, pixels in groups.items():
        if conformal is not None and name in conformal.factors:
            factor[pixels] = conformal.factors[name]
    scale = error.shape[0] // shape[0]
    return np.asarray(error * factor.repeat(scale, 0).repeat(scale, 1))


def width_finding(pair: Pair, half_width: Array) -> Finding:
    """QAUNC: median half-width over the clean pixels, in units of the input's noise; only told.

    Parameters
    ----------
    pair : Pair
        Input and output.
    half_width : ndarray, shape (scale ny, scale nx)
        In units of the noise level; NaN where there is none.
    """
    ny, nx = pair.x.shape
    blocks = half_width.reshape(ny, pair.scale, nx, pair.scale).mean((1, 3)) / pair.noise.sigma
    known = blocks[pair.clean & np.isfinite(blocks)]
    return Finding(float(np.median(known))) if known.size else UNMEASURED


@dataclass(frozen=True)
class Coverage:
    """How often intervals held the truth.

    Parameters
    ----------
    fraction : float
        NaN where there is no pixel.
    low, high : float
        Ends of its 95 % Wilson interval, as if every pixel counted for itself.
    pixels : int
        Pixels it rests on.
    """

    fraction: float
    low: float
    high: float
    pixels: int


def coverage(
    image: Array, truth: Array, half_width: Array, groups: Mapping[str, NDArray[np.bool_]]
) -> dict[str, Coverage]:
    """Fraction of pixels with |y - truth| ≤ half-width, by group.

    Parameters
    ----------
    image, truth, half_width : ndarray, shape (ny, nx)
        In one unit; pixels where one is NaN are left out.
    groups : mapping of str to ndarray of bool
        Of this shape, or of an image with a whole number of times fewer pixels.
    """
    from astropy.stats import binom_conf_interval

    known = np.isfinite(image) & np.isfinite(truth) & np.isfinite(half_width)
    inside = known & (np.abs(image - truth) <= half_width)
    result = {}
    for name, pixels in groups.items():
        scale = image.shape[0] // pixels.shape[0]
        chosen = pixels.repeat(scale, 0).repeat(scale, 1) & known
        total, covered = int(np.count_nonzero(chosen)), int(np.count_nonzero(inside & chosen))
        if total == 0:
            result[name] = Coverage(math.nan, math.nan, math.nan, 0)
            continue
        low, high = binom_conf_interval(covered, total, confidence_level=0.95, interval="wilson")
        result[name] = Coverage(covered / total, float(low), float(high), total)
    return result
