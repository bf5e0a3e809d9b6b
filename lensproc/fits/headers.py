"""Looking things up in headers: values, what PRIMARY passes on, the pixel scale, the filter."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from lensproc.cutout import UNKNOWN, Resolved

if TYPE_CHECKING:
    from astropy.io.fits import Header

_NOT_INHERITED = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|GROUPS|EXTNAME|EXTVER|EXTLEVEL|INHERIT|NEXTEND|END|"
    r"CHECKSUM|DATASUM|BSCALE|BZERO|BLANK|BSOFTEN|BOFFSET|DATAMIN|DATAMAX|LONGSTRN|FILENAME|EXT_\d+|AR_HDU|"
    r"WCSAXES[A-Z]?|WCSNAME[A-Z]?|(CTYPE|CUNIT|CRVAL|CRPIX|CDELT|CROTA|LTV)\d+[A-Z]?|LTM\d_\d|"
    r"(CD|PC|PV)\d+_\d+[A-Z]?|PC\d{6}|LONPOLE[A-Z]?|LATPOLE[A-Z]?|[AB]P?_(ORDER|DMAX|\d_\d)|"
    r"LP[A-Z0-9]+|QA[A-Z0-9]+"
)


def number(header: Header, key: str) -> float | None:
    """Return a card as a finite number; None where it is missing or is not one.

    Examples
    --------
    >>> from astropy.io.fits import Header
    >>> number(Header({"SEEING": "0.7"}), "SEEING"), number(Header({"SEEING": "NaN"}), "SEEING")
    (0.7, None)
    """
    value = text_or_value(header, key)
    if value is None or isinstance(value, bool):
        return None
    try:
        result = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return result if math.isfinite(result) else None


def words(header: Header, key: str) -> str:
    """Return a text card without blanks around it; empty where it is missing or no text."""
    value = text_or_value(header, key)
    return value.strip() if isinstance(value, str) else ""


def text_or_value(header: Header, key: str) -> object:
    """Return a card's value; None where it is missing, undefined or too damaged to be read."""
    from astropy.io.fits import VerifyError
    from astropy.io.fits.card import Undefined

    try:
        value = header.get(key)
    except (VerifyError, ValueError):
        return None
    return None if isinstance(value, Undefined) else value


def merged(science: Header, primary: Header) -> Header:
    """Return an extension's header with the cards of PRIMARY that hold for it too (the INHERIT convention).

    Cards that say how PRIMARY is stored, or where its pixels are on the sky, are not passed on; nor is a card that
    the extension has itself.
    """
    from astropy.io.fits import Header

    if text_or_value(science, "INHERIT") is False:
        return science
    own = set(science.keys())
    if "RADESYS" in primary or "RADESYS" in own:
        own.add("RADECSYS")  # the older name of the same card; below it gets the newer, as wcslib wants it
    lines: list[str] = []
    text = primary.tostring(sep="", endcard=False, padding=False)
    keep = False
    for start in range(0, len(text), 80):
        line = text[start : start + 80]
        key = line[:8].rstrip()
        if key == "CONTINUE":
            if keep:
                lines.append(line)
            continue
        if key == "HIERARCH":
            key = line[9:].split("=", 1)[0].strip().upper()
        keep = bool(key) and (key == "HISTORY" or (key not in own and not _NOT_INHERITED.fullmatch(key)))
        if keep:
            lines.append(f"RADESYS {line[8:]}" if key == "RADECSYS" else line)
    if not lines:
        return science
    both = science.tostring(sep="", endcard=False, padding=False) + "".join(lines)
    result: Header = Header.fromstring(both)
    return result


def is_celestial(header: Header) -> bool:
    """Tell whether the first two axes are sky coordinates."""
    kinds = [words(header, f"CTYPE{i}").upper() for i in (1, 2)]
    return all(re.match(r"(RA-|DEC|[A-Z]LON|[A-Z]LAT|[A-Z]{2}LN|[A-Z]{2}LT)", kind) for kind in kinds)


_DEGREES = {
    "": 1.0,
    "deg": 1.0,
    "degree": 1.0,
    "degrees": 1.0,
    "arcmin": 1 / 60,
    "arcsec": 1 / 3600,
    "mas": 1 / 3.6e6,
}


def pixel_scale(header: Header) -> Resolved[float]:
    """Pixel scale by rule: the square root of the determinant of CD, or of PC times CDELT.

    Notes
    -----
    Greisen & Calabretta 2002 (A&A 395, 1061), section 2. A file with CD and PC both has its scale in CD. A
    rotation (CROTA2) leaves the determinant alone.
    """
    if not is_celestial(header):
        return UNKNOWN
    units = [_DEGREES.get(words(header, f"CUNIT{i}").lower()) for i in (1, 2)]
    if units[0] is None or units[1] is None:
        return UNKNOWN
    area, source = _area(header)
    if not area:
        return UNKNOWN
    scale = math.sqrt(abs(area) * units[0] * units[1]) * 3600.0
    return Resolved(scale, f"header {source}") if math.isfinite(scale) else UNKNOWN


def _area(header: Header) -> tuple[float, str]:
    """Return the determinant of the linear transformation [units of the axes²], and the cards it comes from."""
    for form in ("CD{}_{}", "CD00{}00{}"):
        matrix = _matrix(header, form, 0.0)
        if matrix is not None:
            return matrix, "CD"
    steps = [number(header, f"CDELT{i}") for i in (1, 2)]
    if steps[0] is None or steps[1] is None:
        return 0.0, ""
    for form in ("PC{}_{}", "PC00{}00{}"):
        matrix = _matrix(header, form, 1.0)
        if matrix is not None:
            return matrix * steps[0] * steps[1], "PC+CDELT"
    return steps[0] * steps[1], "CDELT"


def _matrix(header: Header, form: str, diagonal: float) -> float | None:
    """Return the determinant of a matrix whose missing elements are `diagonal` on the diagonal and 0 off it."""
    keys = [form.format(i, j) for i in (1, 2) for j in (1, 2)]
    if not any(key in header for key in keys):
        return None
    given = [number(header, key) for key in keys]
    a, b, c, d = (
        value if value is not None else diagonal if i in (0, 3) else 0.0 for i, value in enumerate(given)
    )
    return a * d - b * c


_CLEAR = re.compile(r"CLEAR|OPEN|NONE|EMPTY|N/?A$|_?UNKNOWN_?", re.IGNORECASE)


def band(header: Header) -> Resolved[str]:
    """Filter name from BAND, FILTER, FILTER1, FILTER2, ... ; clear positions of a filter wheel are no filter."""
    for key in ("BAND", "FILTER", "FILTER1", "FILTER2", "FILTNAM1", "FPA.FILTERID", "SUBBAND"):
        name = words(header, key)
        if name and not _CLEAR.match(name):
            # "g DECam SDSS c0001 4720.0 1520.0": the name comes first
            return Resolved(
                name.split()[0] if key == "FPA.FILTERID" or " " in name else name, f"header {key}"
            )
    return UNKNOWN


def first_number(headers: Iterable[tuple[str, Header]], keys: Sequence[str]) -> tuple[str, float] | None:
    """Return the first of some cards that is a number, with its name."""
    for prefix, header in headers:
        for key in keys:
            value = number(header, key)
            if value is not None:
                return f"{prefix}{key}", value
    return None


_HIGHER_AXIS = re.compile(
    r"(NAXIS|CTYPE|CUNIT|CRVAL|CRPIX|CDELT|CROTA|CNAME)[3-9][A-Z]?|(CD|PC)([3-9]_\d|\d_[3-9])[A-Z]?|"
    r"PC00(3|4)\d{3}|PC\d{3}00[3-9]|PV[3-9]_\d+[A-Z]?"
)


def two_axes(header: Header) -> Header:
    """Return a copy of a cube's header that describes one of its planes."""
    result: Header = header.copy()
    for key in [key for key in result if _HIGHER_AXIS.fullmatch(key)]:
        del result[key]
    result["NAXIS"] = 2
    if "WCSAXES" in result:
        result["WCSAXES"] = 2
    return result
