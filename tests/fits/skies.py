"""Headers with every kind of WCS, and the sky that they mean."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import strategies as st
from numpy.typing import NDArray

from lensproc.cutout import DistortionTable
from lensproc.fits.resample_header import resample_header, resample_tables

MICROARCSEC = np.pi / 180 / 3600e6
SHAPE = (80, 100)
SCALES = st.sampled_from([0.5, 1.0, 1.5, 2.0, 3.0, 4.0, (2.0, 3.0)])


@dataclass(frozen=True)
class Sky:
    """A header and the look-up tables that it refers to."""

    header: fits.Header
    tables: tuple[DistortionTable, ...] = ()

    def wcs(self, version: str = " ") -> WCS:
        """Read the header as astropy does, with the tables where it points to them."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self._read(version)

    def complaints(self) -> set[str]:
        """What astropy warns of when it reads the primary WCS."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self._read(" ")
        # A warning may quote the value of a card, which is another one on another grid.
        return {re.sub(r"=\s*[-+.\dE]+", "=", str(w.message)) for w in caught}

    def _read(self, version: str) -> WCS:
        hdus = fits.HDUList([fits.PrimaryHDU()])
        for table in self.tables:
            hdus.append(fits.ImageHDU(table.data, header=table.header, name=table.name, ver=table.extver))
        return WCS(self.header.copy(), fobj=hdus, key=version, naxis=2)


def resampled(sky: Sky, scale: float | tuple[float, float], shape: tuple[int, int]) -> Sky:
    """Put a sky's header and tables on another grid."""
    header = resample_header(sky.header, scale, shape).header
    return Sky(header, resample_tables(sky.tables, scale, header=sky.header))


def pixels(shape: tuple[int, int], count: int = 25) -> NDArray[np.float64]:
    """FITS coordinates, shape (n, 2), of points all over an image: its corners, and within its pixels."""
    rng = np.random.default_rng(count)
    ny, nx = shape
    inside = 0.5 + rng.random((count, 2)) * (nx, ny)
    corners = [(0.5, 0.5), (nx + 0.5, 0.5), (0.5, ny + 0.5), (nx + 0.5, ny + 0.5)]
    return np.concatenate([corners, inside])


def on_output(points: NDArray[np.float64], scale: Any) -> NDArray[np.float64]:
    """Give the same points in FITS pixels of the output grid."""
    s = np.array([scale[0], scale[1]] if isinstance(scale, tuple) else [scale, scale])
    return s * (points - 0.5) + 0.5


def separation(wcs_a: WCS, points_a: NDArray[Any], wcs_b: WCS, points_b: NDArray[Any]) -> float:
    """Largest distance on the sky between points of two WCS [microarcsec]; points off the map must be so in both.

    The chord between unit vectors keeps full precision at any separation and at the poles.
    """
    a, b = (_unit_vectors(w.all_pix2world(p, 1)) for w, p in ((wcs_a, points_a), (wcs_b, points_b)))
    assert np.array_equal(np.isnan(a), np.isnan(b))
    chord = np.linalg.norm(a - b, axis=-1)
    assert not np.isnan(chord).all()
    return float(np.nanmax(2 * np.arcsin(chord / 2)) / MICROARCSEC)


def _unit_vectors(world: NDArray[np.float64]) -> NDArray[np.float64]:
    lon, lat = np.radians(world).T
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


@st.composite
def linear_headers(draw: st.DrawFn, kinds: tuple[str, ...], projection: str = "TAN") -> fits.Header:
    """Headers whose linear part is written in one of `kinds`: cd, pc, cdelt, crota, pc001, cd+pc."""
    header = fits.Header()
    header["CTYPE1"], header["CTYPE2"] = f"RA---{projection}", f"DEC--{projection}"
    header["CRVAL1"], header["CRVAL2"] = draw(st.floats(0, 359.9)), draw(st.floats(-89.5, 89.5))
    header["CUNIT1"] = header["CUNIT2"] = "deg"
    if draw(st.integers(0, 9)):
        header["CRPIX1"], header["CRPIX2"] = draw(st.floats(-12e3, 12e3)), draw(st.integers(-12000, 12000))
    _write_matrix(header, draw(st.sampled_from(kinds)), draw)
    return header


def _write_matrix(header: fits.Header, kind: str, draw: st.DrawFn) -> None:
    pixel = draw(st.floats(0.03, 1.0)) / 3600
    ratio = draw(st.sampled_from([-1.0, 1.0, -1.02, 0.7]))
    angle = draw(st.sampled_from([0.0, 90.0, -20.1, 137.0]))
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    if kind == "crota":
        header["CDELT1"], header["CDELT2"] = pixel * ratio, pixel
        header["CROTA2"] = angle
    elif kind == "cdelt":
        header["CDELT1"], header["CDELT2"] = pixel * ratio, pixel
    elif kind in ("pc", "pc001"):
        header["CDELT1"], header["CDELT2"] = pixel * ratio, pixel
        zeros = "00" if kind == "pc001" else ""
        between = "00" if kind == "pc001" else "_"
        for (i, j), value in {(1, 1): cos, (1, 2): -sin, (2, 1): sin, (2, 2): cos}.items():
            if value != (i == j):
                header[f"PC{zeros}{i}{between}{j}"] = value
    else:
        matrix = {(1, 1): ratio * cos, (1, 2): -ratio * sin, (2, 1): sin, (2, 2): cos}
        for (i, j), value in matrix.items():
            if value:
                header[f"CD{i}_{j}"] = pixel * value
            if kind == "cd+pc":
                header[f"PC{i}_{j}"] = pixel * value
        if kind == "cd+pc":
            header["CDELT1"] = header["CDELT2"] = 1.0


def add_sip(header: fits.Header, draw: st.DrawFn) -> None:
    """Add SIP polynomials of order 3 that shift by up to a few pixels at a few thousand pixels."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    for name in ("A", "B", "AP", "BP"):
        header[f"{name}_ORDER"] = 3
        for p in range(4):
            for q in range(4 - p):
                if p + q >= 2:
                    header[f"{name}_{p}_{q}"] = rng.uniform(-1e-3, 1e-3) * 3e3 ** (1 - p - q)
    header["A_DMAX"] = 1.5


def add_tables(draw: st.DrawFn, header: fits.Header) -> tuple[DistortionTable, ...]:
    """Add CPDIS and D2IM look-up tables with offsets of up to 0.1 px, as HST writes them."""
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    tables = []
    for record, keyword, name in (("DP", "CPDIS", "WCSDVARR"), ("D2IM", "D2IMDIS", "D2IMARR")):
        for axis in (1, 2):
            header[f"{keyword}{axis}"] = "Lookup"
            for field, value in (("EXTVER", axis), ("NAXES", 2), ("AXIS.1", 1), ("AXIS.2", 2)):
                card = fits.Card(f"{record}{axis}", f"{field}: {float(value)}")
                header.append(card)
            data = rng.uniform(-0.1, 0.1, (7, 9)).astype(np.float32)
            placed = fits.Header()
            for k in (1, 2):
                placed[f"CRPIX{k}"], placed[f"CRVAL{k}"] = 1.0, draw(st.floats(-20, 20))
                placed[f"CDELT{k}"] = draw(st.floats(8, 20))
            tables.append(DistortionTable(name, axis, placed, data))
    return tuple(tables)


def numbers_lost(
    before: fits.Header, after: fits.Header, size: int, positions: tuple[str, ...] = ("CRPIX", "LTV")
) -> list[str]:
    """Keywords of `before` whose numbers `after` does not give back: positions to 1e-12 of the image's size."""
    lost = []
    for keyword, count in Counter(before.keys()).items():
        for n in range(count):
            value, got = (_value(header, keyword, n) for header in (before, after))
            if not isinstance(value, int | float) or isinstance(value, bool):
                same = got == value
            elif keyword.startswith(positions):
                same = got is not None and abs(got - value) <= 1e-12 * max(size, abs(value))
            else:
                same = got is not None and np.isclose(got, value, rtol=1e-12, atol=0)
            if not same:
                lost.append(f"{keyword}: {value!r} became {got!r}")
    return lost


def _value(header: fits.Header, keyword: str, n: int) -> Any:
    """Value of the n-th card of a keyword; None where there is none, its text where that is no value."""
    if header.count(keyword) <= n:
        return None
    try:
        return header[keyword, n]
    except fits.VerifyError:
        return str(header.cards[keyword, n])
