"""Point-spread functions of known analytic form, so that point sources fall exactly where they should."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lensproc.errors import UsageError


@dataclass(frozen=True)
class PSFModel:
    """A circular PSF.

    Parameters
    ----------
    profile : str
        ``gaussian`` or ``moffat``.
    fwhm : float
        Full width at half maximum [arcsec].
    beta : float
        Exponent of the Moffat profile (Moffat 1969, A&A 3, 455); Trujillo et al. 2001 (MNRAS 328, 977) find
        2.5 to 4.8 for seeing.
    """

    profile: Literal["gaussian", "moffat"]
    fwhm: float
    beta: float = 3.0

    def __post_init__(self) -> None:
        if self.profile not in ("gaussian", "moffat"):
            raise UsageError(f"PSF profile {self.profile!r} is not gaussian or moffat")
        if self.fwhm <= 0:
            raise UsageError(f"the FWHM of a PSF must be positive, got {self.fwhm:g}")

    def surface_brightness(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Light per arcsec² of a source of flux 1 at the origin; `x` and `y` [arcsec]."""
        return self._at_radius_squared(x * x + y * y)

    def separable(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Evaluate it on the grid of columns `x` (nx,) and rows `y` (ny,), shape (ny, nx)."""
        if self.profile == "gaussian":
            sigma = self.fwhm / math.sqrt(8.0 * math.log(2.0))
            column = np.exp(-0.5 * (y / sigma) ** 2) / (math.sqrt(2.0 * math.pi) * sigma)
            row = np.exp(-0.5 * (x / sigma) ** 2) / (math.sqrt(2.0 * math.pi) * sigma)
            return np.asarray(np.outer(column, row), np.float64)
        return self._at_radius_squared(x[None, :] ** 2 + y[:, None] ** 2)

    def _at_radius_squared(self, r2: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.profile == "gaussian":
            variance = self.fwhm**2 / (8.0 * math.log(2.0))
            return np.asarray(np.exp(-0.5 * r2 / variance) / (2.0 * math.pi * variance))
        alpha2 = self.fwhm**2 / (4.0 * (2.0 ** (1.0 / self.beta) - 1.0))
        return np.asarray((self.beta - 1.0) / (math.pi * alpha2) * (1.0 + r2 / alpha2) ** -self.beta)

    def kernel(self, pixel_scale: float, oversampling: int = 1) -> NDArray[np.float64]:
        """Image of the PSF centred on the middle pixel, summing to 1.

        Parameters
        ----------
        pixel_scale : float
            Side of a pixel [arcsec].
        oversampling : int
            Points per pixel side over which the profile is averaged; 1 samples it at the centre.

        Returns
        -------
        ndarray, shape (k, k), k odd
            Out to 4 FWHM (Moffat) or 2.1 FWHM (Gaussian, 5σ) to each side.
        """
        reach = 4.0 if self.profile == "moffat" else 2.13
        half = max(1, math.ceil(reach * self.fwhm / pixel_scale))
        count = (2 * half + 1) * oversampling
        axis = ((np.arange(count) + 0.5) / oversampling - (half + 0.5)) * pixel_scale
        image = self.separable(axis, axis)
        side = 2 * half + 1
        image = image.reshape(side, oversampling, side, oversampling).mean(axis=(1, 3))
        return np.asarray(image / image.sum(), np.float64)

    def narrowed(self, factor: float) -> PSFModel:
        """Return the same profile with the FWHM divided by `factor`."""
        return PSFModel(self.profile, self.fwhm / factor, self.beta)
