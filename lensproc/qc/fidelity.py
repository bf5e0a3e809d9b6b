"""Checks of the whole image: flux, background, position, and the residual x - H y against the noise."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lensproc.qc import thresholds as at
from lensproc.qc.noise import Noise, lag_sums
from lensproc.qc.pair import Pair
from lensproc.qc.verdict import UNMEASURED, Finding, judge, judge_chance, judge_chi2, judge_flux

Array = NDArray[np.float64]

FEWEST_PIXELS = 64
"""Fewest judged pixels for a residual to be judged at all."""

DERIVATIVE = np.array([1.0, -8.0, 0.0, 8.0, -1.0]) / 12.0
"""First derivative to fourth order, as weights of a correlation."""


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


def flux_change(pair: Pair) -> Finding:
    """QAFLX: flux above the sky in the largest circle, output over input less 1 [%].

    Notes
    -----
    The sky of both is the mean over the same sky pixels, so a pedestal (QABKG) does not count as flux. None where
    the input's flux is below 5σ: a ratio of noise says nothing.
    """
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


def image_shift(pair: Pair) -> Finding:
    """QASHFT: shift of H y against x [px], that of the centre or that which a magnification makes at the edge.

    Notes
    -----
    First order: H y - x = a h + b + w ∇²h - d·∇g - z (p - c)·∇h, with h = H y and g the mean of x and h, fitted
    where the input shows light. Smoothed images serve as instruments, so that noise does not bias the result; the
    noise of x may stand in ∇g, which is odd and does not correlate with it, but not in the other terms. A phase
    correlation would not see z, which a corner-aligned zoom leaves; w takes up a PSF that is not as declared.
    """
    lit = pair.judged & ~pair.noise.sky_pixels
    if pair.hy is None or np.count_nonzero(lit) < 25:
        return UNMEASURED
    from scipy.ndimage import gaussian_filter

    ny, nx = pair.x.shape
    light = 0.5 * (pair.x + pair.hy)
    width = 0.425 * (pair.psf.fwhm if pair.psf else 2.0)
    model = _changes(light, pair.hy, lit)
    smooth, smooth_hy = (gaussian_filter(image, width, mode="nearest") for image in (light, pair.hy))
    instrument = _changes(smooth, smooth_hy, lit)
    scale = np.maximum(np.abs(instrument).max(0), 1e-30)
    model, instrument = model / scale, instrument / scale
    weight = 1.0 / pair.spread[lit] ** 2
    weighted = instrument * weight[:, None]
    normal = weighted.T @ model
    if np.linalg.cond(normal) > 1e10:
        return UNMEASURED
    inverse = np.linalg.inv(normal)
    solution = inverse @ (weighted.T @ (pair.hy - pair.x)[lit])
    covariance = inverse @ (weighted.T @ instrument) @ inverse.T * pair.noise.excess
    solution, errors = solution / scale, np.sqrt(np.diag(covariance)) / scale
    edge = 0.5 * (min(nx, ny) - 1)
    candidates = [
        (math.hypot(solution[0], solution[1]), math.hypot(errors[0], errors[1]) / math.sqrt(2.0)),
        (abs(solution[2]) * edge, errors[2] * edge),
    ]
    measured = [(size, error) for size, error in candidates if error < 1.0]
    if not measured:
        return UNMEASURED
    limit = at.LIMITS["QASHFT"]
    # the one that breaks a limit most clearly speaks for both
    size, error = max(measured, key=lambda pair: pair[0] - at.SIGNIFICANT * pair[1])
    return Finding(size, error, judge(size, error, limit))


def _changes(odd: Array, even: Array, lit: NDArray[np.bool_]) -> Array:
    """Columns of a small change of an image: shifts, magnification, brightness, width, level; shape (n, 6)."""
    from scipy.ndimage import correlate1d, laplace

    ny, nx = odd.shape
    across = (np.arange(nx) - (nx - 1) / 2.0)[None, :]
    along = (np.arange(ny) - (ny - 1) / 2.0)[:, None]

    def slope(image: Array, axis: int) -> Array:
        return np.asarray(correlate1d(image, DERIVATIVE, axis=axis, mode="nearest"))

    zoom = across * slope(even, 1) + along * slope(even, 0)
    columns = (-slope(odd, 1), -slope(odd, 0), -zoom, even, laplace(even, mode="nearest"), np.ones((ny, nx)))
    return np.stack([column[lit] for column in columns], axis=1)


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
    kernel = kernel[middle - half : middle + half + 1, middle - half : middle + half + 1]
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
