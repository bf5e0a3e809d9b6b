"""Scenes with a known truth at any sampling and PSF, for calibrating the errors of an enhancer.

Everything in them is a round Gaussian, arcs too (rows of them), so that light seen with any PSF is exact:
widths add in quadrature.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lensproc.cutout import PSF, Cutout, Resolved, Source
from lensproc.nn.psf import SIGMA_PER_FWHM, gaussian_psf
from lensproc.qc.blanks import flux_of_unit_snr, unit_noise

Array = NDArray[np.float64]

SNR_RANGE = (5.0, 100.0)
"""Of the stars, uniform in the logarithm, as on white noise."""

FWHM_RANGE = (2.0, 4.5)
"""Of the PSF [px], uniform in the logarithm."""

LARGEST_LAG = 0.5
"""Correlation of neighbouring pixels: from 0, uniform."""


@dataclass(frozen=True)
class CalibrationScene:
    """A lens, an arc and stars, and how they are seen.

    Parameters
    ----------
    cutout : Cutout
        Input with noise of 1σ per pixel, as surface brightness.
    fwhm : float
        Of its PSF [px].
    blobs : ndarray, shape (n, 4)
        x, y [px], flux [σ px²] and intrinsic Gaussian σ [px] of the parts; 0 for a star.
    """

    cutout: Cutout
    fwhm: float
    blobs: Array

    def truth(self, scale: int, fwhm: float) -> Array:
        """Noise-free surface brightness on a grid `scale` times finer, with a PSF of this width [input px]."""
        ny, nx = self.cutout.shape
        return render(self.blobs, (ny, nx), scale, fwhm)


def render(blobs: Array, shape: tuple[int, int], scale: int, fwhm: float) -> Array:
    """Surface brightness per input pixel of round Gaussians with a Gaussian PSF, shape (scale ny, scale nx)."""
    ny, nx = ((np.arange(side * scale) + 0.5) / scale - 0.5 for side in shape)
    x, y, flux, own = blobs.T[:, :, None]
    variance = own**2 + (fwhm * SIGMA_PER_FWHM) ** 2
    across = np.exp(-0.5 * (nx - x) ** 2 / variance)
    along = np.exp(-0.5 * (ny - y) ** 2 / variance) * flux / (2.0 * math.pi * variance)
    return np.asarray(along.T @ across)


def make_scene(rng: np.random.Generator, size: int) -> CalibrationScene:
    """Draw a scene.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws everything.
    size : int
        Side [px], at least 40.
    """
    fwhm = float(np.exp(rng.uniform(*np.log(FWHM_RANGE))))
    center = 0.5 * (size - 1) + rng.uniform(-1.0, 1.0, 2)
    radius = rng.uniform(0.2, 0.3) * size
    blobs = np.concatenate(
        [
            _lens(rng, center, fwhm),
            _arc(rng, center, radius, fwhm),
            _stars(rng, center, radius, fwhm, size),
        ]
    )
    light = render(blobs, (size, size), 1, fwhm)
    data = light + unit_noise(rng, size, rng.uniform(0.0, LARGEST_LAG))
    return CalibrationScene(_cutout(rng, data, fwhm, (float(center[0]), float(center[1]))), fwhm, blobs)


def _lens(rng: np.random.Generator, center: Array, fwhm: float) -> Array:
    """Three Gaussians that fall off like a galaxy, with a peak of 20 to 60 σ."""
    own = rng.uniform(0.04, 0.06) * 48.0 * np.array([0.4, 1.0, 2.2])
    seen = own**2 + (fwhm * SIGMA_PER_FWHM) ** 2
    peak = np.exp(rng.uniform(*np.log((20.0, 60.0)))) * np.array([0.5, 0.35, 0.15])
    return np.stack([np.full(3, center[0]), np.full(3, center[1]), 2.0 * math.pi * seen * peak, own], axis=1)


def _arc(rng: np.random.Generator, center: Array, radius: float, fwhm: float) -> Array:
    """Gaussians a third of a beam apart along half to all of a circle, with a peak of 2 to 10 σ."""
    own = rng.uniform(0.3, 0.8) * fwhm * SIGMA_PER_FWHM
    seen = math.sqrt(own**2 + (fwhm * SIGMA_PER_FWHM) ** 2)
    length = rng.uniform(math.pi, 2.0 * math.pi)
    number = math.ceil(3.0 * length * radius / fwhm)
    step = length * radius / number
    angle = rng.uniform(0.0, 2.0 * math.pi) + np.linspace(0.0, length, number, endpoint=False)
    peak = rng.uniform(2.0, 10.0) * (0.6 + 0.4 * np.cos(angle - rng.uniform(0.0, 2.0 * math.pi)))
    # a line of Gaussians has a ridge of sqrt(2π) σ / step times the peak of each
    flux = peak * math.sqrt(2.0 * math.pi) * seen * step
    places = center[0] + radius * np.cos(angle), center[1] + radius * np.sin(angle)
    return np.stack([*places, flux, np.full(number, own)], axis=1)


def _stars(rng: np.random.Generator, center: Array, radius: float, fwhm: float, size: int) -> Array:
    """Two stars at the arc's radius, one on either side, and one anywhere."""
    first = rng.uniform(0.0, 2.0 * math.pi)
    angles = np.array([first, first + math.pi + rng.uniform(-0.8, 0.8)])
    places = [(center[0] + radius * math.cos(a), center[1] + radius * math.sin(a)) for a in angles]
    places.append((rng.uniform(0.15, 0.85) * size, rng.uniform(0.15, 0.85) * size))
    snr = np.exp(rng.uniform(math.log(SNR_RANGE[0]), math.log(SNR_RANGE[1]), 3))
    return np.column_stack([np.array(places), snr * flux_of_unit_snr(fwhm), np.zeros(3)])


def _cutout(rng: np.random.Generator, data: Array, fwhm: float, center: tuple[float, float]) -> Cutout:
    from astropy.io.fits import Header

    return Cutout(
        data=data.astype(np.float32),
        variance=np.ones(data.shape, np.float32),
        mask=np.zeros(data.shape, np.uint32),
        header=Header(),
        source=Source("<scene>", "0", f"{int(rng.integers(2**62)):064x}", "scene"),
        unit=Resolved("adu", "scene"),
        amplitude=Resolved("surface brightness", "scene"),
        pixel_scale=Resolved(0.2, "scene"),
        psf=Resolved(PSF(fwhm, gaussian_psf(fwhm)), "scene"),
        lens_center=Resolved(center, "scene"),
    )
