"""Which cards of an input's header go into an output, as text: fast also for tens of thousands of cards."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lensproc.fits.opening import collected_warnings
from lensproc.fits.serialise import ascii_text, card, history

if TYPE_CHECKING:
    from astropy.io.fits import Header

_STRUCTURE = {
    *(
        "SIMPLE",
        "XTENSION",
        "BITPIX",
        "NAXIS",
        "PCOUNT",
        "GCOUNT",
        "GROUPS",
        "EXTEND",
        "TFIELDS",
        "BLOCKED",
        "END",
    ),
    *("EXTNAME", "EXTVER", "EXTLEVEL", "INHERIT", "BUNIT", "CHECKSUM", "DATASUM", "ZHECKSUM", "ZDATASUM"),
    *("BSCALE", "BZERO", "BLANK", "ZBLANK", "BSOFTEN", "BOFFSET", "DATAMIN", "DATAMAX", "LONGSTRN"),
}
"""Cards that the writer makes anew, that describe how the input was stored, or that are no longer true."""
_STRUCTURE_PATTERN = re.compile(r"NAXIS\d+|Z(IMAGE|TENSION|CMPTYPE|BITPIX|NAXIS\d*|TILE\d+)")
_EARLIER_RUN = re.compile(r"(LP|QA|E_QA)[A-Z0-9_-]*|DQBIT\d\d|DQBAD")
"""What an earlier run of lensproc said; only dropped where LPVER shows that it was one."""
_NOT_FINITE = re.compile(r"= *'?[+-]?(nan|inf(inity)?) *'? *(/|$)", re.IGNORECASE)
"""Also as words: astropy puts quotes around a bare NaN."""
_KEYWORD = re.compile(r"[A-Z0-9_-]{1,8} *")
_VALUE = re.compile(
    r" *("
    r"'(?:[^']|'')*' *"  # string
    r"|[TF] *"  # logical
    r"|[+-]?(?:\d+\.?\d*|\.\d+)(?:[ED][+-]?\d+)? *"  # number
    r"|\([^)]*\) *"  # complex
    r")?(?:/.*)?"
)
_AXES = re.compile(r"WCSAXES[A-Z]?")
_PC = re.compile(r"PC\d_\d[A-Z]?")
_WCS = re.compile(
    r"(WCSAXES|WCSNAME|CTYPE\d|CUNIT\d|CRVAL\d|CRPIX\d|CDELT\d|CROTA\d|CD\d_\d|PC\d_\d|PV\d_\d+|LONPOLE|LATPOLE|"
    r"CD00\d00\d|PC00\d00\d|RADESYS|RADECSYS|EQUINOX|[AB]P?_(ORDER|DMAX|\d_\d)|EPOCH)$"
)


def doubled_matrix(header: Header) -> tuple[str, ...]:
    """PC and CDELT cards of a header that say the same as its CD cards.

    Both in one header are against the standard (FITS 4.0, section 8.1.2), yet many archives write them. Where they
    agree, CD alone says it to every reader; where they do not, nothing is named here: that is not ours to judge.

    Returns
    -------
    tuple of str
        Keywords that can go.
    """
    doubled: list[str] = []
    pcs = dict.fromkeys(keyword for keyword in header if _PC.fullmatch(keyword))
    for version in dict.fromkeys(keyword[5:] for keyword in pcs):
        cd, pc = (_matrix(header, name, version) for name in ("CD", "PC"))
        if cd is None or pc is None:
            continue
        steps = [_number(header, f"CDELT{i}{version}", 1.0) for i in (1, 2)]
        pc = np.array(steps)[:, None] * pc
        if np.abs(pc - cd).max() <= 1e-11 * np.abs(cd).max():
            doubled += [keyword for keyword in pcs if keyword[5:] == version]
            doubled += [f"CDELT{i}{version}" for i in (1, 2) if f"CDELT{i}{version}" in header]
    return tuple(doubled)


def _matrix(header: Header, name: str, version: str) -> NDArray[np.float64] | None:
    """Return CD or PC of axes 1 and 2 with the standard's defaults; None where no card speaks of it."""
    keywords = [[f"{name}{i}_{j}{version}" for j in (1, 2)] for i in (1, 2)]
    if not any(keyword in header for row in keywords for keyword in row):
        return None
    unit = 1.0 if name == "PC" else 0.0
    return np.array(
        [
            [_number(header, k, unit if i == j else 0.0) for j, k in enumerate(row)]
            for i, row in enumerate(keywords)
        ]
    )


def _number(header: Header, keyword: str, default: float) -> float:
    value = header.get(keyword)
    return float(value) if isinstance(value, int | float) else default


def science_cards(header: Header, without: Collection[str] = ()) -> str:
    """Cards of a science header that stay: the astronomy, HISTORY, COMMENT and whatever is not known.

    Parameters
    ----------
    header : astropy.io.fits.Header
        Resampled header.
    without : collection of str
        Keywords to leave out.

    Returns
    -------
    str
        80 characters a card, WCSAXES first, as the standard wants it (section 8.2). HIERARCH cards, and cards that
        break the standard, become COMMENT; numbers that are not finite become undefined values.
    """
    with collected_warnings():  # of cards that break the standard, which are mended here
        text = header.tostring(sep="", endcard=False, padding=False)
    first: list[str] = []
    kept: list[str] = []
    dropping = False
    of_lensproc = "LPVER" in header
    for start in range(0, len(text), 80):
        line = text[start : start + 80]
        keyword = line[:8].rstrip()
        if keyword == "CONTINUE":
            if not dropping:
                kept.append(line)
            continue
        dropping = False
        if keyword in ("HISTORY", "COMMENT", ""):
            kept.append(line if line.isascii() and line.isprintable() else ascii_text(line)[:80].ljust(80))
        elif (
            keyword in _STRUCTURE
            or _STRUCTURE_PATTERN.fullmatch(keyword)
            or (of_lensproc and _EARLIER_RUN.fullmatch(keyword))
            or keyword in without
        ):
            dropping = True
        elif _NOT_FINITE.match(line[8:]) and _KEYWORD.fullmatch(line[:8]):
            kept.append(card(keyword, None))
        elif line[8:10] == "= " and _KEYWORD.fullmatch(line[:8]) and _VALUE.fullmatch(line[10:]):
            line = line if line.isascii() and line.isprintable() else ascii_text(line)[:80].ljust(80)
            (first if _AXES.fullmatch(keyword) else kept).append(line)
        else:
            dropping = True
            kept.append(history(line.removeprefix("HIERARCH ").rstrip(), "COMMENT"))
    return "".join(first + kept)


def sky_cards(header: Header) -> str:
    """Only the cards of the primary celestial WCS, for planes that lie on the same sky."""
    without = doubled_matrix(header)
    keywords = dict.fromkeys(k for k in header if _WCS.match(k) and k not in without)
    # of repeated cards the last counts, as for wcslib
    values = {keyword: header[keyword, header.count(keyword) - 1] for keyword in keywords}
    return "".join(
        card(keyword, value)
        for keyword, value in sorted(values.items(), key=lambda item: item[0] != "WCSAXES")
        if isinstance(value, bool | int | float | str)
    )
