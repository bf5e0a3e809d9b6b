"""The PSF of an image: an option, a PSF extension, a header card, field stars, or what the survey usually has."""

from __future__ import annotations

import math
import os
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lensproc.cutout import PSF, UNKNOWN, Resolved
from lensproc.errors import InputError, UsageError
from lensproc.fits.headers import number

if TYPE_CHECKING:
    from astropy.io.fits import Header

_WIDTH = re.compile(r"((?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*(arcsec|\"|″|px|pix|pixels?)?", re.IGNORECASE)
WIDTH_CARDS = ("PSF_FWHM", "PSFFWHM", "FWHM", "SEEING", "PSFSIZE", "SEEING1")
"""Cards that hold a full width at half maximum."""


def from_option(option: str, scale: float | None, file: str) -> Resolved[PSF]:
    """Read ``--psf``: a width in arcsec or pixels, or a FITS file with an image of the PSF.

    Raises
    ------
    UsageError
        For a width that is not positive, and a file that cannot be used.
    InputError
        For a width in arcsec where the pixel scale is not known.
    """
    match = _WIDTH.fullmatch(option.strip())
    if match is None:
        return Resolved(_from_file(option), f"option ({os.path.basename(option)})")
    width = float(match[1])
    if not 0 < width < math.inf:
        raise UsageError(f"--psf {option}: a full width at half maximum is positive and finite")
    if (match[2] or "").lower().startswith("p"):
        return Resolved(PSF(width), "option")
    if scale is None:
        raise InputError(
            f"--psf {option} is in arcsec and the pixel scale is not known",
            file=file,
            remedy=f"give --pixel-scale, or the width in pixels as --psf {option.strip()}px",
        )
    return Resolved(PSF(width / scale), "option")


@lru_cache(maxsize=8)
def _from_file(path: str) -> PSF:
    from lensproc.fits.arrays import physical
    from lensproc.fits.dialects.planes import images, named
    from lensproc.fits.opening import open_fits

    name = os.path.basename(path)
    try:
        opened = open_fits(path)
    except InputError as error:
        remedy = "--psf takes a FWHM in arcsec (0.6), in pixels (3.1px), or a FITS image"
        raise UsageError(f"--psf {name}: {error.what}", remedy=remedy) from None
    found = named(opened.headers, "PSF") or images(opened.headers)
    if not found:
        raise UsageError(f"--psf {name}: has no image")
    hdu = opened.hdus[found[0]]
    image = centred(physical(hdu.data, hdu.header))
    if image is None:
        raise UsageError(f"--psf {name}: is no image of a PSF (2-D, with a positive sum)")
    return PSF(_width(image), image)


def _width(image: NDArray[np.float32]) -> float:
    from lensproc.nn.psf import fwhm_of

    return fwhm_of(image)


def centred(values: NDArray[Any]) -> NDArray[np.float32] | None:
    """Return a PSF image on an odd square grid, its middle on the middle pixel, summing to 1.

    Parameters
    ----------
    values : ndarray, shape (ny, nx)
        A PSF about the middle of its grid; for an even side that is the edge between two pixels, and the image is
        moved by half a pixel (cubic spline).

    Returns
    -------
    ndarray, shape (k, k), float32, or None
        None where it is no PSF.
    """
    image = np.squeeze(np.nan_to_num(np.asarray(values, np.float64), posinf=0.0, neginf=0.0))
    if image.ndim != 2 or min(image.shape) < 3 or not image.sum() > 0:
        return None
    shifts = [0.5 if side % 2 == 0 else 0.0 for side in image.shape]
    if any(shifts):
        from scipy.ndimage import shift

        image = shift(image, shifts, order=3, mode="constant")
        image = image[tuple(slice(1 if half else 0, None) for half in shifts)]
    side = min(image.shape)
    top, left = ((n - side) // 2 for n in image.shape)
    image = image[top : top + side, left : left + side]
    total = image.sum()
    return np.ascontiguousarray(image / total, np.float32) if total > 0 else None


def from_extension(values: NDArray[Any], header: Header, name: str, scale: float | None) -> Resolved[PSF]:
    """Take the PSF image of an extension, on the pixels of the science image.

    A card PIXSCALE that differs from the image's says that the PSF lies on other pixels; then only its width is
    taken.
    """
    image = centred(values)
    if image is None:
        return UNKNOWN
    own = number(header, "PIXSCALE")
    card = width_card(header, scale)
    if own is not None and scale is not None and abs(own / scale - 1.0) > 0.01:
        width = card.value.fwhm if card.value else _width(image) * own / scale
        return Resolved(PSF(width), f"extension {name} (width only: it has pixels of {own:g} arcsec)")
    return Resolved(PSF(card.value.fwhm if card.value else _width(image), image), f"extension {name}")


def width_card(header: Header, scale: float | None) -> Resolved[PSF]:
    """Take the width that a card gives: in pixels where its comment says so, else in arcsec."""
    for key in WIDTH_CARDS:
        width = number(header, key)
        if width is None or width < 0:
            continue
        comment = str(header.comments[key]).lower()
        if width == 0 and key == "PSF_FWHM" and "pix" in comment:
            # an output of a full deconvolution: its stars can be measured, the other cards are of its input
            return UNKNOWN
        if width == 0:
            continue
        if "pix" in comment:
            return Resolved(PSF(width), f"header {key}")
        if scale is not None:
            return Resolved(PSF(width / scale), f"header {key}")
    return UNKNOWN


def typical(fwhm: float | None, scale: float | None, dialect: str) -> Resolved[PSF]:
    """Take what the survey usually has [arcsec], and say that it is no more than that."""
    if fwhm is None or scale is None:
        return UNKNOWN
    return Resolved(PSF(fwhm / scale), f"dialect {dialect} (typical {fwhm:g} arcsec, not measured)")
