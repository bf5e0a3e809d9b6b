"""Cutouts of the DESI Legacy Imaging Surveys: an image or a cube in nanomaggies, INVVAR and MASKBITS with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lensproc.fits.dialects.cube import all_bands
from lensproc.fits.dialects.planes import Defaults, Dialect, Planes, bits, facts, identity, named
from lensproc.fits.headers import words

if TYPE_CHECKING:
    from astropy.io.fits import Header

DEFAULTS = Defaults(unit="nanomaggy", zeropoint=22.5, psf_fwhm=1.2)
"""Dey et al. 2019 (AJ 157, 168): nanomaggies; delivered image quality of 1.1 to 1.3 arcsec."""
MASKBITS = {
    name: number
    for number, name in enumerate(
        [
            "NPRIMARY",
            "BRIGHT",
            "SATUR_G",
            "SATUR_R",
            "SATUR_Z",
            "ALLMASK_G",
            "ALLMASK_R",
            "ALLMASK_Z",
            "WISEM1",
            "WISEM2",
            "BAILOUT",
            "MEDIUM",
            "GALAXY",
            "CLUSTER",
            "SATUR_I",
            "ALLMASK_I",
            "SUB_BLOB",
        ]
    )
}
"""legacysurvey.org, DR9 and DR10, "Bitmasks"."""


def sniff(headers: Sequence[Header]) -> float:
    """Sure where SURVEY or the pipeline's own cards say it."""
    said = any("LEGACYSURVEY" in text.upper().replace(" ", "") for text in identity(headers, "SURVEY"))
    if said or any("LEGPIPEV" in header for header in headers[:2]):
        return 0.91
    return 0.6 if named(headers, "MASKBITS") else 0.0


def read(headers: Sequence[Header]) -> list[Planes]:
    """Return one image per band; of the mask's bits those of that band count."""
    return [_with_bits(headers, planes) for planes in all_bands(headers, DEFAULTS)]


def _with_bits(headers: Sequence[Header], planes: Planes) -> Planes:
    note = "pixels of Legacy cutouts are resampled: their noise is correlated"
    resampled = any(words(header, "IMAGETYP") or "BANDS" in header for header in headers[:2])
    planes = dataclasses.replace(planes, warnings=(note,) if resampled else ())
    if planes.mask is None or facts(headers)[planes.mask].name != "MASKBITS":
        return planes
    name = (planes.band or words(headers[planes.science], "FILTER") or "").upper()[:1]
    bad = bits(MASKBITS, [f"SATUR_{name}", f"ALLMASK_{name}"])
    return dataclasses.replace(planes, mask_bits=MASKBITS, bad_bits=bad)


DIALECT = Dialect("legacy", sniff, read)
