"""Candidates of the input and of the output: which image is searched with which threshold."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lensproc.nn.psf import gaussian_psf
from lensproc.qc import thresholds as at
from lensproc.qc.calibration import Calibration
from lensproc.qc.forced import PointSpread, flux_error
from lensproc.qc.pair import Pair
from lensproc.qc.redraws import FinderNoise
from lensproc.qc.sources import (
    Candidates,
    border_of,
    find_sources,
    finder_fwhm,
    finder_kernel,
    pick_peaks,
    recipe_kernel,
)

Array = NDArray[np.float64]

LEAST_STAR = 0.5
"""Height of a star, as part of that of a star that keeps its flux, below which the threshold does not follow."""


def candidates_in(pair: Pair) -> tuple[Candidates, Array]:
    """Candidates of the input, and the 1σ of the finder's filter at each."""
    assert pair.psf is not None
    level = pair.finder_level
    bad = ~np.isfinite(level)
    threshold = np.hypot(at.FINDER_SNR * level, at.TEXTURE_SNR * pair.texture)
    found = pick_peaks(
        pair.residual,
        pair.psf.fwhm,
        np.where(bad, 1e30, threshold),
        border_of(pair.x.shape),
        excluded=bad,
        response=pair.response,
    )
    found = _beyond_nucleus(found, pair)
    return found, _at(level, found)


def candidates_out(
    pair: Pair, calibration: Calibration | None, redrawn: FinderNoise | None = None
) -> tuple[Candidates, Array]:
    """Candidates of the output, positions in input pixels, and the 1σ of the finder's filter at each.

    That noise is the one of enhanced redraws of the input where they were made, else the one of blanks.
    """
    assert pair.psf is not None
    assert pair.psf_out is not None
    if calibration is None:
        width, maximum, star = finder_fwhm(pair.psf_out.fwhm), 0.0, 0.0
        gain = pair.noise.response(recipe_kernel(pair.psf.fwhm))
    else:
        level = calibration.level_at(pair.psf.fwhm, pair.noise.lag1)
        width, gain, maximum, star = level.width, level.gain, level.maximum, level.star
    # a stage that wipes stars out must not lower its own threshold to nothing
    star = max(star, LEAST_STAR * _star(width) * pair.scale**2)
    faintest = at.FINDER_FLOOR_SNR * flux_error(PointSpread(pair.psf), pair.noise) * star
    sigma = pair.noise.sigma.repeat(pair.scale, 0).repeat(pair.scale, 1)
    if redrawn is None:
        filtered = gain * sigma
        threshold = max(at.FINDER_SNR * gain, maximum, faintest) * sigma
    else:
        # the pooled map carries the noise of good pixels into bad ones, where nothing is looked for
        filtered = np.where(np.isfinite(sigma), redrawn.sigma, np.inf)
        threshold = np.maximum(max(at.FINDER_SNR, redrawn.tail) * filtered, faintest * sigma)
    # the texture is the input's, as high as the finder sees it on the output: an enhancer that draws structure
    # of its own must not raise the threshold that it is held against
    structure = pair.texture * (star / _star(pair.psf.fwhm))
    structure = structure.repeat(pair.scale, 0).repeat(pair.scale, 1)
    threshold = np.hypot(threshold, at.TEXTURE_SNR * structure)
    found = find_sources(
        pair.y,
        width,
        np.where(np.isfinite(threshold), threshold, 1e30),
        pair.lens_out,
        pair.scale,
        excluded=~np.isfinite(threshold),
    )
    noise = _at(filtered, found)
    noise[noise == 0.0] = np.nan
    found = found.to_input(pair.scale)
    keep = _outside_nucleus(found, pair)
    return _chosen(found, keep), noise[keep]


@lru_cache(maxsize=32)
def _star(fwhm: float) -> float:
    """Height that the finder gives a star of unit flux [1/px²]."""
    kernel = finder_kernel(fwhm)
    return float((kernel * gaussian_psf(fwhm, kernel.shape[0])).sum())


def _at(level: Array, found: Candidates) -> Array:
    rows = np.clip(np.rint(found.y).astype(np.intp), 0, level.shape[0] - 1)
    columns = np.clip(np.rint(found.x).astype(np.intp), 0, level.shape[1] - 1)
    values = level[rows, columns]
    return np.where(np.isfinite(values), values, np.nan)


def _outside_nucleus(found: Candidates, pair: Pair) -> NDArray[np.bool_]:
    if pair.lens is None or pair.psf is None:
        return np.ones(len(found), bool)
    distance = np.hypot(found.x - pair.lens[0], found.y - pair.lens[1])
    return np.asarray(distance >= at.NUCLEUS * pair.psf.fwhm)


def _beyond_nucleus(found: Candidates, pair: Pair) -> Candidates:
    return _chosen(found, _outside_nucleus(found, pair))


def _chosen(found: Candidates, keep: NDArray[np.bool_]) -> Candidates:
    return Candidates(found.x[keep], found.y[keep], found.response[keep], found.blobness[keep])
