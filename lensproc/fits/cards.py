"""Which cards of an input's header go into an output, as text: fast also for tens of thousands of cards."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

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
_WCS = re.compile(
    r"(WCSAXES|WCSNAME|CTYPE\d|CUNIT\d|CRVAL\d|CRPIX\d|CDELT\d|CROTA\d|CD\d_\d|PC\d_\d|PV\d_\d+|LONPOLE|LATPOLE|"
    r"CD00\d00\d|PC00\d00\d|RADESYS|RADECSYS|EQUINOX|[AB]P?_(ORDER|DMAX|\d_\d)|EPOCH)$"
)


def science_cards(header: Header) -> str:
    """Cards of a science header that stay: the astronomy, HISTORY, COMMENT and whatever is not known.

    Parameters
    ----------
    header : astropy.io.fits.Header
        Resampled header.

    Returns
    -------
    str
        80 characters a card. HIERARCH cards, and cards that break the standard, become COMMENT; numbers that are
        not finite become undefined values.
    """
    with collected_warnings():  # of cards that break the standard, which are mended here
        text = header.tostring(sep="", endcard=False, padding=False)
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
        ):
            dropping = True
        elif _NOT_FINITE.match(line[8:]) and _KEYWORD.fullmatch(line[:8]):
            kept.append(card(keyword, None))
        elif line[8:10] == "= " and _KEYWORD.fullmatch(line[:8]) and _VALUE.fullmatch(line[10:]):
            kept.append(line if line.isascii() and line.isprintable() else ascii_text(line)[:80].ljust(80))
        else:
            dropping = True
            kept.append(history(line.removeprefix("HIERARCH ").rstrip(), "COMMENT"))
    return "".join(kept)


def sky_cards(header: Header) -> str:
    """Only the cards of the primary celestial WCS, for planes that lie on the same sky."""
    keywords = dict.fromkeys(keyword for keyword in header if _WCS.match(keyword))
    # of repeated cards the last counts, as for wcslib
    values = {keyword: header[keyword, header.count(keyword) - 1] for keyword in keywords}
    return "".join(
        card(keyword, value)
        for keyword, value in values.items()
        if isinstance(value, bool | int | float | str)
    )
