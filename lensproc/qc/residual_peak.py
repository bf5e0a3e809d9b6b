"""QACHIP: whether the residual x - H y holds light, a point's or faint and wide light.

The matched filter of the PSF sees a source that was erased or invented. Faint light that an enhancer takes for
noise (the halo of the lens, the rim of an arc) lies spread over many pixels, none of which stands out; so a wider
filter follows, and sums over rings about the lens.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lensproc.qc.fidelity import FEWEST_PIXELS
from lensproc.qc.noise import Noise, lag_sums
from lensproc.qc.pair import Pair
from lensproc.qc.verdict import UNMEASURED, Finding, judge_chance

Array = NDArray[np.float64]

WIDE = 3.0
"""Width of the Gaussian that looks for wide light [FWHM]. Measured: of 1.5, 2, 3 and 4 the one that sees most of
the light wiped out below 2σ in simulated lenses."""

RING_STEP = 0.5
"""Step of the rings' radii [FWHM]; a ring is at least two steps wide. Judgement."""

SMALLEST_RING = 64
"""Fewest judged pixels of a ring."""


def residual_peak(pair: Pair) -> tuple[Finding, float | None]:
    """QACHIP: the most significant light in (x - H y)/s [σ], and its chance in this image.

    Parameters
    ----------
    pair : Pair
        Input and output.

    Notes
    -----
    Three tests: the largest value of the residual through the PSF over the power of the noise (the matched filter
    of correlated noise, Wiener 1949), that through a Gaussian of `WIDE` FWHM, likewise, and the largest mean of a
    ring about the lens. The smallest of their chances speaks, as that of the smallest of so many (Šidák 1967).
    """
    if pair.hy is None or pair.psf is None or np.count_nonzero(pair.judged) < FEWEST_PIXELS:
        return UNMEASURED, None
    residual = np.where(pair.judged, (pair.x - pair.hy) / pair.peak_spread, 0.0)
    found = [*_peaks(pair, residual), *_rings(pair, residual)]
    if not found:
        return UNMEASURED, None
    peak, chance = min(found, key=lambda each: each[1])
    chance = _of_many(chance, len(found))
    return Finding(peak, None, judge_chance(chance)), chance


def _peaks(pair: Pair, residual: Array) -> list[tuple[float, float]]:
    """Largest value of each filter [σ], and its chance."""
    from scipy.fft import irfft2, next_fast_len, rfft2

    kernels = _kernels(pair)
    ny, nx = residual.shape
    longest = max(kernel.shape[0] for kernel, _ in kernels)
    size = next_fast_len(ny + longest - 1, real=True), next_fast_len(nx + longest - 1, real=True)

    def through(image: Array, kernel: Array) -> Array:
        half = kernel.shape[0] // 2
        full = irfft2(rfft2(image, s=size) * rfft2(kernel[::-1, ::-1], s=size), s=size)
        return np.asarray(full[half : half + ny, half : half + nx])

    def share(mask: NDArray[np.bool_], kernel: Array) -> Array:
        """Part of the noise that comes through where part of the kernel falls on pixels that are left out."""
        return np.asarray(through(mask.astype(np.float64), kernel**2) / (kernel**2).sum())

    found = []
    for number, (kernel, response) in enumerate(kernels):
        seen = share(pair.judged, kernel)
        usable = pair.judged & (seen > 0.5)
        count = int(np.count_nonzero(usable))
        if count == 0:
            continue
        deviation = response * np.sqrt(seen[usable])
        if number and pair.h_error:
            deviation = np.hypot(deviation, through(_allowance(pair), np.abs(kernel))[usable])
        significance = through(residual, kernel)[usable] / deviation
        peak = float(np.abs(significance).max())
        found.append((peak, chance_of_peak(peak, count, gradient_variance(pair.noise, kernel))))
    return found


def _kernels(pair: Pair) -> list[tuple[Array, float]]:
    """Make the filters over the power of the noise, with 1σ of the noise through each.

    The PSF, and a wider Gaussian where it fits into the image.
    """
    from lensproc.nn.psf import gaussian_psf, psf_image

    assert pair.psf is not None
    most = (min(pair.x.shape) - 1) // 2
    image = psf_image(pair.psf).astype(np.float64)
    half, middle = min(image.shape[0] // 2, math.ceil(2.0 * pair.psf.fwhm), most), image.shape[0] // 2
    kernels = [image[middle - half : middle + half + 1, middle - half : middle + half + 1]]
    reach = math.ceil(WIDE * pair.psf.fwhm)
    if 3 * reach <= most:
        kernels.append(gaussian_psf(WIDE * pair.psf.fwhm, 2 * reach + 1).astype(np.float64))
    weighted = [pair.noise.weighted(kernel) for kernel in kernels]
    # where the measured power is below the least that is divided by, that least is the noise
    return [
        (
            filtering,
            max(pair.noise.response(filtering), math.sqrt(max(float((filtering * kernel).sum()), 0.0))),
        )
        for filtering, kernel in zip(weighted, kernels, strict=True)
    ]


def _allowance(pair: Pair) -> Array:
    """1σ of what H itself may have wrong, in the unit of the residual.

    `pair.peak_spread` holds it as if it were independent from pixel to pixel. It has one sign over a whole source,
    and adds up where a filter is wide.
    """
    return np.where(pair.judged, pair.h_error * np.maximum(pair.back, 0.0) / pair.peak_spread, 0.0)


def _rings(pair: Pair, residual: Array) -> list[tuple[float, float]]:
    """Largest mean of the residual in a ring about the lens's centre [σ], and its chance; none without a centre.

    Notes
    -----
    Rings of every width, from any radius to any other in steps of `RING_STEP`. A slope of the sky cancels along a
    ring, and the mean of the residual on the sky is taken off: that is QABKG's. The variance of a sum over a ring
    is Σ ρ times that of white noise, a little too much for rings hardly wider than the correlation. The chance is
    that of as many independent rings as there are outer radii; on white noise half as many would do (measured).
    """
    if pair.center is None or pair.psf is None:
        return []
    ny, nx = residual.shape
    across, along = np.arange(nx) - pair.center[0], np.arange(ny) - pair.center[1]
    step = RING_STEP * pair.psf.fwhm
    ring = (np.hypot(across, along[:, None]) / step).astype(np.intp).ravel()

    def summed(plane: NDArray[np.generic]) -> Array:
        sums = np.bincount(ring, plane.ravel().astype(np.float64))
        total = np.concatenate(([0.0], np.cumsum(sums)))
        # from inner edge i to outer edge j
        return np.asarray(total[None, :] - total[:, None])

    sky = pair.noise.sky_pixels & pair.judged
    n_sky = int(np.count_nonzero(sky))
    level = float(residual[sky].mean()) if n_sky else 0.0
    count, area = summed(pair.judged), summed(np.ones(residual.shape))
    edge = np.arange(count.shape[0])
    usable = (edge[None, :] - edge[:, None] >= 2) & (count >= SMALLEST_RING) & (count > 0.5 * area)
    if not usable.any():
        return []
    variance = pair.noise.excess * (count + count**2 / max(n_sky, 1)) + summed(_allowance(pair)) ** 2
    peak = float((np.abs(summed(residual) - level * count)[usable] / np.sqrt(variance[usable])).max())
    chance = math.erfc(peak / math.sqrt(2.0))
    return [(peak, _of_many(chance, int(np.count_nonzero(usable.any(0)))))]


def _of_many(chance: float, number: int) -> float:
    """Chance that the smallest of several independent chances is as small."""
    return 1.0 if chance >= 1.0 else -math.expm1(number * math.log1p(-chance))


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
    """Chance that pure noise has a peak or a trough of this many σ somewhere in the image.

    Notes
    -----
    The Euler characteristic that a Gaussian random field above u is expected to have in a square of side a, with
    λ the variance of its gradient: a² λ (2π)^(-3/2) u exp(-u²/2) + a λ^(1/2) / π exp(-u²/2) + P(> u) (Adler 1981,
    The Geometry of Random Fields, ch. 5); doubled, as troughs count too.
    """
    if peak < 1.0:
        return 1.0
    side = math.sqrt(n_pixels * gradient)
    tail = math.exp(-0.5 * peak**2)
    inside = side**2 * (2.0 * math.pi) ** -1.5 * peak * tail
    expected = inside + side / math.pi * tail + 0.5 * math.erfc(peak / math.sqrt(2.0))
    return -math.expm1(-2.0 * expected)
