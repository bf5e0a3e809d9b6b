"""Pan-STARRS1: one HDU, stacks scaled by asinh (undone by BSOFTEN and BOFFSET), counts of the whole exposure."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lensproc.fits.dialects.multi import companions
from lensproc.fits.dialects.planes import Defaults, Dialect, Planes, bits, identity, images
from lensproc.fits.headers import number, words

if TYPE_CHECKING:
    from astropy.io.fits import Header

ZEROPOINT = 25.0
"""AB magnitude of one count per second (Waters et al. 2020, ApJS 251, 4)."""
SEEING = 1.2
"""Median of the 3π survey [arcsec] (Chambers et al. 2016, arXiv:1612.05560, section 2)."""
BAD = ("DETECTOR", "FLAT", "DARK", "BLANK", "CTE", "SAT", "LOW", "CR", "STARCORE", "CONV.BAD")


def sniff(headers: Sequence[Header]) -> float:
    """Sure of the camera's name, and of asinh scaling."""
    for header in headers[:2]:
        if (
            "PSCAMERA" in header
            or "FPA.INSTRUMENT" in header
            or ("BSOFTEN" in header and "BOFFSET" in header)
        ):
            return 0.92
    return 0.92 if "GPC1" in identity(headers, "INSTRUME") else 0.0


def mask_planes(header: Header) -> dict[str, int]:
    """Return the mask's bits from MSKNAMnn and MSKVALnn cards; sums of several bits are no bit."""
    planes: dict[str, int] = {}
    for i in range(int(number(header, "MSKNUM") or 0)):
        name, value = words(header, f"MSKNAM{i:02d}"), int(number(header, f"MSKVAL{i:02d}") or 0)
        if name and value > 0 and value & (value - 1) == 0 and value.bit_length() <= 32:
            planes[name] = value.bit_length() - 1
    return planes


def read(headers: Sequence[Header]) -> list[Planes]:
    """Return the image, with the zeropoint of its exposure time."""
    found = []
    for i in images(headers)[:1]:
        header = headers[i]
        planes = companions(headers, i, _defaults(header))
        flags = mask_planes(headers[planes.mask]) if planes.mask is not None else {}
        name = (words(header, "FPA.FILTERID") or words(header, "FPA.FILTER")).split(".")[0]
        found.append(
            dataclasses.replace(
                planes,
                band=name or None,
                name="header FPA.FILTERID" if name else None,
                mask_bits=flags,
                bad_bits=bits(flags, BAD) if flags else planes.bad_bits,
            )
        )
    return found


def _defaults(header: Header) -> Defaults:
    seconds = number(header, "EXPTIME")
    own = number(header, "FPA.ZP")
    rate, source = (
        (own, "header FPA.ZP") if own else (ZEROPOINT, f"dialect panstarrs ({ZEROPOINT:g} per count/s)")
    )
    if not seconds or seconds <= 0:
        return Defaults(unit="adu", psf_fwhm=SEEING)
    return Defaults(
        unit="adu",
        zeropoint=rate + 2.5 * math.log10(seconds),
        zeropoint_source=f"{source} and EXPTIME",
        psf_fwhm=SEEING,
    )


DIALECT = Dialect("panstarrs", sniff, read)
