"""What a BUNIT means: whether it is a flux or a surface brightness, and the AB magnitude of one of it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lensproc.cutout import Amplitude
from lensproc.fits.opening import collected_warnings

AB_JANSKY = 3631.0
"""Flux density of AB magnitude 0 [Jy] (Oke & Gunn 1983, ApJ 266, 713)."""
ARCSEC2_PER_SR = (180.0 * 3600.0 / math.pi) ** 2


@dataclass(frozen=True)
class Unit:
    """A pixel unit.

    Parameters
    ----------
    name : str
        FITS unit string.
    amplitude : str or None
        ``flux`` or ``surface brightness``; None where the unit does not say.
    zeropoint : float or None
        AB magnitude of one unit (per arcsec² for a surface brightness); None for counts.
    """

    name: str
    amplitude: Amplitude | None
    zeropoint: float | None = None


_COUNTS = {
    "adu": "adu",
    "dn": "adu",
    "ct": "count",
    "cts": "count",
    "count": "count",
    "counts": "count",
    "electron": "electron",
    "electrons": "electron",
    "e": "electron",
    "e-": "electron",
    "photon": "photon",
    "photons": "photon",
    "ph": "photon",
}
_PER_SECOND = re.compile(r"(.+?)\s*(?:/\s*(?:s|sec|second)|\s+s\s*\^?\s*-1|\.s-1|\s+s\*\*-1)$")
_NANOMAGGIES = {"nanomaggy", "nanomaggies", "nmgy", "nmgys"}
_MAGGIES = {"maggy", "maggies", "mgy"}
_NO_UNIT = {"", "none", "unknown", "unitless", "dimensionless", "n/a", "null"}


@lru_cache(maxsize=256)
def understand(text: str) -> Unit | None:
    """Return what a unit string means; None where it says nothing or is not known.

    Examples
    --------
    >>> understand("ELECTRONS/S")
    Unit(name='electron/s', amplitude='flux', zeropoint=None)
    >>> understand("nJy").zeropoint
    31.4
    >>> understand("MJy/sr").amplitude
    'surface brightness'
    >>> understand("furlong") is None
    True
    """
    words = " ".join(text.split())
    low = words.lower()
    if low in _NO_UNIT:
        return None
    if low in _NANOMAGGIES:
        return Unit("nanomaggy", "flux", 22.5)
    if low in _MAGGIES:
        return Unit("maggy", "flux", 0.0)
    rate = _PER_SECOND.match(low)
    if rate and rate[1].strip() in _COUNTS:
        return Unit(f"{_COUNTS[rate[1].strip()]}/s", "flux")
    if low in _COUNTS:
        return Unit(_COUNTS[low], "flux")
    return _flux_density(words)


_SPELLINGS = (
    (re.compile(r"\bergs\b", re.IGNORECASE), "erg"),
    (re.compile(r"(?<=/)A\b|\b(ang|angstroms?)\b", re.IGNORECASE), "Angstrom"),
    (re.compile(r"\bmicroJy\b", re.IGNORECASE), "uJy"),
)
"""What headers write, and what astropy calls it; A below a stroke is no ampere in an image."""


def _parse(words: str) -> Any:
    """Return an ``astropy.units.Unit``; None for what is none."""
    import astropy.units as u

    for pattern, name in _SPELLINGS:
        words = pattern.sub(name, words)
    with collected_warnings():  # "contains multiple slashes" and the like
        for form in ("fits", "generic"):
            try:
                return u.Unit(words, format=form, parse_strict="raise")
            except (ValueError, TypeError):
                continue
    return None


def _flux_density(words: str) -> Unit | None:
    """Ask astropy whether a string is a flux density, or one per solid angle."""
    import astropy.units as u

    unit = _parse(words)
    if unit is None:
        return None
    for solid_angle, amplitude in ((u.one, "flux"), (u.pix, "flux"), (u.sr, "surface brightness")):
        target = u.Jy / solid_angle
        if unit.is_equivalent(target):
            jansky = unit.to(target)
            if amplitude == "flux":
                return Unit(words, "flux", _magnitude(jansky))
            return Unit(words, "surface brightness", _magnitude(jansky / ARCSEC2_PER_SR))
    for count in (u.adu, u.ct, u.electron, u.ph):
        for target in (count, count / u.s):
            if unit.is_equivalent(target) or unit.is_equivalent(target / u.pix):
                return Unit(words, "flux")
            if unit.is_equivalent(target / u.sr):
                return Unit(words, "surface brightness")
    energy = (u.W / u.m**2, u.W / u.m**3, u.Jy)  # flux; per wavelength; per frequency
    for target in energy:
        if unit.is_equivalent(target):
            return Unit(words, "flux")
        if any(unit.is_equivalent(target / angle) for angle in (u.sr, u.beam)):
            return Unit(words, "surface brightness")
    return None


def _magnitude(jansky: float) -> float:
    """AB magnitude of a flux density [Jy]; with 8.90 for 1 Jy, as surveys write it."""
    return round(-2.5 * math.log10(jansky) + 8.9, 4) if jansky > 0 else math.nan
