"""Small images of known content: a field with a ring and stars, single stars, and windows of one larger sky."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lensproc.cutout import PSF
from lensproc.nn.psf import SIGMA_PER_FWHM, gaussian_psf

FWHM = 3.0
"""Of every star [px]."""
STAR_FLUX = 5.0e4
"""Flux of the star whose flux and position are measured, in units of the 1σ noise of a pixel."""
Star = tuple[float, float, float]
"""x, y [px] and flux."""


@dataclass(frozen=True)
class Scene:
    """An image that a stage is tried on.

    Parameters
    ----------
    data : ndarray, shape (C, ny, nx), float32
        Pixel values.
    variance : ndarray of the same shape, or None
        Variance.
    bad : ndarray of bool, of the same shape
        Pixels without a measurement; their values are not used.
    psf : PSF or None
        Point-spread function.
    """

    data: NDArray[np.float32]
    variance: NDArray[np.float32] | None
    bad: NDArray[np.bool_]
    psf: PSF | None = None

    @classmethod
    def of(cls, data: NDArray[np.floating], variance: float | None = None) -> Scene:
        """Return a scene without bad pixels, with the same variance everywhere and a Gaussian PSF."""
        plane = None if variance is None else np.full(data.shape, variance, np.float32)
        psf = PSF(FWHM, gaussian_psf(FWHM))
        return cls(np.asarray(data, np.float32), plane, np.zeros(data.shape, bool), psf)

    def times(self, factor: float) -> Scene:
        """Return the same scene in another unit."""
        variance = None
        if self.variance is not None:
            variance = np.asarray(self.variance * factor * factor, np.float32)
        return replace(self, data=np.asarray(self.data * factor, np.float32), variance=variance)


def draw(shape: tuple[int, int], stars: Iterable[Star]) -> NDArray[np.float64]:
    """Gaussian stars of `FWHM`, value at the pixel centres; shape (ny, nx)."""
    sigma = FWHM * SIGMA_PER_FWHM
    y, x = np.arange(shape[0]), np.arange(shape[1])
    image = np.zeros(shape)
    for x0, y0, flux in stars:
        column = np.exp(-0.5 * ((y - y0) / sigma) ** 2)
        row = np.exp(-0.5 * ((x - x0) / sigma) ** 2)
        image += flux / (2.0 * math.pi * sigma**2) * np.outer(column, row)
    return image


def field(shape: tuple[int, int], bands: int = 1, seed: int = 0, variance: float | None = 1.0) -> Scene:
    """Ring of light with three stars on a sky of 5, noise of 1σ = 1.

    Parameters
    ----------
    shape : (int, int)
        Height and width.
    bands : int
        Number of channels; each is 20 % brighter than the one before.
    seed : int
        Of the noise and the stars' places.
    variance : float or None
        Variance that the scene states.
    """
    rng = np.random.default_rng(seed)
    ny, nx = shape
    y, x = np.mgrid[:ny, :nx]
    radius = np.hypot(x - (nx - 1) / 2, y - (ny - 1) / 2)
    ring = 30.0 * np.exp(-0.5 * ((radius - 0.25 * min(shape)) / 1.6) ** 2)
    stars = [(rng.uniform(0.1, 0.9) * nx, rng.uniform(0.1, 0.9) * ny, 400.0 * (i + 1)) for i in range(3)]
    sky = ring + draw(shape, stars)
    data = [5.0 + 1.2**band * sky + rng.normal(size=shape) for band in range(bands)]
    return Scene.of(np.stack(data), variance)


def single_star(shape: tuple[int, int], x: float, y: float, bands: int = 1, seed: int = 0) -> Scene:
    """One bright star at (x, y) [px] on a sky of 5, noise of 1σ = 1."""
    rng = np.random.default_rng(seed)
    star = draw(shape, [(x, y, STAR_FLUX)])
    data = [5.0 + 1.2**band * star + rng.normal(size=shape) for band in range(bands)]
    return Scene.of(np.stack(data), 1.0)


def window(scene: Scene, x: int, y: int, shape: tuple[int, int]) -> Scene:
    """Part of a scene whose first pixel is (x, y)."""
    cut = (slice(None), slice(y, y + shape[0]), slice(x, x + shape[1]))
    variance = None if scene.variance is None else scene.variance[cut]
    return replace(scene, data=scene.data[cut], variance=variance, bad=scene.bad[cut])
