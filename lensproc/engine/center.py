"""Sky position of the middle of a cutout, for the catalogue."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from lensproc.cutout import Cutout

_PLAIN = ("CTYPE", "CRVAL", "CRPIX", "CDELT", "CUNIT", "CROTA")
_MATRIX = tuple(f"{kind}{i}_{j}" for kind in ("CD", "PC") for i in (1, 2) for j in (1, 2))


def sky_center(cutout: Cutout) -> tuple[float, float] | None:
    """Right ascension and declination of the middle of a cutout.

    Returns
    -------
    (float, float) or None
        ICRS-like degrees in the header's own frame (galactic and ecliptic headers are converted); None where
        the header has no celestial WCS.

    Notes
    -----
    A header without distortions is reduced to the cards that matter before wcslib reads it, which is several
    times faster than reading all of it.
    """
    from astropy.wcs import WCS, FITSFixedWarning, WcsError

    header = cutout.header
    kind = str(header.get("CTYPE1", ""))
    if not kind.strip():
        return None
    ny, nx = cutout.shape
    middle = ((nx - 1) / 2.0, (ny - 1) / 2.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        try:
            if cutout.distortion or kind[5:] != "-TAN" or any(f"CPDIS{i}" in header for i in (1, 2)):
                from lensproc.engine.embed import sky_of

                wcs = sky_of(cutout)
            else:
                wcs = WCS(_reduced(header), naxis=2)
            if wcs is None or not wcs.has_celestial:
                return None
            lon, lat = (float(value) for value in wcs.all_pix2world([middle], 0)[0])
        except (WcsError, ValueError, KeyError, TypeError):
            return None
    if kind[:4] not in ("RA--", "DEC-"):
        sky = wcs.pixel_to_world(*middle).icrs
        lon, lat = float(sky.ra.deg), float(sky.dec.deg)
    return (lon, lat) if np.isfinite(lon) and np.isfinite(lat) else None


def _reduced(header: Any) -> Any:
    from astropy.io.fits import Header

    reduced = Header()
    names = [f"{name}{i}" for name in _PLAIN for i in (1, 2)]
    for name in [*names, *_MATRIX, "RADESYS", "EQUINOX", "LONPOLE", "LATPOLE"]:
        if name in header:
            reduced[name] = header[name]
    return reduced
