"""Small FITS cutouts for tests: Gaussian stars on a noisy sky, with a TAN WCS, errors and mask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

PIXEL_SCALE = 0.2
FWHM = 3.0
NOISE = 1.0


def star_field(
    shape: tuple[int, int] = (48, 48),
    stars: tuple[tuple[float, float, float], ...] = ((16.3, 30.8, 2000.0), (33.1, 14.6, 900.0)),
    seed: int = 0,
    noise: float = NOISE,
    fwhm: float = FWHM,
) -> NDArray[np.float32]:
    """Gaussian stars (x, y, flux) on a sky of zero with white noise."""
    rows, columns = np.indices(shape)
    sigma = fwhm / 2.3548
    image = np.random.default_rng(seed).normal(0.0, noise, shape) if noise else np.zeros(shape)
    for x, y, flux in stars:
        profile = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))
        image += flux * profile / profile.sum()
    return image.astype(np.float32)


def sky_header(shape: tuple[int, int], **cards: Any) -> fits.Header:
    """A TAN header with rotated CD matrix, unit, zeropoint, seeing and band."""
    header = fits.Header()
    step = PIXEL_SCALE / 3600
    angle = np.deg2rad(20.0)
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN", "DEC--TAN"
    header["CRVAL1"], header["CRVAL2"] = 150.1, 2.2
    header["CRPIX1"], header["CRPIX2"] = (shape[1] + 1) / 2, (shape[0] + 1) / 2
    header["CD1_1"], header["CD1_2"] = -step * np.cos(angle), step * np.sin(angle)
    header["CD2_1"], header["CD2_2"] = step * np.sin(angle), step * np.cos(angle)
    header["BUNIT"], header["MAGZERO"], header["SEEING"] = "adu", 27.0, FWHM * PIXEL_SCALE
    header["FILTER"] = "i"
    header.update(cards)
    return header


def write_cutout(path: Path, seed: int = 0, shape: tuple[int, int] = (48, 48), **cards: Any) -> Path:
    """Write PRIMARY + SCI + ERR + DQ and return the path."""
    data = star_field(shape, seed=seed)
    hdus = fits.HDUList(
        [
            fits.PrimaryHDU(),
            fits.ImageHDU(data, sky_header(shape, **cards), name="SCI"),
            fits.ImageHDU(np.full(shape, NOISE, np.float32), name="ERR"),
            fits.ImageHDU(np.zeros(shape, np.int16), name="DQ"),
        ]
    )
    hdus.writeto(path, overwrite=True)
    return path
