"""Unit, zeropoint and the rest, each in its order of sources, and always with the source."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lensproc.cutout import UNKNOWN, Amplitude, Resolved
from lensproc.errors import UsageError
from lensproc.fits.dialects.planes import Defaults
from lensproc.fits.headers import number, pixel_scale, words
from lensproc.fits.options import ReadOptions
from lensproc.fits.units import understand

if TYPE_CHECKING:
    from astropy.io.fits import Header


def check_options(options: ReadOptions) -> None:
    """Refuse options that cannot hold for any file.

    Raises
    ------
    UsageError
        For a pixel scale, zeropoint, unit or centre that makes no sense.
    """
    if options.pixel_scale is not None and not (
        options.pixel_scale > 0 and math.isfinite(options.pixel_scale)
    ):
        raise UsageError(f"--pixel-scale {options.pixel_scale:g}: a pixel has a positive side [arcsec]")
    if options.pixel_units not in (None, "flux", "surface brightness"):
        raise UsageError(f"--pixel-units {options.pixel_units}: is flux or surface-brightness")
    if options.zeropoint is not None and not math.isfinite(options.zeropoint):
        raise UsageError(f"--zeropoint {options.zeropoint:g}: is an AB magnitude")
    if options.lens_center is not None and not all(map(math.isfinite, options.lens_center)):
        raise UsageError("--lens-center: X,Y are zero-based pixels")


def resolve_scale(header: Header, options: ReadOptions) -> tuple[Resolved[float], list[str]]:
    """Pixel scale [arcsec]: the option, else the header."""
    if options.pixel_scale is not None:
        return Resolved(options.pixel_scale, "option"), []
    scale = pixel_scale(header)
    if scale:
        return scale, []
    if not any(words(header, f"CTYPE{i}") for i in (1, 2)):
        what = "no WCS: sky positions are not known"
    else:
        what = "the header has no celestial WCS that gives a pixel scale: sky positions are not known"
    return UNKNOWN, [f"{what}; --pixel-scale gives the scale"]


def wcs_warnings(header: Header) -> list[str]:
    """Say what is odd about the sky coordinates, without building them."""
    kinds = [words(header, f"CTYPE{i}") for i in (1, 2)]
    found: list[str] = []
    if any("TAN" in kind for kind in kinds):
        missing = [f"CRPIX{i}" for i in (1, 2) if number(header, f"CRPIX{i}") is None]
        if missing:
            found.append(
                f"no {' and '.join(missing)}: by the standard the reference pixel is then 0, just outside the"
                " corner, and the sky positions are likely wrong"
            )
        if "A_ORDER" in header and not any(kind.endswith("-SIP") for kind in kinds):
            found.append("SIP coefficients without -SIP in CTYPE: CTYPE is obeyed, they are not applied")
    return found


def resolve_unit(
    header: Header, options: ReadOptions, defaults: Defaults, dialect: str
) -> tuple[Resolved[str], Resolved[Amplitude], Resolved[float], list[str]]:
    """Return unit, amplitude, the zeropoint that a physical unit brings with it, and warnings."""
    warnings: list[str] = []
    text = words(header, "BUNIT")
    known = understand(text)
    source = "header BUNIT"
    if known is None and defaults.unit is not None:
        if text:
            warnings.append(
                f"BUNIT {text!r} is not understood: {defaults.unit} is assumed, as {dialect} has it"
            )
        known, source, text = understand(defaults.unit), f"dialect {dialect}", defaults.unit
    unit: Resolved[str] = UNKNOWN
    if known is not None:
        unit = Resolved(known.name, source)
    elif text:
        unit = Resolved(text, "header BUNIT (not understood)")
    amplitude: Resolved[Amplitude]
    if options.pixel_units is not None:
        amplitude = Resolved(options.pixel_units, "option")
    elif known is not None and known.amplitude is not None:
        amplitude = Resolved(known.amplitude, "unit" if source == "header BUNIT" else source)
    elif defaults.amplitude is not None:
        amplitude = Resolved(defaults.amplitude, f"dialect {dialect}")
    else:
        amplitude = Resolved("flux", "assumed")
        which = f"BUNIT {text!r} is not understood" if text else "no BUNIT"
        warnings.append(f"{which}: pixel values are taken as flux per pixel; --pixel-units says otherwise")
    zeropoint: Resolved[float] = UNKNOWN
    if known is not None and known.zeropoint is not None:
        zeropoint = Resolved(known.zeropoint, f"unit {known.name}" if source == "header BUNIT" else source)
    return unit, amplitude, zeropoint, warnings


def resolve_zeropoint(
    header: Header,
    options: ReadOptions,
    physical: Resolved[float],
    defaults: Defaults,
    dialect: str,
    unit: str | None,
    nanojansky: float | None = None,
) -> tuple[Resolved[float], list[str]]:
    """AB magnitude of one unit: option, unit, FLUXMAG0, MAGZERO and its like, PHOTFLAM, the dialect's.

    Parameters
    ----------
    header : Header
        Science header, with what it inherits.
    options : ReadOptions
        The user's word.
    physical : Resolved[float]
        What a physical unit says.
    defaults : Defaults
        The dialect's.
    dialect : str
        Its name.
    unit : str or None
        Unit of the pixels.
    nanojansky : float, optional
        Flux density of one count [nJy] from a calibration table; it has the rank of FLUXMAG0, which it replaced.

    Returns
    -------
    zeropoint : Resolved[float]
        Unknown where nothing says it.
    warnings : list of str
        What kept a card from being used.
    """
    if options.zeropoint is not None:
        return Resolved(options.zeropoint, "option"), []
    if physical and physical.source.startswith("unit"):
        return physical, []
    fluxmag0 = number(header, "FLUXMAG0")
    if fluxmag0 is not None and fluxmag0 > 0:
        return Resolved(2.5 * math.log10(fluxmag0), "header FLUXMAG0"), []
    if nanojansky is not None:
        return Resolved(31.4 - 2.5 * math.log10(nanojansky), "table PhotoCalib"), []
    for key in ("MAGZERO", "MAGZPT", "PHOTZP"):
        value = number(header, key)
        if value is not None and value != 0:
            return Resolved(value, f"header {key}"), []
    flam, plam = number(header, "PHOTFLAM"), number(header, "PHOTPLAM")
    if flam is not None and plam is not None and flam > 0 and plam > 0:
        # ACS Data Handbook, section 5.1: of one electron (or count) per second
        value = -2.5 * math.log10(flam) - 5.0 * math.log10(plam) - 2.408
        if unit is None or unit.endswith("/s"):
            return Resolved(value, "header PHOTFLAM+PHOTPLAM"), []
        seconds = number(header, "EXPTIME")
        if seconds is not None and seconds > 0:
            value += 2.5 * math.log10(seconds)
            return Resolved(value, "header PHOTFLAM+PHOTPLAM+EXPTIME"), []
        why = f"PHOTFLAM is for counts per second, the image is in {unit}, and there is no EXPTIME"
        return UNKNOWN, [f"{why}: the zeropoint is not known; --zeropoint gives it"]
    if physical:
        return physical, []
    if defaults.zeropoint is not None:
        return Resolved(defaults.zeropoint, defaults.zeropoint_source or f"dialect {dialect}"), []
    return UNKNOWN, []
