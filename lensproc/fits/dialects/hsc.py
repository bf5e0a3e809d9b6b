"""IMAGE, MASK, VARIANCE as the LSST pipelines write exposures and coadds of HSC and LSST.

Mask planes are numbered per file, in MP_* cards. The archive tables behind the images (PSF model, WCS, aperture
corrections) belong to the original grid and are not carried over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from lensproc.fits.dialects.cube import all_bands
from lensproc.fits.dialects.planes import Defaults, Dialect, Planes, bits, facts, identity, images, named
from lensproc.fits.headers import words

if TYPE_CHECKING:
    from astropy.io.fits import Header

BAD = ("BAD", "SAT", "CR", "NO_DATA", "EDGE", "UNMASKEDNAN", "STREAK", "VIGNETTED")
"""Planes that mean "do not use"; INTRP (interpolated over), DETECTED and the like do not."""
FLUXMAG0_27 = Defaults(unit="adu", zeropoint=27.0, psf_fwhm=0.7)
"""Coadds of HSC-SSP: 27 mag per count, seeing of 0.6 to 0.8 arcsec (Aihara et al. 2022, PASJ 74, 247)."""
UNCALIBRATED = Defaults(unit="adu", psf_fwhm=0.7)


def mask_planes(header: Header) -> dict[str, int]:
    """Return the mask planes that MP_* cards name and number."""
    planes: dict[str, int] = {}
    for key in header:
        if key.startswith("MP_"):
            number = header[key]
            if isinstance(number, int) and 0 <= number < 32:
                planes[key[3:]] = number
    return planes


def sniff(headers: Sequence[Header]) -> float:
    """Sure with MP_* cards; fairly sure of IMAGE, MASK, VARIANCE, and of a lone image in an HSC filter."""
    if any("MP_BAD" in header or "MP_SAT" in header for header in headers):
        return 0.9
    names = {fact.name for fact in facts(headers)}
    if {"IMAGE", "MASK", "VARIANCE"} <= names:
        return 0.8
    return 0.7 if any(name.upper().startswith("HSC-") for name in identity(headers, "FILTER")) else 0.0


def read(headers: Sequence[Header]) -> list[Planes]:
    """Return the image with its mask and variance, which have neither to be named nor in a fixed order."""
    masks = [i for i in images(headers) if mask_planes(headers[i])]
    if not masks:
        return all_bands(headers, FLUXMAG0_27)
    mask = masks[0]
    known = facts(headers)
    others = [i for i in images(headers) if i != mask and known[i].shape == known[mask].shape]
    science = _of_type(headers, others, "IMAGE")
    variance = _of_type(headers, [i for i in others if i != science], "VARIANCE")
    if science is None:
        return all_bands(headers, FLUXMAG0_27)
    flags: Mapping[str, int] = mask_planes(headers[mask])
    psf = named(headers, "PSF")
    # a header that says FLUXMAG0 = 0 says that there is no calibration
    uncalibrated = any(header.get("FLUXMAG0") == 0 for header in (headers[0], headers[science]))
    return [
        Planes(
            science,
            variance=variance,
            mask=mask,
            mask_bits=flags,
            bad_bits=bits(flags, BAD),
            psf=psf[0] if psf else None,
            defaults=UNCALIBRATED if uncalibrated else FLUXMAG0_27,
        )
    ]


def _of_type(headers: Sequence[Header], among: Sequence[int], kind: str) -> int | None:
    """Return the HDU that EXTNAME or EXTTYPE calls `kind`, else the first that has no name to say otherwise."""
    for i in among:
        if kind in (facts(headers)[i].name, words(headers[i], "EXTTYPE").upper()):
            return i
    return next((i for i in among if not facts(headers)[i].name), None)


DIALECT = Dialect("hsc", sniff, read)
