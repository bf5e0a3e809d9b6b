"""Checks of the whole image: flux, background, position, and the residual x - H y against the noise."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lensproc.qc import thresholds as at
from lensproc.qc.changes import BRIGHTNESS, Changes, edge_shift
from lensproc.qc.noise import Noise, lag_sums
from lensproc.qc.pair import Pair
from lensproc.qc.verdict import UNMEASURED, Finding, judge, judge_chance, judge_chi2, judge_flux

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


def residual_peak(pair: Pair) -> tuple[Finding, float | None]:
    """QACHIP: the largest matched-filter peak of (x - H y)/s [σ], and its chance in this image.

    Notes
    -----
    The matched filter of correlated noise is the PSF over the noise power (Wiener 1949).
    The chance of a peak above u in a Gaussian random field of area A is A λ (2π)^(-3/2) u exp(-u²/2), with λ the
    variance of its gradient (Adler 1981, The Geometry of Random Fields, ch. 6); doubled, as troughs count too.
    """
    residual = _residual(pair)
    if residual is None or pair.psf is None:
        return UNMEASURED, None
    from scipy.signal import fftconvolve

    from lensproc.nn.psf import psf_image

    kernel = psf_image(pair.psf).astype(np.float64)
    half = min(kernel.shape[0] // 2, math.ceil(2.0 * pair.psf.fwhm), (min(pair.x.shape) - 1) // 2)
    middle = kernel.shape[0] // 2
    kernel = pair.noise.weighted(kernel[middle - half : middle + half + 1, middle - half : middle + half + 1])
    filtered = fftconvolve(residual, kernel[::-1, ::-1], mode="same")
    # where part of the kernel falls on pixels that are not judged, less noise comes through
    seen = (
        fftconvolve(pair.judged.astype(np.float64), kernel[::-1, ::-1] ** 2, mode="same") / (kernel**2).sum()
    )
    usable = pair.judged & (seen > 0.5)
    if not usable.any():
        return UNMEASURED, None
    significance = np.abs(filtered[usable]) / (pair.noise.response(kernel) * np.sqrt(seen[usable]))
    peak = float(significance.max())
    chance = chance_of_peak(peak, int(np.count_nonzero(usable)), gradient_variance(pair.noise, kernel))
    return Finding(peak, None, judge_chance(chance)), chance


def gradient_variance(noise: Noise, kernel: Array) -> float:
    """Variance of the gradient of filtered noise of unit variance, per axis [1/px²]."""
    reach = noise.correlation.shape[0] // 2 + 1
    auto = lag_sums(kernel, kernel, reach)
    shifted = [
        float(
            (noise.correlation * auto[1 + dy : auto.shape[0] - 1 + dy, 1 + dx : auto.shape[1] - 1 + dx]).sum()
        )
        for dy, dx in ((0, 0), (0, 1), (1, 0))
    ]
    neighbour = 0.5 * (shifted[1] + shifted[2]) / max(shifted[0], 1e-30)
    return -2.0 * math.log(min(max(neighbour, 0.05), 0.999))


def chance_of_peak(peak: float, n_pixels: int, gradient: float) -> float:
    """Chance that pure noise has a peak or a trough of this many σ somewhere in the image."""
    if peak < 1.0:
        return 1.0
    expected = 2.0 * n_pixels * gradient * (2.0 * math.pi) ** -1.5 * peak * math.exp(-0.5 * peak**2)
    return -math.expm1(-expected)


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
