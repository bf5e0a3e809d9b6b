"""Images of known noise, for calibrating an enhancer."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lensproc.cutout import PSF, Cutout, Resolved, Source
from lensproc.nn.psf import SIGMA_PER_FWHM

STAR_SNR = 50.0
"""SNR of the star that is injected: bright enough that a denoiser leaves it alone."""

GALAXY_PEAK = 50.0
"""Peak of the smooth galaxy in every other blank [σ]: some stages see noise differently beside light."""


def unit_noise(rng: np.random.Generator, size: int, lag: float) -> NDArray[np.float64]:
    """Noise of 1σ per pixel, shape (size, size), with a correlation of neighbouring pixels of `lag`, 0 to 0.7."""
    from scipy.ndimage import correlate1d

    noise = rng.normal(size=(size + 2, size + 2))
    if lag > 0:
        # (a, 1, a) along each axis has a lag-1 correlation of 2a / (1 + 2a²)
        side = (1.0 - math.sqrt(max(1.0 - 2.0 * lag**2, 0.0))) / (2.0 * lag)
        weights = np.array([side, 1.0, side]) / math.sqrt(1.0 + 2.0 * side**2)
        noise = correlate1d(correlate1d(noise, weights, axis=0), weights, axis=1)
    return np.asarray(noise[1:-1, 1:-1])


def make_blank(rng: np.random.Generator, size: int, fwhm: float, lag: float, *, galaxy: bool) -> Cutout:
    """Noise of 1σ per pixel, bare or around a smooth round galaxy.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws the noise.
    size : int
        Side [px].
    fwhm : float
        FWHM of the PSF that the cutout says it has [px].
    lag : float
        Correlation of neighbouring pixels, 0 to 0.7.
    galaxy : bool
        Whether there is one.
    """
    from astropy.io.fits import Header

    image = unit_noise(rng, size, lag)
    middle = 0.5 * (size - 1)
    if galaxy:
        radius = np.hypot(np.arange(size) - middle, (np.arange(size) - middle)[:, None])
        image = image + GALAXY_PEAK * np.exp(-radius / (0.06 * size)) * (1.0 - np.exp(-radius / 2.0) / 2.0)
    return Cutout(
        data=image.astype(np.float32),
        variance=np.ones((size, size), np.float32),
        mask=np.zeros((size, size), np.uint32),
        header=Header(),
        source=Source("<blank>", "0", f"{int(rng.integers(2**62)):064x}", "blank"),
        unit=Resolved("adu", "blank"),
        amplitude=Resolved("surface brightness", "blank"),
        pixel_scale=Resolved(0.2, "blank"),
        psf=Resolved(PSF(fwhm), "blank"),
        lens_center=Resolved((middle, middle), "blank") if galaxy else Resolved(None, "blank"),
    )


def flux_of_unit_snr(fwhm: float) -> float:
    """Flux of a Gaussian star whose optimal SNR is 1 on white noise of 1σ per pixel: sqrt(4π) σ."""
    return math.sqrt(4.0 * math.pi) * fwhm * SIGMA_PER_FWHM


def with_star(rng: np.random.Generator, blank: Cutout, fwhm: float) -> Cutout:
    """Add a star of `STAR_SNR` near the middle of a blank, at a random place between pixels."""
    ny, nx = blank.shape
    x, y = 0.5 * (nx - 1) + rng.uniform(-2.0, 2.0, 2)
    dx, dy = np.arange(nx) - x, np.arange(ny) - y
    star = np.exp(-0.5 * (dx**2 + dy[:, None] ** 2) / (fwhm * SIGMA_PER_FWHM) ** 2)
    flux = STAR_SNR * flux_of_unit_snr(fwhm)
    return blank.replace(data=(blank.data + flux * star / star.sum()).astype(np.float32))
