"""Forced photometry: the flux of a PSF at given positions, neighbours fitted together, a constant under each.

For each position a template t = P - mean(P) over a circle of 1.5 FWHM measures the flux above a local constant;
the fluxes of all positions together solve Σ_j (t_i · P_j) F_j = t_i · image, so that near neighbours do not count
twice. The errors follow from the noise map and the autocorrelation of the noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lensproc.cutout import PSF
from lensproc.nn.psf import gaussian_psf
from lensproc.qc.noise import Noise

Array = NDArray[np.float64]

RADIUS = 1.5
"""Radius of a fit [FWHM]."""


class PointSpread:
    """A PSF that can be put anywhere between pixels.

    Parameters
    ----------
    psf : PSF
        In pixels of the image on which it is put.

    Notes
    -----
    A cubic spline of the PSF image, or of a Gaussian where only a width is known, 0 outside its frame.
    """

    def __init__(self, psf: PSF) -> None:
        from scipy.ndimage import spline_filter

        image = gaussian_psf(psf.fwhm) if psf.image is None else psf.image
        self.fwhm = psf.fwhm
        self.half = image.shape[0] // 2
        self._coefficients = spline_filter(np.pad(image.astype(np.float64), 2), order=3)

    def at(self, dy: Array, dx: Array) -> Array:
        """Value of the PSF at offsets from its centre [px], shape of `dy`."""
        from scipy.ndimage import map_coordinates

        middle = self.half + 2
        points = np.stack([(dy + middle).ravel(), (dx + middle).ravel()])
        values = map_coordinates(self._coefficients, points, order=3, prefilter=False)
        return np.asarray(values.reshape(dy.shape))


@dataclass(frozen=True)
class Fluxes:
    """Forced fluxes at n positions.

    Parameters
    ----------
    flux : ndarray, shape (n,) or (n, k) for k images
        Flux in the unit of the image; NaN where no good pixel is near.
    error : ndarray, shape (n,)
        1σ photon error that the noise of the input allows.
    """

    flux: Array
    error: Array


def whole_template(spread: PointSpread, radius: float) -> Array:
    """PSF less its mean over a circle, 0 outside: what measures the flux of a source at a pixel's centre."""
    steps = np.arange(-math.ceil(radius), math.ceil(radius) + 1.0)
    dy, dx = np.meshgrid(steps, steps, indexing="ij")
    inside = dy**2 + dx**2 <= radius**2
    profile = spread.at(dy, dx)
    return np.where(inside, profile - profile[inside].mean(), 0.0)


def flux_error(spread: PointSpread, noise: Noise) -> float:
    """1σ error of the flux of a lone point source on the sky, in units of the noise level × pixel."""
    template = whole_template(spread, fit_radius(spread.fwhm))
    return noise.response(template) / float((template**2).sum())


def fit_radius(fwhm: float) -> float:
    """Radius of the circle of a forced fit [px]."""
    return max(RADIUS * fwhm, 2.0)


class ForcedFit:
    """Templates at fixed positions, to be used on several images of one grid.

    Parameters
    ----------
    spread : PointSpread
        PSF of the images.
    x, y : ndarray, shape (n,)
        Zero-based positions [px].
    noise : Noise
        Of the image; bad pixels (infinite σ) are left out.
    """

    def __init__(self, spread: PointSpread, x: Array, y: Array, noise: Noise) -> None:
        from scipy.sparse import csr_array

        ny, nx = noise.sigma.shape
        self.spread, self.x, self.y, self.noise = spread, x, y, noise
        self.radius = fit_radius(spread.fwhm)
        reach = math.ceil(2.0 * self.radius)
        steps = np.arange(-reach, reach + 1)
        self.rows = np.rint(y).astype(np.intp)[:, None, None] + steps[:, None]
        self.columns = np.rint(x).astype(np.intp)[:, None, None] + steps[None, :]
        self.dy, self.dx = np.broadcast_arrays(self.rows - y[:, None, None], self.columns - x[:, None, None])
        inside = (self.rows >= 0) & (self.rows < ny) & (self.columns >= 0) & (self.columns < nx)
        self.index = np.clip(self.rows, 0, ny - 1) * nx + np.clip(self.columns, 0, nx - 1)
        sigma = noise.sigma.ravel()[self.index]
        self.used = inside & np.isfinite(sigma) & (self.dy**2 + self.dx**2 <= self.radius**2)
        self.profile = spread.at(self.dy, self.dx)
        count = np.maximum(self.used.sum((1, 2)), 1)
        mean = (self.profile * self.used).sum((1, 2)) / count
        self.template = np.where(self.used, self.profile - mean[:, None, None], 0.0)
        n, size = x.size, ny * nx
        pointer = np.arange(n + 1) * steps.size**2
        flat = self.index.reshape(n, -1).ravel()
        self._templates = csr_array((self.template.ravel(), flat, pointer), shape=(n, size))
        model = np.where(inside, self.profile, 0.0)
        models = csr_array((model.ravel(), flat, pointer), shape=(n, size))
        self._normal = (self._templates @ models.T).toarray()
        whole = whole_template(spread, self.radius)
        energy = float((whole**2).sum())
        self._correlation = noise.variance_of(whole) / energy
        self.measurable = np.diag(self._normal) > 0.5 * energy
        self._inverse = self._inverted()
        self.error = self.error_of(noise.sigma)

    def _inverted(self) -> Array:
        """Inverse of the normal equations; sources of which half the circle is missing are left out."""
        normal = self._normal.copy()
        normal[~self.measurable, :] = 0.0
        normal[:, ~self.measurable] = 0.0
        normal[~self.measurable, ~self.measurable] = 1.0
        diagonal = np.diag(normal)
        return np.asarray(np.linalg.inv(normal + np.diag(1e-6 * diagonal))) if normal.size else normal

    def error_of(self, sigma: Array) -> Array:
        """1σ error of the fluxes for another 1σ per pixel, shape (ny, nx), correlated as the noise is."""
        weight = self.template * np.where(self.used, sigma.ravel()[self.index], 0.0)
        variance = (weight**2).sum((1, 2)) * self._correlation
        error = np.sqrt((self._inverse**2 * variance).sum(1))
        error[~self.measurable] = np.inf
        return np.asarray(error)

    def fluxes(self, image: Array) -> Fluxes:
        """Fluxes on an image of shape (ny, nx) without NaN."""
        flux = self._inverse @ (self._templates @ image.ravel())
        flux[~self.measurable] = np.nan
        return Fluxes(flux, self.error)

    def offsets(self, difference: Array, flux: Array) -> tuple[Array, Array, Array]:
        """Shift of each source that a small difference of two images means.

        Parameters
        ----------
        difference : ndarray, shape (ny, nx)
            Second image less the first, without NaN.
        flux : ndarray, shape (n,)
            Flux of the sources.

        Returns
        -------
        dx, dy, error : ndarray, shape (n,)
            Shift of the second image against the first and its 1σ photon error per axis [px]; NaN where no flux.

        Notes
        -----
        First order: difference = change of flux × P - flux × (dx ∂P/∂x + dy ∂P/∂y) + constant.
        """
        step = 0.1
        along_x = (self.spread.at(self.dy, self.dx + step) - self.spread.at(self.dy, self.dx - step)) / 0.2
        along_y = (self.spread.at(self.dy + step, self.dx) - self.spread.at(self.dy - step, self.dx)) / 0.2
        columns = np.stack([self.profile, along_x, along_y, np.ones_like(self.profile)], axis=1)
        columns = columns * self.used[:, None]
        scale = np.sqrt(np.maximum((columns**2).sum((2, 3)), 1e-300))
        design = columns / scale[:, :, None, None]
        normal = np.einsum("nayx,nbyx->nab", design, design)
        inverse = np.linalg.pinv(normal, rcond=1e-6, hermitian=True)
        right = np.einsum("nayx,nyx->na", design, difference.ravel()[self.index])
        sigma = np.where(self.used, self.noise.sigma.ravel()[self.index], 0.0)
        spread = np.einsum("nayx,nyx,nbyx->nab", design, sigma**2, design)
        covariance = inverse @ spread @ inverse
        with np.errstate(divide="ignore", invalid="ignore"):
            shift = -np.einsum("nab,nb->na", inverse, right)[:, 1:3] / scale[:, 1:3] / flux[:, None]
            variance = np.diagonal(covariance, axis1=1, axis2=2)[:, 1:3] / scale[:, 1:3] ** 2
            error = np.sqrt(variance.mean(1) * self._correlation) / np.abs(flux)
        lost = ~self.measurable | ~np.isfinite(error)
        shift[lost], error[lost] = np.nan, np.nan
        return shift[:, 0], shift[:, 1], error
