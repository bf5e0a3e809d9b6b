"""From a scene to noise-free images at any scale."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lensproc.simulate.light import Light
from lensproc.simulate.mass import Deflector
from lensproc.simulate.points import Point
from lensproc.simulate.psf import PSFModel

Image = NDArray[np.float64]


@dataclass(frozen=True)
class Frame:
    """The pixel grid of an image, centred on the scene.

    Parameters
    ----------
    size : int
        Side [px].
    pixel_scale : float
        Side of a pixel [arcsec].
    """

    size: int
    pixel_scale: float

    def finer(self, factor: int) -> Frame:
        """Return the same field with `factor` pixels per pixel side; the edges coincide."""
        return Frame(self.size * factor, self.pixel_scale / factor)

    @property
    def axis(self) -> Image:
        """Positions of the pixel centres along one side [arcsec], shape (size,)."""
        return np.asarray((np.arange(self.size) - (self.size - 1) / 2.0) * self.pixel_scale, np.float64)

    def pixel(self, x: float, y: float) -> tuple[float, float]:
        """Zero-based pixel position of x, y [arcsec]."""
        middle = (self.size - 1) / 2.0
        return x / self.pixel_scale + middle, y / self.pixel_scale + middle

    @property
    def half_width(self) -> float:
        """Half the side [arcsec]."""
        return 0.5 * self.size * self.pixel_scale


@lru_cache(maxsize=16)
def grid(frame: Frame) -> tuple[Image, Image]:
    """X and y [arcsec] of all pixel centres, each of shape (size, size); read-only."""
    x, y = np.meshgrid(frame.axis, frame.axis)
    x.setflags(write=False)
    y.setflags(write=False)
    return x, y


def lensed_source(frame: Frame, deflector: Deflector | None, source: Light) -> Image:
    """Flux per pixel of the source as the lens shows it, without PSF."""
    x, y = grid(frame)
    if deflector is not None:
        x, y = deflector.ray_shooting(x, y)
    return source.surface_brightness(x, y) * frame.pixel_scale**2


def unlensed(frame: Frame, light: Light) -> Image:
    """Flux per pixel of light in the lens plane, without PSF."""
    x, y = grid(frame)
    return light.surface_brightness(x, y) * frame.pixel_scale**2


@lru_cache(maxsize=32)
def _kernel(psf: PSFModel, pixel_scale: float, oversampling: int) -> Image:
    return psf.kernel(pixel_scale, oversampling)


def convolved(image: Image, psf: PSFModel, pixel_scale: float) -> Image:
    """`image` blurred by `psf`; what lies outside the frame is dark."""
    if psf.profile == "gaussian":
        from scipy.ndimage import gaussian_filter

        sigma = psf.fwhm / math.sqrt(8.0 * math.log(2.0)) / pixel_scale
        return np.asarray(gaussian_filter(image, sigma, mode="constant", truncate=5.0))
    from scipy.signal import fftconvolve

    return np.asarray(fftconvolve(image, _kernel(psf, pixel_scale, 1), mode="same"))


def points_image(frame: Frame, points: tuple[Point, ...], psf: PSFModel) -> Image:
    """Flux per pixel of point sources of their `flux`, at their exact places; light beyond the frame is lost."""
    image = np.zeros((frame.size, frame.size))
    for point in points:
        image += point.flux * point_profile(frame, point.x, point.y, psf)
    return image


def point_profile(frame: Frame, x: float, y: float, psf: PSFModel) -> Image:
    """Share of a point's light in each pixel, by the PSF's value at the centre of the pixel."""
    axis = frame.axis
    return psf.separable(axis - x, axis - y) * frame.pixel_scale**2


def block_sum(image: Image, factor: int) -> Image:
    """Sum of `factor` × `factor` pixels."""
    if factor == 1:
        return image
    ny, nx = image.shape
    return np.asarray(image.reshape(ny // factor, factor, nx // factor, factor).sum(axis=(1, 3)))


def psf_on_pixels(psf: PSFModel, pixel_scale: float, supersampling: int) -> NDArray[np.float32]:
    """PSF as it is on the detector's pixels, shape (k, k), k odd, float32, summing to 1.

    With `supersampling` above 1 light is collected over pixels, so that the profile is averaged over them
    at as many points as the light was.
    """
    return np.asarray(_kernel(psf, pixel_scale, supersampling), np.float32)


def bicubic_half(image: Image) -> Image:
    """Half the size by cubic convolution with a = -0.75 at the pixel edges, without antialiasing.

    This is what bicubic interpolation to half size does in common image libraries (Keys 1981, IEEE TASSP 29,
    1153, with the weights of t = ½); borders repeat the last pixel.
    """
    a = -0.75
    outer = a * (1.5**3 - 5.0 * 1.5**2 + 8.0 * 1.5 - 4.0)
    inner = (a + 2.0) * 0.5**3 - (a + 3.0) * 0.5**2 + 1.0
    padded = np.pad(image, 1, mode="edge")
    rows = outer * (padded[0:-3:2] + padded[3::2]) + inner * (padded[1:-2:2] + padded[2:-1:2])
    half = outer * (rows[:, 0:-3:2] + rows[:, 3::2]) + inner * (rows[:, 1:-2:2] + rows[:, 2:-1:2])
    return np.asarray(half)
