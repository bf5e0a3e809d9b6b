"""Simulated cutouts on disk for the benchmarks: three HDUs with a TAN WCS, stars on a noisy sky."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits


def write_cutouts(folder: Path, count: int, side: int = 75) -> list[Path]:
    """Write `count` files of PRIMARY + SCI + ERR + DQ, float32, `side` pixels square."""
    folder.mkdir(parents=True, exist_ok=True)
    rows, columns = np.indices((side, side))
    paths = []
    for index in range(count):
        rng = np.random.default_rng(index)
        image = rng.normal(0.0, 1.0, (side, side))
        for _ in range(4):
            x, y = rng.uniform(8, side - 8, 2)
            image += rng.uniform(50, 400) * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 1.3**2))
        header = fits.Header()
        step = 0.2 / 3600
        header["CTYPE1"], header["CTYPE2"] = "RA---TAN", "DEC--TAN"
        header["CRVAL1"], header["CRVAL2"] = 150.0 + index * 1e-3, 2.0
        header["CRPIX1"] = header["CRPIX2"] = (side + 1) / 2
        header["CD1_1"], header["CD2_2"] = -step, step
        header["BUNIT"], header["MAGZERO"], header["SEEING"], header["FILTER"] = "adu", 27.0, 0.6, "i"
        path = folder / f"lens{index:06d}.fits"
        fits.HDUList(
            [
                fits.PrimaryHDU(),
                fits.ImageHDU(image.astype(np.float32), header, name="SCI"),
                fits.ImageHDU(np.ones((side, side), np.float32), name="ERR"),
                fits.ImageHDU(np.zeros((side, side), np.int16), name="DQ"),
            ]
        ).writeto(path, overwrite=True)
        paths.append(path)
    return paths
