"""Sky position of the middle of a cutout, for the catalogue."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from lensproc.cutout import Cutout
from lensproc.qc.sky import celestial_wcs

if TYPE_CHECKING:
    from astropy.io.fits import Header


_PLACE = re.compile(
    r"(WCSAXES|CTYPE\d|CUNIT\d|CRVAL\d|CRPIX\d|CDELT\d|CROTA\d|CD\d_\d|PC\d_\d|PC00\d00\d|PV\d_\d+|LONPOLE|LATPOLE|"
    r"RADE(C?)SYS|EQUINOX|EPOCH) *="
)


def sky_center(cutout: Cutout) -> tuple[float, float] | None:
    """Right ascension and declination of the middle of a cutout.

    Returns
    -------
    (float, float) or None
        Degrees in the header's own equatorial frame (ICRS where the header is galactic or ecliptic); None where
        it has no celestial WCS.

    Notes
    -----
    wcslib gets only the cards that place the sky, which is eight times as fast as building a whole ``WCS``; a
    header with SIP polynomials or look-up tables, which are not wcslib's, takes the long way.
    """
    from astropy.wcs import WcsError, Wcsprm

    header = cutout.header
    kind = str(header.get("CTYPE1", ""))
    if not kind.strip():
        return None
    ny, nx = cutout.shape
    middle = ((nx - 1) / 2.0, (ny - 1) / 2.0)
    simple = kind[:4] in ("RA--", "DEC-") and not cutout.distortion and not kind.endswith("-SIP")
    try:
        if simple and "CPDIS1" not in header and "CPDIS2" not in header:
            wcs = Wcsprm(header=_sky_cards(header).encode("ascii"))
            wcs.set()
            position = wcs.p2s(np.array([middle]), 0)["world"][0]
            ra, dec = (float(position[axis]) for axis in (wcs.lng, wcs.lat))
        else:
            ra, dec = _by_whole_wcs(cutout, middle)
    except (WcsError, ValueError, KeyError, TypeError, IndexError):
        return None
    return (ra, dec) if np.isfinite(ra) and np.isfinite(dec) else None


def _sky_cards(header: Header) -> str:
    """Cards that place the sky, as they stand: astropy need not parse them.

    PC001001 is PC1_1 of old; wcslib takes it, and warns each time.
    """
    text = header.tostring(sep="", endcard=False, padding=False)
    lines = (text[start : start + 80] for start in range(0, len(text), 80))
    return "".join(re.sub(r"^PC00(\d)00(\d)=", r"PC\1_\2   =", line) for line in lines if _PLACE.match(line))


def _by_whole_wcs(cutout: Cutout, middle: tuple[float, float]) -> tuple[float, float]:
    wcs: Any = celestial_wcs(cutout)
    if wcs is None:
        raise ValueError("no celestial axes")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # odd dates and times, which do not move the sky
        sky = wcs.pixel_to_world(*middle)
    frame = sky if hasattr(sky, "ra") else sky.icrs
    return float(frame.ra.deg), float(frame.dec.deg)
