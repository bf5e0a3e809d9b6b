"""From a path to an open ``HDUList``: compression, and everything that can be wrong with a file as such."""

from __future__ import annotations

import bz2
import errno
import gzip
import hashlib
import io
import os
import re
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lensproc.errors import InputError
from lensproc.fits.dialects.planes import Headers

if TYPE_CHECKING:
    from astropy.io.fits import HDUList

BLOCK = 2880
_END = b"END" + b" " * 77
_NOT_FITS = re.compile(rb"[^\x20-\x7e]")
_SIZE_CARD = re.compile(rb"(BITPIX|NAXIS\d*|PCOUNT|GCOUNT|GROUPS) *= *([-+]?\d+|[TF])")
_DAMAGED = "fetch the file again"
_HARMLESS = ("Invalid 'BLANK' keyword",)
"""Warnings of astropy about what makes no difference here: BLANK where the pixels are no integers."""
_WARNINGS = threading.RLock()


@dataclass(frozen=True)
class Opened:
    """A file's HDUs and what is known of the file itself.

    Parameters
    ----------
    hdus : astropy.io.fits.HDUList
        With pixels as stored, not yet scaled.
    headers : Headers
        Theirs.
    sha256 : str
        Of the file's bytes as they lie on disk.
    content : bytes
        The FITS bytes, decompressed.
    spans : tuple of (int, int)
        Where the data of each HDU lies in `content`, padding included.
    warnings : tuple of str
        What is odd about the file.
    """

    hdus: HDUList
    headers: Headers
    sha256: str
    content: bytes
    spans: tuple[tuple[int, int], ...]
    warnings: tuple[str, ...] = ()


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """Collect the words of warnings instead of showing them.

    The filters of the warnings module belong to the whole process, so blocks are kept short and one at a time.
    """
    words: list[str] = []
    with _WARNINGS, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield words
        words.extend(dict.fromkeys(" ".join(str(one.message).split()) for one in caught))


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a file.

    Raises
    ------
    InputError
        For a file that is missing, a folder, unreadable or empty.
    """
    name = os.path.basename(os.fspath(path).rstrip("/\\")) or os.fspath(path)
    try:
        with open(path, "rb") as stream:
            content = stream.read()
    except FileNotFoundError:
        raise InputError("no such file", file=name, remedy="check the path") from None
    except IsADirectoryError:
        raise InputError("is a folder", file=name, remedy="give the files in it, as FOLDER/*.fits") from None
    except PermissionError:
        if os.path.isdir(path):  # what Windows says of a folder
            raise InputError(
                "is a folder", file=name, remedy="give the files in it, as FOLDER/*.fits"
            ) from None
        raise InputError("may not be read", file=name, remedy="check its permissions") from None
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        remedy = _DAMAGED if getattr(error, "errno", None) == errno.EIO else "check the path"
        raise InputError(f"cannot be read: {reason}", file=name, remedy=remedy) from None
    if not content:
        raise InputError("is empty (0 bytes)", file=name, remedy=_DAMAGED)
    return content


def decompress(content: bytes, name: str) -> bytes:
    """Undo gzip or bzip2, recognised by their first bytes, whatever the file is called.

    Raises
    ------
    InputError
        Where the compressed bytes end early or are damaged.
    """
    try:
        if content[:2] == b"\x1f\x8b":
            return gzip.decompress(content)
        if content[:3] == b"BZh":
            return bz2.decompress(content)
    except EOFError:
        raise InputError("ends within its compressed data (truncated)", file=name, remedy=_DAMAGED) from None
    except (OSError, ValueError, zlib.error) as error:
        reason = "ended before" if "ended before" in str(error) else ""
        what = "ends within its compressed data (truncated)" if reason else f"cannot be decompressed: {error}"
        raise InputError(what, file=name, remedy=_DAMAGED) from None
    return content


def scan(content: bytes, name: str) -> tuple[list[tuple[int, int]], int, list[str]]:
    """Find the HDUs by their headers' own account of sizes (FITS 4.0, sections 3 and 4.4.1).

    Parameters
    ----------
    content : bytes
        FITS bytes.
    name : str
        File name, for messages.

    Returns
    -------
    spans : list of (start, stop)
        Bytes of each HDU's data, padding included.
    end : int
        Where the last HDU ends.
    warnings : list of str
        What is odd.

    Raises
    ------
    InputError
        Where the bytes are no FITS file, or end before the headers say.
    """
    if content[:9] != b"SIMPLE  =":
        raise InputError(
            "is not a FITS file (does not begin with SIMPLE)", file=name, remedy="give a FITS image"
        )
    spans: list[tuple[int, int]] = []
    position, total = 0, len(content)
    while position < total:
        if position and content[position : position + 9] not in (b"XTENSION=", b"SIMPLE  ="):
            rest = content[position:]
            words = [f"{len(rest)} bytes after the last HDU were ignored"] if rest.strip(b"\0 ") else []
            return spans, position, words
        end = _end_card(content, position)
        if end < 0:
            raise InputError(
                f"the header of HDU {len(spans)} has no end (truncated)", file=name, remedy=_DAMAGED
            )
        start = position + -(-(end - position) // BLOCK) * BLOCK
        size = _data_size(content[position : min(end, position + 4 * BLOCK)], name, len(spans))
        if start + size > total:
            has = max(total - start, 0)
            raise InputError(
                f"truncated: HDU {len(spans)} should hold {size} bytes of data and holds {has}",
                file=name,
                remedy=_DAMAGED,
            )
        position = start + -(-size // BLOCK) * BLOCK
        spans.append((start, position))
    return spans, position, []


def _end_card(content: bytes, start: int) -> int:
    """Return where the header that begins at `start` ends; -1 where it does not."""
    found = content.find(_END, start)
    while found >= 0 and (found - start) % 80:
        found = content.find(_END, found + 1)
    return -1 if found < 0 else found + 80


def _with_printable_headers(content: bytes, spans: list[tuple[int, int]]) -> tuple[bytes, list[str]]:
    """Put ? for the bytes that FITS does not allow in a header (FITS 4.0, section 3.3.1), and say so."""
    words: list[str] = []
    begin = 0
    for number, (start, stop) in enumerate(spans):
        if _NOT_FITS.search(content, begin, _end_card(content, begin)):
            head = _NOT_FITS.sub(b"?", content[begin:start])
            content = b"".join((content[:begin], head, content[start:]))
            words.append(f"the header of HDU {number} holds bytes that are no printable ASCII: replaced by ?")
        begin = stop
    return content, words


def _data_size(head: bytes, name: str, number: int) -> int:
    cards: dict[bytes, bytes] = {}
    for i in range(0, len(head), 80):
        match = _SIZE_CARD.match(head, i, i + 80)
        if match:
            cards.setdefault(match[1], match[2])
    try:
        bits, naxis = abs(int(cards[b"BITPIX"])), int(cards[b"NAXIS"])
        sides = [int(cards[b"NAXIS%d" % i]) for i in range(1, naxis + 1)]
    except (KeyError, ValueError):
        raise InputError(
            f"the header of HDU {number} lacks BITPIX, NAXIS or an NAXISn", file=name, remedy=_DAMAGED
        ) from None
    if min(sides, default=0) < 0 or bits not in (8, 16, 32, 64):
        raise InputError(
            f"HDU {number} has BITPIX {bits} and axes {sides}, which FITS does not know",
            file=name,
            remedy=_DAMAGED,
        )
    if cards.get(b"GROUPS") == b"T" and sides and sides[0] == 0:
        sides = sides[1:]
    pixels = 1 if sides else 0
    for side in sides:
        pixels *= side
    return bits // 8 * int(cards.get(b"GCOUNT", b"1")) * (int(cards.get(b"PCOUNT", b"0")) + pixels)


def open_fits(path: str | os.PathLike[str]) -> Opened:
    """Open a FITS file from one read of its bytes.

    Raises
    ------
    InputError
        For anything that keeps it from being read as FITS.
    """
    return open_bytes(read_bytes(path), os.path.basename(os.fspath(path)))


def open_bytes(raw: bytes, name: str) -> Opened:
    """Open the bytes of a FITS file; `name` is for messages.

    Raises
    ------
    InputError
        As `open_fits`.
    """
    from astropy.io import fits

    content = decompress(raw, name)
    spans, end, words = scan(content, name)
    content, replaced = _with_printable_headers(content, spans)
    words += replaced
    if len(content) != end:
        content = content[:end].ljust(end, b"\0")
    try:
        with collected_warnings() as odd:
            hdus = fits.open(
                io.BytesIO(content), memmap=False, do_not_scale_image_data=True, lazy_load_hdus=False
            )
            headers = Headers.of(hdus)
    # AttributeError: astropy's stand-ins for HDUs that it gives up on have no shape
    except (AttributeError, OSError, ValueError, KeyError, TypeError, fits.VerifyError) as error:
        raise InputError(
            f"is not a valid FITS file: {' '.join(str(error).split())}", file=name, remedy=_DAMAGED
        ) from None
    said = [text for text in odd if not any(harmless in text for harmless in _HARMLESS)]
    return Opened(hdus, headers, hashlib.sha256(raw).hexdigest(), content, tuple(spans), (*words, *said))
