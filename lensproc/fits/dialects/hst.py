"""HST: SCI with ERR and DQ (flt, flc), SCI with WHT and CTX (drz, drc), or a lone drizzled image."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lensproc.fits.dialects.cube import all_bands
from lensproc.fits.dialects.planes import Defaults, Dialect, Planes, bits, facts, identity
from lensproc.fits.headers import words

if TYPE_CHECKING:
    from astropy.io.fits import Header

DQ_BITS = {
    name: number
    for number, name in enumerate(
        [
            "LOST",
            "FILLED",
            "BADPIX",
            "MASKED",
            "HOT",
            "UNSTABLE",
            "WARM",
            "BADBIAS",
            "SATURATED",
            "BADREF",
            "SINK",
            "ATODSAT",
            "CRDRIZ",
            "CRREJ",
            "USER",
        ]
    )
}
"""ACS Data Handbook, section 3.4.3, and WFC3 Data Handbook, section 3.3.1."""
BAD = (
    "LOST",
    "FILLED",
    "BADPIX",
    "MASKED",
    "HOT",
    "BADBIAS",
    "SATURATED",
    "BADREF",
    "ATODSAT",
    "CRDRIZ",
    "CRREJ",
)
"""All but what AstroDrizzle's own defaults keep (warm, unstable, sink pixels)."""
TYPICAL = {"WFC": 0.10, "UVIS": 0.08, "IR": 0.15, "HRC": 0.06}
"""FWHM [arcsec] of drizzled stars by detector (instrument handbooks)."""


def sniff(headers: Sequence[Header]) -> float:
    """Sure of the telescope's name, fairly sure of PHOTFLAM with PHOTPLAM."""
    if "HST" in identity(headers, "TELESCOP"):
        return 0.89
    if set(identity(headers, "INSTRUME")) & {"ACS", "WFC3", "WFPC2", "WFPC"}:
        return 0.86
    return 0.75 if any("PHOTFLAM" in header and "PHOTPLAM" in header for header in headers[:2]) else 0.0


def read(headers: Sequence[Header]) -> list[Planes]:
    """Return one image per SCI."""
    detector = next(filter(None, (words(header, "DETECTOR").upper() for header in headers[:2])), "")
    raw = any(name.startswith("WFPC") for name in identity(headers, "INSTRUME"))
    unit = "count" if raw else "electron/s"
    defaults = Defaults(unit=unit, amplitude="flux", psf_fwhm=TYPICAL.get(detector))
    return [_with_bits(headers, planes) for planes in all_bands(headers, defaults)]


def _with_bits(headers: Sequence[Header], planes: Planes) -> Planes:
    if planes.mask is None or facts(headers)[planes.mask].name != "DQ":
        return planes
    return dataclasses.replace(planes, mask_bits=DQ_BITS, bad_bits=bits(DQ_BITS, BAD))


DIALECT = Dialect("hst", sniff, read)
