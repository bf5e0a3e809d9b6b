"""PSF images: Gaussians of a given width, and several PSFs on one grid."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lensproc.cutout import PSF

SIGMA_PER_FWHM = 1.0 / math.sqrt(8.0 * math.log(2.0))


def gaussian_psf(fwhm: float, size: int | None = None) -> NDArray[np.float32]:
    """Gaussian PSF integrated over pixels.

    Parameters
    ----------
    fwhm : float
        Full width at half maximum [px]; 0 gives a single pixel.
    size : int, optional
        Side [px], odd; by default 4 FWHM to each side, at least 3.

    Returns
    -------
    ndarray, shape (size, size), float32
        Centred on the middle pixel, summing to 1.
    """
    from scipy.special import erf

    if size is None:
        size = 2 * max(1, math.ceil(2.0 * fwhm)) + 1
    if size % 2 == 0:
        raise ValueError(f"a PSF needs an odd side, got {size}")
    half = size // 2
    if fwhm <= 0:
        image = np.zeros((size, size), np.float32)
        image[half, half] = 1.0
        return image
    sigma = fwhm * SIGMA_PER_FWHM
    edges = (np.arange(size + 1) - half - 0.5) / (sigma * math.sqrt(2.0))
    profile = np.diff(erf(edges))
    image = np.outer(profile, profile)
    return np.asarray(image / image.sum(), np.float32)


def psf_image(psf: PSF, size: int | None = None) -> NDArray[np.float32]:
    """Image of `psf` on an odd grid of side `size`, cropped or zero-padded, summing to 1."""
    image = psf.image if psf.image is not None else gaussian_psf(psf.fwhm, size)
    if size is None or image.shape[0] == size:
        return image
    half, target = image.shape[0] // 2, size // 2
    if half > target:
        cut = image[half - target : half + target + 1, half - target : half + target + 1]
        return np.asarray(cut / cut.sum(), np.float32)
    return np.pad(image, target - half)


def stack_psfs(psfs: Sequence[PSF | None], size: int | None = None) -> NDArray[np.float32] | None:
    """PSF images of several cutouts on one grid, shape (N, size, size); None where one is unknown."""
    known = [psf for psf in psfs if psf is not None]
    if len(known) < len(psfs) or not known:
        return None
    images = [psf_image(psf, size) for psf in known]
    side = max(image.shape[0] for image in images)
    return np.stack([psf_image(PSF(psf.fwhm, image), side) for psf, image in zip(known, images, strict=True)])
