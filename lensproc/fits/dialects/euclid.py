"""Euclid MER cutouts: an image, a PSF and an RMS plane per band, named BAND_BGSUB, BAND_PSF, BAND_RMS."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lensproc.fits.dialects.planes import Defaults, Dialect, Planes, facts, images

if TYPE_CHECKING:
    from astropy.io.fits import Header

NO_DATA = 1e15
"""RMS planes hold 1e16 where there is no measurement."""
_SCIENCE = re.compile(r"(?:(?P<band>.+)_)?(?P<kind>BGSUB|FLUX)(?:_(?P<after>.+))?")
DEFAULTS = Defaults(unit="adu")


def bands(headers: Sequence[Header]) -> list[tuple[str, int]]:
    """Return the name and HDU of each band's image."""
    found = []
    for i in images(headers):
        match = _SCIENCE.fullmatch(facts(headers)[i].name)
        if match:
            found.append((match["band"] or match["after"] or "", i))
    return found


def plane_of(headers: Sequence[Header], band: str, kind: str, science: int) -> int | None:
    """Return the plane of a band: BAND_KIND or KIND_BAND, or KIND with the EXTVER of the image."""
    wanted = {f"{band}_{kind}", f"{kind}_{band}"} if band else {kind}
    known = facts(headers)
    for i in images(headers):
        if known[i].name in wanted and known[i].version == known[science].version:
            return i
    return None


def sniff(headers: Sequence[Header]) -> float:
    """Sure where a BGSUB or FLUX image has an RMS plane."""
    pairs = [plane_of(headers, band, "RMS", i) for band, i in bands(headers)]
    return 0.88 if any(i is not None for i in pairs) else 0.0


def read(headers: Sequence[Header]) -> list[Planes]:
    """Return one image per band."""
    found = []
    for band, i in bands(headers):
        rms = plane_of(headers, band, "RMS", i)
        if rms is not None and facts(headers)[rms].shape != facts(headers)[i].shape:
            rms = None
        found.append(
            Planes(
                i,
                variance=rms,
                variance_kind="sigma",
                no_data=NO_DATA,
                psf=plane_of(headers, band, "PSF", i),
                band=band or None,
                name=f"extension {facts(headers)[i].name}" if band else None,
                defaults=DEFAULTS,
            )
        )
    return found


DIALECT = Dialect("euclid", sniff, read)
