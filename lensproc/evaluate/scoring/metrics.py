"""Figures of merit on arrays: error, PSNR, SSIM, affine fit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

SSIM_SIGMA = 1.5
"""Width of the Gaussian window [px], as in Wang et al. 2004, IEEE Trans. Image Process. 13, 600."""

SSIM_REACH = 11
"""Side of that window [px]: smaller images have no SSIM."""


@dataclass(frozen=True)
class Agreement:
    """How well one image agrees with a reference over some pixels.

    Parameters
    ----------
    pixels : int
        How many.
    bias : float
        Mean of image - reference.
    mse : float
        Mean of its square.
    ssim : float
        Mean of the structural similarity; NaN where it cannot be measured.
    """

    pixels: int
    bias: float
    mse: float
    ssim: float


def psnr(mse: float, data_range: float) -> float:
    """Peak signal-to-noise ratio, 10 log10(range²/MSE) [dB]; infinite for no error, NaN where the MSE is NaN."""
    if math.isnan(mse):
        return math.nan
    return math.inf if mse == 0.0 else 10.0 * math.log10(data_range**2 / mse)


def ssim_map(image: Array, reference: Array, data_range: float) -> Array | None:
    """Structural similarity of every pixel.

    Parameters
    ----------
    image, reference : ndarray, shape (ny, nx)
        Without NaN.
    data_range : float
        What the constants scale with: the same for all images of a set, never taken from the images or their type.

    Returns
    -------
    ndarray, shape (ny, nx), or None
        None for images smaller than the window.

    Notes
    -----
    Wang et al. 2004 with a Gaussian window of σ = 1.5 px, by scikit-image.
    """
    from skimage.metrics import structural_similarity

    if min(image.shape) < SSIM_REACH:
        return None
    _, similarity = structural_similarity(
        reference,
        image,
        data_range=data_range,
        gaussian_weights=True,
        sigma=SSIM_SIGMA,
        use_sample_covariance=False,
        full=True,
    )
    return np.asarray(similarity)


def agreements(
    image: Array, reference: Array, regions: dict[str, Mask], data_range: float, *, with_ssim: bool = True
) -> dict[str, Agreement]:
    """Agreement of an image with a reference in several regions.

    Parameters
    ----------
    image, reference : ndarray, shape (ny, nx)
        Where either is not finite, the pixel is left out.
    regions : dict of str to ndarray of bool, shape (ny, nx)
        Pixels to be compared.
    data_range : float
        For the SSIM.
    with_ssim : bool
        The SSIM costs most of the time.
    """
    good = np.isfinite(image) & np.isfinite(reference)
    error = np.where(good, image - reference, 0.0)
    similarity = None
    if with_ssim:
        filled = np.where(good, reference, 0.0)
        similarity = ssim_map(filled + error, filled, data_range)
    result = {}
    for name, region in regions.items():
        use = region & good
        pixels = int(np.count_nonzero(use))
        if pixels == 0:
            result[name] = Agreement(0, math.nan, math.nan, math.nan)
            continue
        values = error[use]
        like = math.nan if similarity is None else float(similarity[use].mean())
        result[name] = Agreement(pixels, float(values.mean()), float((values**2).mean()), like)
    return result


def affine_fit(image: Array, reference: Array, use: Mask) -> tuple[float, float]:
    """Offset a and factor b for which a + b × image is nearest to the reference, by least squares.

    A constant image gets the factor 0.
    """
    x, y = image[use], reference[use]
    dx = x - x.mean()
    spread = float((dx**2).sum())
    factor = float((dx * (y - y.mean())).sum()) / spread if spread > 0.0 else 0.0
    return float(y.mean()) - factor * float(x.mean()), factor


def flux_ratio(image: Array, reference: Array, background: tuple[float, float], use: Mask) -> float:
    """Light of an image above its background over that of a reference above its own."""
    whole = float((reference[use] - background[1]).sum())
    return float((image[use] - background[0]).sum()) / whole if whole > 0.0 else math.nan
