"""JWST i2d and cal: SCI, ERR, WHT, VAR_* in MJy/sr, and an ASDF tree that is not carried over."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lensproc.fits.dialects.cube import all_bands
from lensproc.fits.dialects.planes import Defaults, Dialect, Planes, facts, identity, images

if TYPE_CHECKING:
    from astropy.io.fits import Header

ARCSEC_PER_MICRON = 0.0326
"""1.03 λ/D of the 6.5 m mirror [arcsec per µm]."""
DQ_BITS = {"DO_NOT_USE": 0, "SATURATED": 1, "JUMP_DET": 2, "DROPOUT": 3, "OUTLIER": 4}
"""jwst-pipeline documentation, "Data quality flags"; only the first forbids a pixel's use."""


def sniff(headers: Sequence[Header]) -> float:
    """Sure of the telescope's name, and of MJy/sr with its calibration card."""
    if "JWST" in identity(headers, "TELESCOP"):
        return 0.89
    return 0.87 if any("PHOTMJSR" in header and "PIXAR_SR" in header for header in headers[:2]) else 0.0


def typical_fwhm(filter_name: str) -> float | None:
    """Diffraction limit [arcsec] of a filter whose name gives its wavelength.

    Examples
    --------
    >>> round(typical_fwhm("F150W"), 3), typical_fwhm("CLEAR")
    (0.049, None)
    """
    match = re.match(r"F(\d{3,4})[WMN]", filter_name.upper())
    return None if match is None else ARCSEC_PER_MICRON * int(match[1]) / 100.0


def read(headers: Sequence[Header]) -> list[Planes]:
    """Return the image with its errors; the parts of the variance are summed in ERR already."""
    known = facts(headers)
    parts = [i for i in images(headers) if re.match(r"VAR_|WHT$|CON$", known[i].name)]
    said = tuple(f"{known[i].name} ({_WHY[known[i].name[:3]]})" for i in parts)
    name = next(iter(identity(headers, "FILTER")), "")
    defaults = Defaults(unit="MJy/sr", psf_fwhm=typical_fwhm(name))
    found = []
    for planes in all_bands(headers, defaults):
        bits = planes.mask is not None and known[planes.mask].name == "DQ"
        found.append(
            dataclasses.replace(
                planes,
                mask_bits=DQ_BITS if bits else {},
                bad_bits=1 if bits else planes.bad_bits,
                used=tuple(parts),
                dropped=said,
            )
        )
    return found


_WHY = {"VAR": "part of ERR", "WHT": "weights: the errors are in ERR", "CON": "which exposures went in"}

DIALECT = Dialect("jwst", sniff, read)
