"""FITS bytes from header cards and arrays, with checksums.

astropy builds and verifies a Python object per card and per column, which takes longer than everything else that
happens to a small cutout. The layouts written here are few and fixed, so their bytes are put together directly;
the tests have astropy and fitsverify read them back.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensproc.enhanced import Scalar, Value

BLOCK = 2880
_KEYWORD = re.compile(r"[A-Z0-9_-]{1,8}")
_LETTERS = str.maketrans(
    {
        "σ": "sigma",
        "χ": "chi",
        "Δ": "Delta",
        "θ": "theta",
        "″": "arcsec",
        "×": "x",
        "–": "-",
        "²": "^2",
        "°": "deg",
        "→": "->",
        "≥": ">=",
        "≤": "<=",
        "µ": "u",
        "μ": "mu",
        "’": "'",
        "…": "...",
    }
)


def ascii_text(text: str) -> str:
    """Return text in printable ASCII, the only letters that FITS allows; the rest becomes ``?``."""
    if text.isascii() and text.isprintable():
        return text
    plain = unicodedata.normalize("NFKD", text.translate(_LETTERS))
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    return "".join(c if " " <= c <= "~" else "?" if c not in "\n\t\r" else " " for c in plain)


def card(keyword: str, value: Scalar, comment: str = "") -> str:
    """Write one header card in fixed format (FITS 4.0, section 4.2), 80 characters or a multiple of it.

    Parameters
    ----------
    keyword : str
        At most 8 characters.
    value : float, int, str, bool or None
        None, and a float that is not finite, give an undefined value.
    comment : str
        Cut where the card is full.

    Examples
    --------
    >>> card("LPSCALE", 2.0, "output pixels per input pixel").rstrip()
    'LPSCALE =                  2.0 / output pixels per input pixel'
    """
    text = _value_text(value)
    if len(text) > 70:
        from astropy.io.fits import Card

        return str(Card(keyword, ascii_text(str(value))).image)  # CONTINUE convention, section 4.2.1.2
    line = f"{keyword:<8}= {text}"
    if comment and len(line) < 74:
        line = f"{line} / {ascii_text(comment)}"[:80]
    return line.ljust(80)


def _value_text(value: Scalar) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        quoted = ascii_text(value).replace("'", "''")
        text = f"'{quoted:<8}'"
        return text if len(text) > 70 else f"{text:<20}"
    if isinstance(value, bool | np.bool_):
        return f"{'T' if value else 'F':>20}"
    if isinstance(value, int | np.integer):
        return f"{int(value):>20}"
    number = float(value)
    if not math.isfinite(number):
        return ""
    text = repr(number).upper()
    if "E" in text and "." not in text:
        text = text.replace("E", ".0E")
    return f"{text:>20}"


def history(text: str, keyword: str = "HISTORY") -> str:
    """Write a HISTORY (or COMMENT) line, on several cards where it is long."""
    plain = ascii_text(text)
    parts = [plain[i : i + 72] for i in range(0, len(plain), 72)] or [""]
    return "".join(f"{keyword:<8}{part:<72}" for part in parts)


def datasum(data: bytes) -> int:
    """32-bit ones' complement sum of big-endian words (FITS 4.0, appendix J)."""
    total = int(np.frombuffer(data, ">u4").sum(dtype=np.uint64))
    return _fold(total)


def _fold(total: int) -> int:
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


_PUNCTUATION = frozenset([*range(0x3A, 0x41), *range(0x5B, 0x61)])


def encode_checksum(total: int) -> str:
    """Encode a sum's complement in 16 letters and digits (FITS 4.0, appendix J.2)."""
    value = 0xFFFFFFFF - total
    letters = [0] * 16
    for i in range(4):
        byte = value >> (24 - 8 * i) & 0xFF
        quarters = [byte // 4 + 0x30 + byte % 4, *[byte // 4 + 0x30] * 3]
        while any(q in _PUNCTUATION for q in quarters):
            for j in (0, 2):
                if quarters[j] in _PUNCTUATION or quarters[j + 1] in _PUNCTUATION:
                    quarters[j] += 1
                    quarters[j + 1] -= 1
        for j in range(4):
            letters[4 * j + i] = quarters[j]
    return "".join(map(chr, letters[-1:] + letters[:-1]))


def hdu_bytes(cards: str, data: bytes = b"", fill: bytes = b"\0") -> bytes:
    """Join header cards and data to an HDU with DATASUM and CHECKSUM, padded to blocks.

    Parameters
    ----------
    cards : str
        Header cards, 80 characters each, without END.
    data : bytes
        Big-endian data.
    fill : bytes
        What the last data block is filled with.
    """
    body = data + fill * (-len(data) % BLOCK)
    data_sum = datasum(body) if body else 0
    if "CONTINUE  '" in cards and "LONGSTRN=" not in cards:
        cards += card("LONGSTRN", "OGIP 1.0", "long strings go on in CONTINUE cards")
    head = cards + card("DATASUM", str(data_sum), "data unit checksum")
    zero = "CHECKSUM= '0000000000000000'   / HDU checksum".ljust(80)
    whole = f"{head}{zero}END"
    header = whole.ljust(-(-len(whole) // BLOCK) * BLOCK).encode("ascii")
    total = _fold(datasum(header) + data_sum)
    place = len(head) + 11
    return b"".join((header[:place], encode_checksum(total).encode(), header[place + 16 :], body))


def image_bytes(
    data: NDArray[Any], cards: str, name: str, unit: str | None = None, description: str = ""
) -> bytes:
    """Write an image extension; float32 as it is, uint32 by the BZERO convention (FITS 4.0, section 5.2.5).

    Parameters
    ----------
    data : ndarray, shape (..., ny, nx), float32 or uint32
        Pixels.
    cards : str
        Further header cards.
    name : str
        EXTNAME.
    unit : str, optional
        BUNIT.
    description : str
        Comment of EXTNAME.
    """
    unsigned = data.dtype == np.uint32
    head = [
        card("XTENSION", "IMAGE", "image extension"),
        card("BITPIX", 32 if unsigned else -32, "bits per pixel"),
        card("NAXIS", data.ndim, "number of axes"),
        *(card(f"NAXIS{i}", side) for i, side in enumerate(reversed(data.shape), start=1)),
        card("PCOUNT", 0),
        card("GCOUNT", 1),
        card("EXTNAME", name, description),
    ]
    if unsigned:
        head += [card("BZERO", 2147483648, "unsigned integers"), card("BSCALE", 1)]
        stored = (data ^ np.uint32(0x80000000)).view(np.int32).astype(">i4")
    else:
        stored = np.asarray(data, np.float32).astype(">f4")
    if unit is not None:
        head.append(card("BUNIT", unit))
    return hdu_bytes("".join(head) + cards, stored.tobytes())


def join_cards(items: Iterable[tuple[str, Scalar, str]]) -> str:
    """Write several (keyword, value, comment) cards."""
    return "".join(card(*item) for item in items)


def value_cards(values: Mapping[str, Value], taken: Collection[str] = ()) -> str:
    """Write `Value` objects as cards by keyword, each with its error under the keyword's error name.

    Parameters
    ----------
    values : mapping of str to Value
        By keyword.
    taken : collection of str
        Keywords that the header has already.

    Raises
    ------
    ValueError
        For a name that is no FITS keyword (FITS 4.0, section 4.1.2.1), or one that is taken.
    """
    used = {*taken, *values}
    cards = []
    for keyword, value in values.items():
        if not _KEYWORD.fullmatch(keyword):
            raise ValueError(f"{keyword!r} is no keyword: 1 to 8 of A-Z, 0-9, hyphen and underscore")
        if keyword in taken:
            raise ValueError(f"{keyword} is a keyword of the core, a stage cannot give it")
        unit = f"[{value.unit}] " if value.unit else ""
        cards.append(card(keyword, value.value, unit + value.description))
        if value.error is not None:
            name = error_keyword(keyword, used)
            used.add(name)
            cards.append(card(name, value.error, f"{unit}1 sigma error of {keyword}"))
    return "".join(cards)


def error_keyword(keyword: str, taken: Collection[str] = ()) -> str:
    """Keyword of a value's error: LP becomes LE, and other names get E_ before their first six letters.

    Where that is taken, a number from 2 replaces the last letters.

    Examples
    --------
    >>> error_keyword("LPTHETAE"), error_keyword("MYVALUE"), error_keyword("MYVALUE2", {"E_MYVALU"})
    ('LETHETAE', 'E_MYVALU', 'E_MYVAL2')
    """
    name = f"LE{keyword[2:]}" if keyword.startswith("LP") else f"E_{keyword[:6]}"
    number, start = 1, name
    while name in taken:
        number += 1
        name = f"{start[: 8 - len(str(number))]}{number}"
    return name
