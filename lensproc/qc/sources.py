"""Find point sources beside and on a lens: the recipe of ``docs/quality.md``."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lensproc.nn.psf import SIGMA_PER_FWHM
from lensproc.qc import thresholds as at
from lensproc.qc.daofind import filtered, find_peaks, measure_peaks, star_kernel
from lensproc.qc.light import ring_mean, subtract_light
from lensproc.qc.thresholds import RING

Array = NDArray[np.float64]

SMALLEST_FWHM = 2.0
"""Width of the finder's kernel for images whose PSF is narrower, as deconvolved ones are [px]."""

MOST_CANDIDATES = 1000
"""In a field with more, the brightest are taken."""


@dataclass(frozen=True)
class Candidates:
    """Point-like peaks of one image.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        Zero-based positions [px of the image searched].
    response : ndarray, shape (n,)
        Height of the matched filter at the peak, in the unit of the image.
    blobness : ndarray, shape (n,)
        Smaller over larger curvature of the peak at the scale of the PSF, 0 to 1.
    """

    x: Array
    y: Array
    response: Array
    blobness: Array

    def __len__(self) -> int:
        return self.x.size

    def to_input(self, scale: int) -> Candidates:
        """Return the same candidates with positions in input pixels (pixel edges aligned)."""
        return Candidates(
            (self.x + 0.5) / scale - 0.5, (self.y + 0.5) / scale - 0.5, self.response, self.blobness
        )


def no_candidates() -> Candidates:
    """Candidates of an image without any."""
    return Candidates(np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0))


def finder_fwhm(fwhm: float) -> float:
    """Width of the finder's kernel for an image whose PSF has this FWHM [px]."""
    return max(fwhm, SMALLEST_FWHM)


def finder_kernel(fwhm: float) -> Array:
    """Kernel of the finder: a Gaussian of zero sum that gives the height of a star when correlated with it."""
    return star_kernel(finder_fwhm(fwhm), at.SIGMA_RADIUS).kernel


@lru_cache(maxsize=32)
def recipe_kernel(fwhm: float) -> Array:
    """Kernel whose response to noise is that of the whole recipe: ring median, then the finder's filter.

    Notes
    -----
    The median of the ring counts as its mean; the noise of the recipe was measured to be 1 % above that, on white
    noise (0.739 against 0.733 at a FWHM of 3 px), and 15 % above that of the finder's filter alone.
    """
    from scipy.signal import convolve

    kernel, ring = finder_kernel(fwhm), ring_mean(RING[0] * finder_fwhm(fwhm), RING[1] * finder_fwhm(fwhm))
    recipe = np.asarray(np.pad(kernel, ring.shape[0] // 2) - convolve(kernel, ring, mode="full"))
    recipe.setflags(write=False)
    return recipe


def find_sources(
    image: Array,
    fwhm: float,
    threshold: Array,
    center: tuple[float, float] | None = None,
    scale: int = 1,
    excluded: NDArray[np.bool_] | None = None,
) -> Candidates:
    """Find point-like peaks.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
        Image without NaN.
    fwhm : float
        Of its PSF [px of the image].
    threshold : ndarray, shape (ny, nx)
        Smallest height of a peak in the matched filter, in the unit of the image.
    center : (float, float) or None
        Zero-based (x, y) of the lens [px of the image].
    scale : int
        Pixels of the image per input pixel: the border is counted in input pixels.
    excluded : ndarray of bool, shape (ny, nx), optional
        Pixels on which no source is looked for.
    """
    ny, nx = image.shape
    residual = subtract_light(image, finder_fwhm(fwhm), center)
    return pick_peaks(residual, fwhm, threshold, border_of((ny // scale, nx // scale)) * scale, excluded)


def pick_peaks(
    residual: Array,
    fwhm: float,
    threshold: Array,
    border: int,
    excluded: NDArray[np.bool_] | None = None,
    response: Array | None = None,
) -> Candidates:
    """Peaks of an image that is free of light; see `find_sources` for the parameters.

    `response` is the same image through `finder_kernel`, where it is at hand.
    """
    ny, nx = residual.shape
    width = finder_fwhm(fwhm)
    kernel = star_kernel(width, at.SIGMA_RADIUS)
    if response is None:
        response = filtered(residual, kernel.kernel)
    rows, columns = find_peaks(response, threshold, at.SEPARATION * width, excluded)
    if rows.size == 0:
        return no_candidates()
    found = measure_peaks(residual, response, rows, columns, kernel)
    low, high = at.ROUNDNESS
    good = found.sharpness >= at.SHARPNESS[0]
    for roundness in (found.roundness1, found.roundness2):
        good &= (roundness >= low) & (roundness <= high)
    good &= (found.x >= border) & (found.x <= nx - 1 - border)
    good &= (found.y >= border) & (found.y <= ny - 1 - border)
    # the upper limit of the sharpness is left to `_are_spikes`: one hot pixel must not cost a star
    sharp = good & (found.sharpness > at.SHARPNESS[1])
    good[sharp] = ~_are_spikes(residual, found.x[sharp], found.y[sharp], threshold, width)
    found = found.chosen(good)
    # peak over the threshold at the pixel of the peak, times the threshold at the fitted place
    here = threshold[
        np.clip(np.rint(found.y).astype(np.intp), 0, ny - 1),
        np.clip(np.rint(found.x).astype(np.intp), 0, nx - 1),
    ]
    height = here * (found.height / threshold[found.row, found.column])
    if height.size > MOST_CANDIDATES:
        bright = height >= np.sort(height)[-MOST_CANDIDATES]
        found, height = found.chosen(bright), height[bright]
    return Candidates(found.x, found.y, height, blobness(residual, found.x, found.y, width))


def _are_spikes(residual: Array, x: Array, y: Array, threshold: Array, fwhm: float) -> NDArray[np.bool_]:
    """Tell which peaks have no star under their highest pixel.

    Notes
    -----
    A cosmic ray or a hot pixel is sharper than the PSF allows; on blank sky nothing is left without its pixel. A
    star that was hit keeps the light of its other pixels: a Gaussian and a constant, fitted to the finder's
    footprint less the highest pixel, still stand above the threshold.
    """
    kernel = star_kernel(fwhm, at.SIGMA_RADIUS)
    star, used = kernel.star, kernel.used
    half_y, half_x = star.shape[0] // 2, star.shape[1] // 2
    padded = np.pad(residual, ((half_y, half_y), (half_x, half_x)), mode="edge")
    spikes = np.ones(x.size, bool)
    for k, (column, row) in enumerate(zip(np.rint(x).astype(int), np.rint(y).astype(int), strict=True)):
        row, column = min(max(row, 0), residual.shape[0] - 1), min(max(column, 0), residual.shape[1] - 1)
        window = padded[row : row + star.shape[0], column : column + star.shape[1]]
        others = used.copy()
        others[np.unravel_index(int(np.where(used, window, -np.inf).argmax()), window.shape)] = False
        profile = star[others] - star[others].mean()
        height = float((profile * window[others]).sum() / (profile**2).sum())
        spikes[k] = height < threshold[row, column]
    return spikes


def border_of(shape: tuple[int, int]) -> int:
    """Width of the border in which no source is looked for [input px]."""
    return min(at.BORDER, min(shape) // 8)


def blobness(image: Array, x: Array, y: Array, fwhm: float) -> Array:
    """Smaller over larger curvature at positions, from the Hessian at the scale of the PSF.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
        Image without NaN.
    x, y : ndarray, shape (n,)
        Zero-based positions, taken to the nearest pixel.
    fwhm : float
        Scale of the second derivatives [px].

    Returns
    -------
    ndarray, shape (n,)
        1 for a round peak, near 0 on a ridge, 0 where the image does not bend down both ways.

    Notes
    -----
    The Hessian of the image smoothed by a Gaussian of the PSF's width, as ``skimage.feature.hessian_matrix``,
    evaluated at the positions only.
    """
    if x.size == 0:
        return np.zeros(0)
    sigma = fwhm * SIGMA_PER_FWHM
    half = math.ceil(3.0 * sigma)
    t = np.arange(-half, half + 1)
    flat = np.exp(-0.5 * (t / sigma) ** 2)
    flat /= flat.sum()
    slope, bend = -t / sigma**2 * flat, (t**2 / sigma**4 - 1.0 / sigma**2) * flat
    padded = np.pad(image, half, mode="edge")
    rows = np.clip(np.rint(y).astype(np.intp), 0, image.shape[0] - 1)[:, None, None] + (t + half)[:, None]
    columns = np.clip(np.rint(x).astype(np.intp), 0, image.shape[1] - 1)[:, None, None] + (t + half)
    windows = padded[rows, columns]
    xx = np.einsum("nyx,y,x->n", windows, flat, bend)
    yy = np.einsum("nyx,y,x->n", windows, bend, flat)
    xy = np.einsum("nyx,y,x->n", windows, slope, slope)
    middle, spread = 0.5 * (xx + yy), np.hypot(0.5 * (xx - yy), xy)
    strong, weak = middle - spread, middle + spread
    ratio = np.divide(weak, strong, out=np.zeros_like(weak), where=strong < 0)
    return np.clip(np.where(weak < 0, ratio, 0.0), 0.0, 1.0)


def label_of(value: float) -> str:
    """POINT, KNOT or ARC."""
    if value >= at.POINT_BLOBNESS:
        return "POINT"
    return "KNOT" if value >= at.KNOT_BLOBNESS else "ARC"
