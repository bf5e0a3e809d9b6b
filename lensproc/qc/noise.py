"""Noise of an input: its size per pixel and how it is correlated, measured on the sky.

Survey images are resampled, so their noise is correlated: lag-1 correlations of 0.3 to 0.8 are usual. The
autocorrelation measured here is the noise power spectrum, written in pixels; the error of any linear measurement
(a matched filter, a forced fit) follows from it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lensproc.cutout import Cutout
from lensproc.nn.prepare import sky_and_noise
from lensproc.qc.photons import electrons_per_unit, photon_variance

MAX_LAG = 4
"""Correlation is measured up to this lag [px]; beyond, noise counts as independent."""

ENOUGH_PAIRS = 200
"""Fewest pairs of sky pixels at a lag for its correlation to be believed; else the noise counts as white."""

LEAST_POWER = 0.1
"""Least power of the noise that is divided by, in units of that of white noise: what was measured is uncertain,
and where hardly any noise is left, errors of the PSF rule. Judgement."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Noise:
    """Noise of one cutout.

    Parameters
    ----------
    sky : float
        Background level, in the unit of the cutout.
    level : float
        Typical 1σ of a sky pixel, in the same unit; above 0.
    sigma : ndarray, shape (ny, nx)
        1σ per pixel in units of `level`; infinite where a pixel is bad. Without a variance plane that of the sky,
        and of the light's photons where the unit tells them (`lensproc.qc.photons`).
    sky_pixels : ndarray of bool, shape (ny, nx)
        Good pixels without visible light.
    correlation : ndarray, shape (2 MAX_LAG + 1, 2 MAX_LAG + 1)
        Autocorrelation of the sky noise, 1 in the middle; 0 where it is not significant.
    lag1 : float
        Mean correlation of neighbouring pixels, as measured.
    lag1_error : float
        Its 1σ error; infinite where there is too little sky to measure it.
    from_variance : bool
        True where `sigma` comes from the file's variance plane.
    """

    sky: float
    level: float
    sigma: Array
    sky_pixels: NDArray[np.bool_]
    correlation: Array
    lag1: float
    lag1_error: float
    from_variance: bool

    def response(self, kernel: Array) -> float:
        """1σ of ``Σ kernel × noise`` for a unit noise per pixel, correlations included."""
        return math.sqrt(self.variance_of(kernel))

    def variance_of(self, kernel: Array) -> float:
        """Variance of ``Σ kernel × noise`` for a unit noise per pixel, correlations included.

        Notes
        -----
        Σ_d ρ(d) A(d), with A the autocorrelation of the kernel. Truncating ρ can make it too small for kernels
        that oscillate; it is kept above a hundredth of its value for white noise.
        """
        white = float((kernel**2).sum())
        middle = self.correlation.shape[0] // 2
        if np.count_nonzero(self.correlation) <= 1:
            return white
        auto = lag_sums(kernel, kernel, middle)
        return max(float((self.correlation * auto).sum()), 0.01 * white)

    def weighted(self, images: Array) -> Array:
        """Divide images by the noise power, so that Σ image × result is their SNR²; shape (..., ny, nx).

        Parameters
        ----------
        images : ndarray, shape (..., ny, nx)
            In units of the 1σ of each pixel; beyond the frame they are 0.

        Notes
        -----
        The inverse of the noise's covariance, of a field that goes on for ever (Wiener's filter of a known signal
        in stationary noise). White noise leaves the images as they are.
        """
        if np.count_nonzero(self.correlation) <= 1:
            return images
        # light too faint to be told from sky correlates beyond the largest lag; such a plateau, cut off there,
        # would ring through the power, and the filter would amplify what is nearly 0 by accident
        edge = np.concatenate([self.correlation[[0, -1]].ravel(), self.correlation[:, [0, -1]].ravel()])
        short = self.correlation - max(float(edge.mean()), 0.0)
        return self._filtered(images, lambda power: 1.0 / np.maximum(power, LEAST_POWER), short)

    def correlated(self, images: Array) -> Array:
        """Convolve images of shape (..., ny, nx), 0 beyond the frame, with the noise's autocorrelation."""
        if np.count_nonzero(self.correlation) <= 1:
            return images
        return self._filtered(images, lambda power: power, self.correlation)

    def _filtered(self, images: Array, gain: Callable[[Array], Array], correlation: Array) -> Array:
        from scipy.fft import irfft2, next_fast_len, rfft2

        ny, nx = images.shape[-2:]
        ly, lx = (next_fast_len(side + 2 * self.correlation.shape[0], real=True) for side in (ny, nx))
        transform = rfft2(images, s=(ly, lx)) * gain(power_of(correlation, (ly, lx)))
        return np.asarray(irfft2(transform, s=(ly, lx))[..., :ny, :nx])

    @property
    def excess(self) -> float:
        """Variance of a mean over many pixels in units of that of white noise: Σ_d ρ(d)."""
        return max(float(self.correlation.sum()), 0.01)


def power_of(correlation: Array, shape: tuple[int, int]) -> Array:
    """Noise power at the frequencies of ``scipy.fft.rfft2`` of images of `shape`; that of white noise is 1."""
    from scipy.fft import rfft2

    lags = np.arange(-(correlation.shape[0] // 2), correlation.shape[0] // 2 + 1)
    plane = np.zeros(shape)
    np.add.at(plane, np.ix_(lags % shape[0], lags % shape[1]), correlation)
    return np.asarray(rfft2(plane).real)


def lag_sums(first: Array, second: Array, max_lag: int) -> Array:
    """Σ first(p) second(p + d) for all d up to `max_lag`, shape (2 max_lag + 1, 2 max_lag + 1)."""
    from scipy.fft import irfft2, next_fast_len, rfft2

    size = [next_fast_len(side + max_lag, real=True) for side in first.shape]
    transform = rfft2(first, s=size)
    other = transform if second is first else rfft2(second, s=size)
    sums = irfft2(transform.conj() * other, s=size)
    index = np.arange(-max_lag, max_lag + 1)
    return np.asarray(sums[np.ix_(index, index)])


def measure_noise(cutout: Cutout, fwhm: float | None = None) -> Noise | None:
    """Measure the noise of a cutout.

    Parameters
    ----------
    cutout : Cutout
        The input.
    fwhm : float, optional
        FWHM of its PSF [px], the scale on which light is looked for; 3 where unknown.

    Returns
    -------
    Noise or None
        None where the image is constant, has no noise at all, or no good pixel.
    """
    bad = cutout.bad
    good = cutout.data[~bad]
    if good.size == 0 or float(good.min()) == float(good.max()):
        return None
    sky, scatter = sky_and_noise(cutout.data, bad)
    sigma, from_variance = _sigma_map(cutout, bad, scatter)
    usable = sigma[np.isfinite(sigma)]
    level = float(np.median(usable)) if usable.size else 0.0
    if level <= 0.0:
        return None
    sigma = sigma / level
    residual = np.where(bad, 0.0, (cutout.data.astype(np.float64) - sky) / level)
    dark = dark_pixels(residual, bad, fwhm or 3.0)
    correlation, lag1, error = _correlation(residual / np.where(bad, 1.0, sigma), dark)
    electrons = None if from_variance else electrons_per_unit(cutout)
    if electrons is not None:
        light = np.where(dark, 0.0, residual)
        sigma = np.sqrt(sigma**2 + photon_variance(light, electrons * level, correlation))
    return Noise(sky, level, sigma, dark, correlation, lag1, error, from_variance)


def _sigma_map(cutout: Cutout, bad: NDArray[np.bool_], scatter: float) -> tuple[Array, bool]:
    if cutout.variance is not None:
        known = np.isfinite(cutout.variance) & (cutout.variance > 0) & ~bad
        if known.any():
            sigma = np.full(cutout.shape, np.inf)
            sigma[known] = np.sqrt(cutout.variance[known].astype(np.float64))
            return sigma, True
    return np.where(bad, np.inf, scatter), False


def dark_pixels(residual: Array, bad: NDArray[np.bool_], fwhm: float) -> NDArray[np.bool_]:
    """Good pixels without visible light: nothing above 3σ within about an FWHM in the smoothed image.

    Parameters
    ----------
    residual : ndarray, shape (ny, nx)
        Image less its sky; 0 at bad pixels.
    bad : ndarray of bool, shape (ny, nx)
        Pixels not to be used.
    fwhm : float
        [px].
    """
    from scipy.ndimage import maximum_filter, uniform_filter

    width = max(3, 2 * int(fwhm / 2.0) + 1)
    smooth = uniform_filter(residual, width, mode="nearest")
    middle, scatter = sky_and_noise(smooth.astype(np.float32), bad)
    lit = smooth > middle + 5.0 * scatter
    near = maximum_filter(lit, 2 * width + 1, mode="nearest")
    return np.asarray(~near & ~bad)


def _correlation(noise: Array, dark: NDArray[np.bool_]) -> tuple[Array, float, float]:
    """Autocorrelation of masked noise, its significant part; and the mean over the four nearest lags."""
    white = np.zeros((2 * MAX_LAG + 1, 2 * MAX_LAG + 1))
    white[MAX_LAG, MAX_LAG] = 1.0
    if np.count_nonzero(dark) < ENOUGH_PAIRS or min(noise.shape) <= 2 * MAX_LAG:
        return white, 0.0, math.inf
    mask = dark.astype(np.float64)
    field = np.where(dark, noise - noise[dark].mean(), 0.0)
    sums, pairs = lag_sums(field, field, MAX_LAG), lag_sums(mask, mask, MAX_LAG)
    pairs = np.maximum(np.rint(pairs), 1.0)
    products = sums / pairs
    variance = products[MAX_LAG, MAX_LAG]
    if variance <= 0.0:
        return white, 0.0, math.inf
    measured = products / variance
    neighbours = [(MAX_LAG, MAX_LAG + 1), (MAX_LAG + 1, MAX_LAG)]
    lag1 = float(np.mean([measured[at] for at in neighbours]))
    believed = (pairs >= ENOUGH_PAIRS) & (np.abs(measured) > 3.0 / np.sqrt(pairs))
    correlation = np.where(believed, np.clip(measured, -1.0, 1.0), 0.0)
    correlation[MAX_LAG, MAX_LAG] = 1.0
    return correlation, lag1, float(1.0 / math.sqrt(2.0 * pairs[MAX_LAG, MAX_LAG + 1]))


def fill_bad(image: Array, bad: NDArray[np.bool_]) -> Array:
    """Fill bad pixels by the nearest good one; 0 where none is good."""
    if not bad.any():
        return image
    if bad.all():
        return np.zeros_like(image)
    from scipy.ndimage import distance_transform_edt

    rows, columns = distance_transform_edt(bad, return_distances=False, return_indices=True)
    return np.asarray(image[rows, columns])
