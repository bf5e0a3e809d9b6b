"""DAOFIND (Stetson 1987, PASP 99, 191): peaks of an image that look like stars.

The same numbers as ``photutils.detection.DAOStarFinder`` gives for round kernels, to rounding errors. That class
was a third of the cost of the quick checks: it convolves in real space, looks for peaks everywhere, not only above
the threshold only, and builds astropy tables for each image. The tests hold the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lensproc.nn.psf import SIGMA_PER_FWHM

Array = NDArray[np.float64]


@dataclass(frozen=True)
class StarKernel:
    """What peaks are compared with.

    Parameters
    ----------
    sigma : float
        Of the Gaussian [px].
    star : ndarray, shape (k, k), k odd
        The Gaussian, 1 in the middle.
    used : ndarray of bool, shape (k, k)
        Pixels within the kernel's radius.
    kernel : ndarray, shape (k, k)
        Kernel of zero sum that gives the height of a star when correlated with an image.
    """

    sigma: float
    star: Array
    used: NDArray[np.bool_]
    kernel: Array


@dataclass(frozen=True)
class Peaks:
    """Peaks of an image.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        Zero-based positions [px].
    height : ndarray, shape (n,)
        Of the matched filter at the highest pixel.
    sharpness, roundness1, roundness2 : ndarray, shape (n,)
        As DAOFIND defines them.
    row, column : ndarray of int, shape (n,)
        The highest pixel of the matched filter.
    """

    x: Array
    y: Array
    height: Array
    sharpness: Array
    roundness1: Array
    roundness2: Array
    row: NDArray[np.intp]
    column: NDArray[np.intp]

    def chosen(self, keep: NDArray[np.bool_]) -> Peaks:
        """Return some of them."""
        return Peaks(*(getattr(self, name)[keep] for name in self.__dataclass_fields__))


@lru_cache(maxsize=32)
def star_kernel(fwhm: float, sigma_radius: float) -> StarKernel:
    """Kernel of a round Gaussian star.

    Parameters
    ----------
    fwhm : float
        Of the star [px].
    sigma_radius : float
        Radius of the kernel [σ]; at least 2 px are used.
    """
    sigma = fwhm * SIGMA_PER_FWHM
    half = int(max(2.0, sigma_radius * sigma))
    steps = np.arange(-half, half + 1)
    square = (steps**2 + steps[:, None] ** 2).astype(np.float64)
    star = np.exp(-0.5 * square / sigma**2)
    used = (square <= (sigma_radius * sigma) ** 2) | (square <= 4.0)
    inside = star * used
    count = np.count_nonzero(used)
    variance = (inside**2).sum() - inside.sum() ** 2 / count
    kernel = (inside - inside.sum() / count) / variance * used
    for plane in (star, used, kernel):
        plane.setflags(write=False)
    return StarKernel(sigma, star, used, kernel)


def filtered(image: Array, kernel: Array) -> Array:
    """Convolve an image with a kernel, 0 beyond the frame; shape of `image`."""
    from scipy.fft import irfft2, next_fast_len, rfft2

    (ny, nx), (ky, kx) = image.shape, kernel.shape
    size = next_fast_len(ny + ky - 1, real=True), next_fast_len(nx + kx - 1, real=True)
    full = irfft2(rfft2(image, s=size) * rfft2(kernel, s=size), s=size)
    top, left = (ky - 1) // 2, (kx - 1) // 2
    return np.asarray(full[top : top + ny, left : left + nx])


def find_peaks(
    response: Array, threshold: Array, separation: float, excluded: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the pixels that are above a threshold and highest within a circle.

    Parameters
    ----------
    response, threshold : ndarray, shape (ny, nx)
        Image, and the height above which a peak counts.
    separation : float
        Radius of the circle [px]; the eight neighbours are always compared.
    excluded : ndarray of bool, shape (ny, nx), optional
        Pixels that are no peaks.
    """
    above = response > threshold
    if excluded is not None:
        above &= ~excluded
    rows, columns = above.nonzero()
    offsets = _circle(separation)
    reach = max(max(abs(dy), abs(dx)) for dy, dx in offsets)
    # as photutils has it: beyond the frame the image is 0
    padded = np.pad(response, reach)
    for dy, dx in offsets:
        if rows.size == 0:
            break
        keep = response[rows, columns] >= padded[rows + (dy + reach), columns + (dx + reach)]
        rows, columns = rows[keep], columns[keep]
    return rows, columns


@lru_cache(maxsize=32)
def _circle(radius: float) -> tuple[tuple[int, int], ...]:
    """Offsets to the pixels that a peak is compared with, the nearest first.

    Notes
    -----
    The circle of ``photutils.detection.find_peaks``: for a radius that is no whole number its middle lies between
    pixels, half a pixel up and left.
    """
    at = np.arange(-radius, radius + 1)
    inside = at[:, None] ** 2 + at**2 <= radius**2
    half = at.size // 2
    rows, columns = inside.nonzero()
    offsets = {(int(y) - half, int(x) - half) for y, x in zip(rows, columns, strict=True)}
    shift = 0.5 if at.size % 2 == 0 else 0.0
    inner = max(int(np.floor(radius / np.sqrt(2.0) - shift)), 1)
    offsets |= {(y, x) for y in range(-inner, inner + 1) for x in range(-inner, inner + 1)}
    offsets -= {(0, 0)}
    return tuple(sorted(offsets, key=lambda offset: (offset[0] ** 2 + offset[1] ** 2, offset)))


def measure_peaks(
    image: Array, response: Array, rows: NDArray[np.intp], columns: NDArray[np.intp], kernel: StarKernel
) -> Peaks:
    """Position and shape of peaks; those that no Gaussian fits are left out.

    Parameters
    ----------
    image, response : ndarray, shape (ny, nx)
        Image free of background, and the same through `kernel`.
    rows, columns : ndarray of int, shape (n,)
        Of the peaks of `response`.
    kernel : StarKernel
        The filter.
    """
    middle = kernel.star.shape[0] // 2
    windows, smooth = (_windows(plane, rows, columns, middle) for plane in (image, response))
    peak, height = windows[:, middle, middle], smooth[:, middle, middle]
    with np.errstate(divide="ignore", invalid="ignore"):
        others = ((windows * kernel.used).sum((1, 2)) - peak) / (np.count_nonzero(kernel.used) - 1)
        sharpness = (peak - others) / height
        dx, high_x = _marginal_fit(_marginal(windows, middle, 1), kernel, middle, -1.0)
        dy, high_y = _marginal_fit(_marginal(windows, middle, 2), kernel, middle, 1.0)
        roundness2 = 2.0 * (high_x - high_y) / (high_x + high_y)
        roundness1 = _symmetry(smooth, middle)
    x, y = columns + dx, rows + dy
    found = Peaks(x, y, height, sharpness, roundness1, roundness2, rows, columns)
    finite = np.isfinite(x) & np.isfinite(y) & np.isfinite(sharpness)
    return found.chosen(finite & np.isfinite(roundness1) & np.isfinite(roundness2))


def _windows(plane: Array, rows: NDArray[np.intp], columns: NDArray[np.intp], half: int) -> Array:
    """Surroundings of pixels, 0 beyond the frame, shape (n, 2 half + 1, 2 half + 1)."""
    steps = np.arange(2 * half + 1)
    padded = np.pad(plane, half)
    return np.asarray(padded[(rows[:, None] + steps)[:, :, None], (columns[:, None] + steps)[:, None, :]])


def _triangle(middle: int) -> Array:
    return middle + 1.0 - np.abs(np.arange(-middle, middle + 1))


def _marginal(windows: Array, middle: int, axis: int) -> Array:
    """Sum over an axis of the windows, the middle weighing most, shape (n, k)."""
    return np.asarray(np.tensordot(windows, _triangle(middle), axes=([axis], [0])))


def _marginal_fit(marginal: Array, kernel: StarKernel, middle: int, sign: float) -> tuple[Array, Array]:
    """Shift and height of a Gaussian fitted to marginal sums, each of shape (n,); NaN where none fits.

    Parameters
    ----------
    marginal : ndarray, shape (n, k)
        Of the windows.
    kernel : StarKernel
        The filter.
    middle : int
        Index of the middle pixel.
    sign : float
        Of the centre of light, which takes the place of a fitted shift beyond the window (+1 along y, -1 along x,
        as photutils has it).
    """
    weight = _triangle(middle)
    offset = -np.arange(-middle, middle + 1.0)
    model = kernel.star @ weight
    slope = model * offset
    total, model_sum, slope_sum = weight.sum(), (model * weight).sum(), (slope * weight).sum()
    data_sum, data_model, data_slope = (
        marginal @ weight,
        marginal @ (model * weight),
        marginal @ (slope * weight),
    )
    numerator = data_model - data_sum * model_sum / total
    denominator = (model**2 * weight).sum() - model_sum**2 / total
    height = numerator / denominator
    cross = (model * slope * weight).sum() - (data_slope - slope_sum * data_sum)
    shift = cross / (height * (slope**2 * weight).sum() / kernel.sigma**2)
    reach = 0.5 * weight.size
    # a shift out of the window gives way to the centre of light, and that to none
    far = np.abs(shift) > reach
    light = np.where(data_sum == 0.0, 0.0, marginal @ (-sign * offset * weight) / data_sum)
    shift = np.where(far, light, shift)
    shift = np.where(np.abs(shift) > reach, 0.0, shift)
    fits = (numerator > 0.0) & (denominator > 0.0)
    return np.where(fits, shift, np.nan), np.where(fits, height, np.nan)


def _symmetry(smooth: Array, middle: int) -> Array:
    """Asymmetry of the filtered windows under a quarter turn (roundness1 of DAOFIND), shape (n,)."""
    sign = np.zeros(smooth.shape[1:])
    sign[: middle + 1, middle + 1 :] = -1.0
    sign[:middle, : middle + 1] = 1.0
    sign[middle:, :middle] = -1.0
    sign[middle + 1 :, middle:] = 1.0
    around = np.abs(smooth).sum((1, 2)) - np.abs(smooth[:, middle, middle])
    return np.asarray(2.0 * np.tensordot(smooth, sign, axes=2) / around)
