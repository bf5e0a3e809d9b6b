"""What an astronomer has of a lens: pixels, noise, pixel scale and PSF."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lensproc.nn.prepare import sky_and_noise
from lensproc.simulate.image import Simulated
from lensproc.simulate.psf import PSFModel

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Observed:
    """What an astronomer has of a lens.

    Parameters
    ----------
    pixels, sigma : ndarray, shape (n, n)
        Image and its 1σ noise.
    use : ndarray of bool, shape (n, n)
        Pixels to be fitted.
    pixel_scale : float
        ["].
    psf : PSFModel
        The PSF.
    light : bool
        Whether the lens is seen to shine.
    """

    pixels: Array
    sigma: Array
    use: NDArray[np.bool_]
    pixel_scale: float
    psf: PSFModel
    light: bool

    @classmethod
    def of(cls, sim: Simulated) -> Observed:
        """Take image, noise and PSF of a simulated lens, and nothing of its truth."""
        frame, pixels = sim.exposure.frame, sim.exposure.data.astype(np.float64)
        variance = sim.exposure.variance
        noise = sky_and_noise(sim.exposure.data)[1]
        sigma = np.full(pixels.shape, noise) if variance is None else np.sqrt(variance.astype(np.float64))
        use = np.isfinite(pixels) & np.isfinite(sigma) & (sigma > 0)
        light = bool(sim.scene.foreground.models)
        return cls(
            np.where(use, pixels, 0.0),
            np.where(use, sigma, 1.0),
            use,
            frame.pixel_scale,
            sim.exposure.psf,
            light,
        )

    def binned(self, factor: int) -> Observed:
        """Sum `factor` × `factor` pixels; what is beyond a whole number of them is left out."""
        side = len(self.pixels) // factor

        def total(image: Array) -> Array:
            cut = image[: side * factor, : side * factor]
            return np.asarray(cut.reshape(side, factor, side, factor).sum((1, 3)))

        use = total(np.where(self.use, 0.0, 1.0)) == 0
        sigma = np.sqrt(total(self.sigma**2))
        return replace(
            self, pixels=total(self.pixels), sigma=sigma, use=use, pixel_scale=factor * self.pixel_scale
        )

    def within(self, radius: float, center: Array | None = None) -> Observed:
        """Keep a circle of `radius` about `center` (the middle) ["], in a frame with the same middle."""
        x, y = np.zeros(2) if center is None else center
        reach = np.abs(self.axis) <= radius + max(abs(x), abs(y))
        near = np.hypot(self.axis[reach] - x, self.axis[reach, None] - y) <= radius
        cut = np.ix_(reach, reach)
        return replace(self, pixels=self.pixels[cut], sigma=self.sigma[cut], use=self.use[cut] & near)

    @property
    def axis(self) -> Array:
        """Places of the pixels of a row or column, 0 in the middle ["]."""
        return np.asarray((np.arange(len(self.pixels)) - (len(self.pixels) - 1) / 2) * self.pixel_scale)
