"""Sky positions of pixels; the only place of the checks where a WCS is built."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lensproc.contract.stage import SkyAxes
from lensproc.cutout import Cutout

if TYPE_CHECKING:
    from astropy.io.fits import Header

Array = NDArray[np.float64]

_PLAIN = ("CTYPE", "CRVAL", "CRPIX", "CDELT", "CUNIT", "CROTA")
_MATRIX = tuple(f"{kind}{i}_{j}" for kind in ("CD", "PC") for i in (1, 2) for j in (1, 2))


def sky_positions(cutout: Cutout, x: Array, y: Array) -> tuple[Array, Array]:
    """Right ascension and declination of pixels.

    Parameters
    ----------
    cutout : Cutout
        Whose header and look-up tables hold the WCS.
    x, y : ndarray, shape (n,)
        Zero-based positions [px].

    Returns
    -------
    ra, dec : ndarray, shape (n,)
        ICRS [deg] (a header in another equatorial frame is not turned; galactic and ecliptic ones are); NaN where
        the header has no celestial WCS.
    """
    nothing = np.full(x.size, np.nan), np.full(x.size, np.nan)
    if x.size == 0:
        return nothing
    wcs = celestial_wcs(cutout)
    if wcs is None:
        return nothing
    first, second = (np.asarray(axis, np.float64) for axis in wcs.all_pix2world(x, y, 0))
    if wcs.wcs.lng == 1:
        first, second = second, first
    if str(wcs.wcs.lngtyp).strip() != "RA":
        frame = wcs.pixel_to_world(x, y).icrs
        return np.asarray(frame.ra.deg), np.asarray(frame.dec.deg)
    return first, second


def sky_axes(cutout: Cutout, scale: int = 1) -> SkyAxes | None:
    """Right ascension and declination of the middle of an image, and the directions of its axes there.

    Parameters
    ----------
    cutout : Cutout
        Whose header and look-up tables hold the WCS.
    scale : int
        Pixels of the image per pixel of that header, along a side.

    Returns
    -------
    SkyAxes or None
        None where the header has no celestial WCS.
    """
    ny, nx = cutout.shape
    # the middle of the image, and half a pixel of the header to each side of it
    x, y = ((side / 2) / scale - 0.5 for side in (nx, ny))
    ra, dec = sky_positions(
        cutout, x + np.array([0.0, -0.5, 0.5, 0.0, 0.0]), y + np.array([0.0, 0.0, 0.0, -0.5, 0.5])
    )
    if not (np.isfinite(ra).all() and np.isfinite(dec).all()):
        return None
    middle, turned = np.radians(dec[0]), np.radians(ra - ra[0])
    lat = np.radians(dec)
    # offsets on the plane that touches the sky in the middle
    depth = np.sin(middle) * np.sin(lat) + np.cos(middle) * np.cos(lat) * np.cos(turned)
    east = np.degrees(np.cos(lat) * np.sin(turned) / depth) * 3600.0
    north = (np.cos(middle) * np.sin(lat) - np.sin(middle) * np.cos(lat) * np.cos(turned)) / depth
    north = np.degrees(north) * 3600.0
    (ex, ey), (nx_, ny_) = (
        ((axis[2] - axis[1]) / scale, (axis[4] - axis[3]) / scale) for axis in (east, north)
    )
    matrix = ((float(ex), float(ey)), (float(nx_), float(ny_)))
    return SkyAxes((nx - 1) / 2, (ny - 1) / 2, float(ra[0]), float(dec[0]), matrix)


def celestial_wcs(cutout: Cutout) -> Any:
    """``astropy.wcs.WCS`` of a cutout with its look-up tables; None where the header has no celestial one.

    Notes
    -----
    An undistorted tangential projection is built from its dozen cards alone: parsing a whole survey header (some
    have 33,000 cards) takes many times longer.
    """
    header = cutout.header
    kind = str(header.get("CTYPE1", "")).strip()
    if not kind:
        return None
    from astropy.io import fits
    from astropy.wcs import WCS, FITSFixedWarning, InconsistentAxisTypesError, WcsError

    plain = (
        kind.endswith("-TAN") and not cutout.distortion and "CPDIS1" not in header and "PV1_1" not in header
    )
    tables = [fits.ImageHDU(table.data, table.header) for table in cutout.distortion]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        try:
            if plain:
                wcs = _tangential(header) or WCS(_reduced(header), naxis=2)
            else:
                wcs = WCS(header, fobj=fits.HDUList([fits.PrimaryHDU(), *tables]), naxis=2)
        except (WcsError, InconsistentAxisTypesError, ValueError, KeyError, TypeError):
            # what the reader could not use either: it has warned of it, and sky columns stay empty
            return None
    return wcs if wcs.has_celestial else None


def _tangential(header: Header) -> Any:
    """WCS of an undistorted tangential header by its numbers; None where that takes more than copying them.

    Notes
    -----
    ``WCS(header)`` writes the cards out and has wcslib read them again, which takes ten times as long.
    """
    from astropy.wcs import WCS

    if any(name in header for name in ("CROTA1", "CROTA2", "PV1_1", "PV2_1")):
        return None
    if any(str(header.get(f"CUNIT{i}", "deg")).strip() != "deg" for i in (1, 2)):
        return None
    has_cd, has_pc = (
        any(f"{kind}{i}_{j}" in header for i in (1, 2) for j in (1, 2)) for kind in ("CD", "PC")
    )
    steps = [header.get(f"CDELT{i}") for i in (1, 2)]
    # both ways of writing the matrix at once: left to wcslib's rules; neither: no scale
    if has_cd == (has_pc or None not in steps):
        return None
    kind = "CD" if has_cd else "PC"
    matrix = [header.get(f"{kind}{i}_{j}", float(kind == "PC" and i == j)) for i in (1, 2) for j in (1, 2)]
    values = [header.get(f"{name}{i}") for name in ("CRVAL", "CRPIX") for i in (1, 2)]
    poles = {name: header[name] for name in ("LONPOLE", "LATPOLE", "EQUINOX") if name in header}
    numbers = (*values, *matrix, *poles.values(), *(() if has_cd else steps))
    if not all(isinstance(value, float | int) and not isinstance(value, bool) for value in numbers):
        return None
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = [str(header[f"CTYPE{i}"]).strip() for i in (1, 2)]
    wcs.wcs.crval, wcs.wcs.crpix = values[:2], values[2:4]
    if has_cd:
        wcs.wcs.cd = np.reshape(np.array(matrix, np.float64), (2, 2))
    else:
        wcs.wcs.pc, wcs.wcs.cdelt = np.reshape(np.array(matrix, np.float64), (2, 2)), steps
    for name, value in poles.items():
        setattr(wcs.wcs, name.lower(), float(value))
    if "RADESYS" in header:
        wcs.wcs.radesys = str(header["RADESYS"]).strip()
    wcs.wcs.set()
    return wcs


def _reduced(header: Header) -> Header:
    from astropy.io.fits import Header

    reduced = Header()
    names = [f"{name}{i}" for name in _PLAIN for i in (1, 2)]
    for name in [*names, *_MATRIX, "RADESYS", "EQUINOX", "LONPOLE", "LATPOLE"]:
        if name in header:
            reduced[name] = header[name]
    return reduced
