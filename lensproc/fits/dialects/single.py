"""Surveys that hand out one image, and differ only in their unit, zeropoint and seeing."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from lensproc.fits.dialects.cube import all_bands
from lensproc.fits.dialects.planes import Defaults, Dialect, Planes, identity, images
from lensproc.fits.headers import number

if TYPE_CHECKING:
    from astropy.io.fits import Header

_CARDS = ("SURVEY", "TELESCOP", "INSTRUME", "ORIGIN", "FILTER")
DENSITIES = "photographic plate: values are densities, not linear in flux"


def _survey(name: str, pattern: str, of: Callable[[Header], Defaults], warning: str = "") -> Dialect:
    """Make the dialect of a survey that a pattern recognises in one of the cards that name it."""
    known = re.compile(pattern, re.IGNORECASE)

    def sniff(headers: Sequence[Header]) -> float:
        return 0.65 if any(known.search(text) for text in identity(headers, *_CARDS)) else 0.0

    def read(headers: Sequence[Header]) -> list[Planes]:
        warnings = (warning,) if warning else ()
        first = images(headers)[:1]
        defaults = of(headers[first[0]]) if first else Defaults()
        return [dataclasses.replace(planes, warnings=warnings) for planes in all_bands(headers, defaults)]

    return Dialect(name, sniff, read)


def _megacam(header: Header) -> Defaults:
    """Stacks have 30 mag per count; single exposures their own zeropoint for one second (Elixir headers)."""
    one_second, seconds = number(header, "PHOT_C"), number(header, "EXPTIME")
    if one_second is None or not seconds or seconds <= 0:
        return Defaults(unit="adu", zeropoint=30.0, psf_fwhm=0.75)
    extinction, airmass = number(header, "PHOT_K"), number(header, "AIRMASS")
    magnitude = one_second + 2.5 * math.log10(seconds)
    if extinction is not None and airmass is not None:
        magnitude += extinction * (airmass - 1.0)
    return Defaults(
        unit="adu", zeropoint=magnitude, zeropoint_source="header PHOT_C, EXPTIME, AIRMASS", psf_fwhm=0.75
    )


def _always(defaults: Defaults) -> Callable[[Header], Defaults]:
    return lambda header: defaults


DIALECTS = (
    # Kuijken et al. 2019 (A&A 625, A2): coadds scaled to a zeropoint of 0
    _survey("kids", r"OMEGACAM|ESO-VST|\bKiDS\b", _always(Defaults("maggy", "flux", 0.0, psf_fwhm=0.7))),
    # Hudelot et al. 2012 (CFHTLS T0007)
    _survey("cfht", r"^CFHT|MegaPrime", _megacam),
    # Blanton et al. 2011 (AJ 142, 31): nanomaggies
    _survey("sdss", r"\bSDSS\b(?! c00)|^2\.5m", _always(Defaults("nanomaggy", "flux", 22.5, psf_fwhm=1.3))),
    # McCracken et al. 2012 (A&A 544, A156): stacks with 30 mag per count
    _survey("vista", r"UVISTA|^VISTA|VIRCAM", _always(Defaults("adu", "flux", 30.0, psf_fwhm=0.8))),
    _survey("decam", r"^DECam|^CTIO", _always(Defaults("adu", "flux", psf_fwhm=1.1))),
    _survey(
        "dss",
        r"Schmidt|CASB|\bDSS\b|Oschin|^POSS",
        _always(Defaults(None, "flux")),
        DENSITIES,
    ),
)
