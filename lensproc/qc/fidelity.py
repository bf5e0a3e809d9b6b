"""Checks of the whole image: flux, background, position, and the residual x - H y against the noise."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lensproc.qc import thresholds as at
from lensproc.qc.changes import BRIGHTNESS, Changes, edge_shift
from lensproc.qc.noise import lag_sums
from lensproc.qc.pair import Pair
from lensproc.qc.verdict import UNMEASURED, Finding, judge, judge_chi2, judge_flux

Array = NDArray[np.float64]

FEWEST_PIXELS = 64
"""Fewest judged pixels for a residual to be judged at all."""


def non_finite(pair: Pair) -> Finding:
    """QAFIN: part of the output that is not finite where the input was."""
    was = np.isfinite(pair.cutout.data).repeat(pair.scale, 0).repeat(pair.scale, 1)
    return fraction_non_finite(was, pair.image.data)


def fraction_non_finite(was_finite: NDArray[np.bool_], image: NDArray[np.float32]) -> Finding:
    """QAFIN from the input's finite pixels on the output's grid, and the output."""
    total = np.count_nonzero(was_finite)
    if total == 0:
        return UNMEASURED
    fraction = np.count_nonzero(was_finite & ~np.isfinite(image)) / total
    return Finding(fraction, None, "FAIL" if fraction > at.LIMITS["QAFIN"].fails else "PASS")


def too_negative(pair: Pair) -> Finding:
    """QANEG: part of the output more than 5σ below the sky where the input is not."""
    usual = pair.clean & (pair.x > -5.0 * pair.noise.sigma)
    total = np.count_nonzero(usual)
    if total == 0:
        return UNMEASURED
    blocks = pair.y.reshape(pair.x.shape[0], pair.scale, pair.x.shape[1], pair.scale)
    below = blocks < -5.0 * pair.noise.sigma[:, None, :, None]
    fraction = np.count_nonzero(below & usual[:, None, :, None]) / (total * pair.scale**2)
    return Finding(fraction, None, judge(fraction, 0.0, at.LIMITS["QANEG"]))


def background_shift(pair: Pair) -> Finding:
    """QABKG: mean of H y - x over the sky pixels, in units of the sky noise."""
    sky = pair.noise.sky_pixels & pair.judged
    count = np.count_nonzero(sky)
    if count < 16:
        return UNMEASURED
    shift = float((pair.back - pair.x)[sky].mean())
    error = math.sqrt(pair.noise.excess / count)
    return Finding(shift, error, judge(abs(shift), error, at.LIMITS["QABKG"]))


def flux_change(pair: Pair, changes: Changes | None) -> Finding:
    """QAFLX: flux above the sky in the largest circle, output over input less 1 [%].

    Parameters
    ----------
    pair : Pair
        Input and output.
    changes : Changes or None
        Of `small_changes`.

    Notes
    -----
    The circle sums all noise of the sky in it. The brightness of H y against x, fitted where there is light, is
    known several times better; it speaks instead where only it breaks a limit, its error with that of H. Empty
    where the input's flux is below 5σ: a ratio of noise says nothing.
    """
    circle, fit = _flux_in_circle(pair), _flux_of_fit(pair, changes)
    if circle.value is None or _BADNESS[fit.state] > _BADNESS[circle.state]:
        return fit
    return circle


_BADNESS = {"NONE": 0, "PASS": 1, "WARN": 2, "FAIL": 3}


def _flux_of_fit(pair: Pair, changes: Changes | None) -> Finding:
    if changes is None:
        return UNMEASURED
    change = float(changes.value[BRIGHTNESS])
    # H y - x = a H y
    ratio = 1.0 / max(1.0 - change, 1e-3)
    error = math.hypot(float(changes.error[BRIGHTNESS]), pair.h_error)
    if error > 0.2:
        return UNMEASURED
    percent, spread = 100.0 * (ratio - 1.0), 100.0 * error * ratio
    return Finding(percent, spread, judge_flux(percent, spread))


def _flux_in_circle(pair: Pair) -> Finding:
    """Change of the flux in the largest circle; the sky of both images is the mean over the same pixels."""
    ny, nx = pair.x.shape
    at_x, at_y = pair.center or ((nx - 1) / 2.0, (ny - 1) / 2.0)
    radius = min(at_x, at_y, nx - 1 - at_x, ny - 1 - at_y) + 0.5
    inside = np.hypot(np.arange(nx) - at_x, (np.arange(ny) - at_y)[:, None]) <= radius
    inside &= pair.clean
    sky = pair.noise.sky_pixels & pair.clean
    n_inside, n_sky = np.count_nonzero(inside), np.count_nonzero(sky)
    if n_inside == 0 or n_sky < 16:
        return UNMEASURED
    weight = inside.astype(np.float64) - sky * (n_inside / n_sky)
    before = float((weight * pair.x).sum())
    after = float((weight * pair.binned).sum())
    sigma = np.where(pair.clean, pair.noise.sigma, 0.0)
    error = math.sqrt(float(((weight * sigma) ** 2).sum()) * pair.noise.excess)
    if before < 5.0 * error:
        return UNMEASURED
    change, spread = 100.0 * (after / before - 1.0), 100.0 * error / before
    return Finding(change, spread, judge_flux(change, spread))


def image_shift(pair: Pair, changes: Changes | None) -> Finding:
    """QASHFT: shift of H y against x [px], that of the centre or that which a magnification makes at the edge.

    Parameters
    ----------
    pair : Pair
        Input and output.
    changes : Changes or None
        Of `small_changes`.
    """
    if changes is None:
        return UNMEASURED
    measured = [(size, error) for size, error in edge_shift(pair, changes) if error < 1.0]
    if not measured:
        return UNMEASURED
    limit = at.LIMITS["QASHFT"]
    # the one that breaks a limit most clearly speaks for both
    size, error = max(measured, key=lambda each: each[0] - at.SIGNIFICANT * each[1])
    return Finding(size, error, judge(size, error, limit))


def residual_chi2(pair: Pair) -> Finding:
    """QACHI2: mean of (x - H y)²/s² over the judged pixels."""
    residual = _residual(pair)
    if residual is None:
        return UNMEASURED
    count = np.count_nonzero(pair.judged)
    chi2 = float((residual[pair.judged] ** 2).mean())
    error = math.sqrt(2.0 * float((pair.noise.correlation**2).sum()) / count)
    return Finding(chi2, error, judge_chi2(chi2, error))


def residual_correlation(pair: Pair) -> Finding:
    """QARHO1: lag-1 correlation of the residual less that of the input's sky; only an excess counts.

    Notes
    -----
    A residual smaller than the noise counts as filled up with independent noise: the correlation of what an
    enhancer that copies the noise leaves over says nothing.
    """
    residual = _residual(pair)
    if residual is None or not math.isfinite(pair.noise.lag1_error):
        return UNMEASURED
    centred = np.where(pair.judged, residual - residual[pair.judged].mean(), 0.0)
    mask = pair.judged.astype(np.float64)
    sums, pairs = lag_sums(centred, centred, 1), lag_sums(mask, mask, 1)
    variance = max(float(sums[1, 1] / pairs[1, 1]), 1.0)
    lag1 = 0.5 * float(sums[1, 2] / max(pairs[1, 2], 1.0) + sums[2, 1] / max(pairs[2, 1], 1.0)) / variance
    excess = lag1 - pair.noise.lag1
    error = math.hypot(pair.noise.lag1_error, 1.0 / math.sqrt(2.0 * pairs[1, 1]))
    return Finding(excess, error, judge(max(excess, 0.0), error, at.LIMITS["QARHO1"]))


def residual_plane(pair: Pair) -> Array | None:
    """(x - H y)/s, NaN where it is not judged; None where H is not known."""
    if pair.hy is None:
        return None
    return np.where(pair.judged, (pair.x - pair.hy) / pair.spread, np.nan)


def _residual(pair: Pair) -> Array | None:
    if pair.hy is None or np.count_nonzero(pair.judged) < FEWEST_PIXELS:
        return None
    return np.where(pair.judged, (pair.x - pair.hy) / pair.spread, 0.0)
