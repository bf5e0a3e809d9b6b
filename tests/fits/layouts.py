"""Small files in the layouts of surveys, written as those surveys write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import Table
from numpy.typing import NDArray

SHAPE = (40, 44)
NOISE = 0.5
LENS = (21.6, 19.3)


def lens_image(shape: tuple[int, int] = SHAPE, seed: int = 0, peak: float = 60.0) -> NDArray[np.float32]:
    """A smooth round galaxy of 4 px half-width at `LENS` on a sky of zero with noise `NOISE`."""
    rows, columns = np.indices(shape)
    radius = np.hypot(columns - LENS[0], rows - LENS[1])
    noise = np.random.default_rng(seed).normal(0.0, NOISE, shape)
    return (peak * np.exp(-radius / 4.0) + noise).astype(np.float32)


def wcs_cards(form: str = "CD", scale: float = 0.2, **cards: Any) -> fits.Header:
    """Cards of a TAN projection rotated by 30 degrees, its matrix written as CD, PC, CD+PC, old PC or CROTA."""
    step, (cosine, sine) = scale / 3600, (np.cos(np.pi / 6), 0.5)
    header = fits.Header()
    for axis, kind, value, middle in ((1, "RA---TAN", 150.1, 22.5), (2, "DEC--TAN", 2.2, 20.5)):
        header[f"CTYPE{axis}"], header[f"CRVAL{axis}"], header[f"CRPIX{axis}"] = kind, value, middle
    matrix = {(1, 1): -cosine, (1, 2): sine, (2, 1): sine, (2, 2): cosine}
    if "CD" in form:
        for (i, j), value in matrix.items():
            header[f"CD{i}_{j}"] = value * step
    if form == "CD+PC":
        header["CDELT1"], header["CDELT2"] = 1.0, 1.0
    elif form in ("PC", "PC00"):
        header["CDELT1"], header["CDELT2"] = step, step
    if "PC" in form:
        for (i, j), value in matrix.items():
            key = f"PC00{i}00{j}" if form == "PC00" else f"PC{i}_{j}"
            header[key] = value * step if form == "CD+PC" else value
    if form == "CROTA":
        header["CDELT1"], header["CDELT2"], header["CROTA2"] = -step, step, 30.0
    header.update(cards)
    return header


def write(path: Path, *hdus: Any) -> Path:
    """Write HDUs; a first one that is no primary HDU gets an empty one before it."""
    first = [] if isinstance(hdus[0], fits.PrimaryHDU) else [fits.PrimaryHDU()]
    fits.HDUList([*first, *hdus]).writeto(path, overwrite=True)
    return path


def single(path: Path, data: NDArray[Any] | None = None, form: str = "CD", **cards: Any) -> Path:
    """One image in PRIMARY."""
    pixels = lens_image() if data is None else data
    return write(path, fits.PrimaryHDU(pixels, wcs_cards(form, **cards)))


def image(name: str, data: NDArray[Any], version: int = 1, **cards: Any) -> fits.ImageHDU:
    """An image extension with sky coordinates."""
    hdu = fits.ImageHDU(data, wcs_cards(**cards), name=name)
    if version != 1:
        hdu.ver = version
    return hdu


def psf_image(size: int = 15, fwhm: float = 3.0) -> NDArray[np.float32]:
    """A Gaussian in the middle of its grid."""
    rows, columns = np.indices((size, size)) - (size - 1) / 2
    return np.exp(-4 * np.log(2) * (rows**2 + columns**2) / fwhm**2).astype(np.float32)


def flagged(*places: tuple[int, int, int], kind: type = np.int32) -> np.ndarray:
    """A mask with the given (y, x, value)."""
    mask = np.zeros(SHAPE, kind)
    for y, x, value in places:
        mask[y, x] = value
    return mask


def own_output(path: Path) -> Path:
    from lensproc.enhanced import Activity
    from lensproc.fits.provenance import activity_rows

    primary = fits.PrimaryHDU()
    primary.header.update({"LPSCHEMA": 1, "LPVER": "0.1.0", "LPSCALE": 2.0, "MAGZERO": 1.0})
    quality = image("DQ", flagged((3, 3, 1), (4, 4, 2)))
    quality.header.update({"DQBIT00": "NO_DATA", "DQBIT01": "DETECTED", "DQBAD": 1})
    hdus = [
        image("SCI", lens_image(), BUNIT="adu", MAGZERO=27.0, FILTER="i"),
        image("ERR", np.full(SHAPE, 0.5, np.float32)),
        quality,
        image("UNCERT", np.full(SHAPE, 0.1, np.float32)),
    ]
    rows = activity_rows([Activity(0, "read", "core"), Activity(1, "lanczos", "enhance", elapsed=0.5)])
    table = fits.BinTableHDU(Table(dict(rows.columns)), name="LENSPROC")
    return write(path, primary, *hdus, table)
