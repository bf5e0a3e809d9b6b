"""Binary tables as FITS bytes: fixed-width columns, header cards remembered from one file to the next."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensproc.enhanced import Rows
from lensproc.fits.serialise import ascii_text, card, hdu_bytes

_CODES = {"f8": "D", "f4": "E", "i8": "K", "i4": "J", "i2": "I", "u1": "B"}
_WIDER = {"i1": np.int16, "f2": np.float32}
"""Types that FITS lacks, and the next that holds their values."""


def table_bytes(rows: Rows, name: str, description: str = "") -> bytes:
    """Write a binary table extension with fixed-width columns (FITS 4.0, section 7.3).

    Raises
    ------
    TypeError
        For a column of a type that has no FITS code.
    """
    columns = {key: _table_column(_without_mask(values)) for key, values in rows.columns.items()}
    dtype = np.dtype([(key, stored.dtype, stored.shape[1:]) for key, (stored, _) in columns.items()])
    table = np.zeros(len(rows), dtype)
    for key, (stored, _) in columns.items():
        table[key] = stored
    cards = _table_cards(
        tuple(columns),
        tuple(form for _, form in columns.values()),
        tuple(rows.units.get(key, "") for key in columns),
        tuple(rows.descriptions.get(key, "") for key in columns),
        dtype.itemsize,
        len(rows),
        name,
        description,
    )
    return hdu_bytes(cards, table.tobytes())


def _without_mask(values: NDArray[Any]) -> NDArray[Any]:
    """Return a column as a plain array, masked numbers being NaN."""
    if values.dtype.kind in "iufb" and np.ma.getmaskarray(values).any():
        return np.where(np.ma.getmaskarray(values), np.nan, np.ma.getdata(values))
    return np.asarray(values)


def _table_column(values: NDArray[Any]) -> tuple[NDArray[Any], str]:
    """Return a column as it is stored, and its TFORM."""
    repeat = int(np.prod(values.shape[1:], dtype=int)) if values.ndim > 1 else 1
    if values.dtype.kind in "UO":
        if repeat != 1:
            raise TypeError("a column of words holds one word per row")
        texts = ["" if value is None else ascii_text(str(value)) for value in values.ravel().tolist()]
        width = max((len(text) for text in texts), default=1) or 1
        return np.array(texts, f"S{width}").reshape(values.shape), f"{width}A"
    prefix = str(repeat) if repeat != 1 else ""
    if values.dtype.kind == "b":
        return np.where(values, ord("T"), ord("F")).astype(np.uint8), f"{prefix}L"
    if values.dtype.kind == "u" and values.dtype.itemsize > 1:
        values = values.astype(np.int64)
    values = values.astype(_WIDER.get(values.dtype.str[1:], values.dtype))
    kind = values.dtype.str[1:]
    if kind not in _CODES:
        raise TypeError(f"a FITS table cannot hold a column of type {values.dtype}")
    return values.astype(values.dtype.newbyteorder(">")), f"{prefix}{_CODES[kind]}"


@lru_cache(maxsize=256)
def _table_cards(
    names: tuple[str, ...],
    formats: tuple[str, ...],
    units: tuple[str, ...],
    descriptions: tuple[str, ...],
    width: int,
    count: int,
    name: str,
    description: str,
) -> str:
    cards = [
        card("XTENSION", "BINTABLE", "binary table extension"),
        card("BITPIX", 8),
        card("NAXIS", 2),
        card("NAXIS1", width, "bytes per row"),
        card("NAXIS2", count, "rows"),
        card("PCOUNT", 0),
        card("GCOUNT", 1),
        card("TFIELDS", len(names), "columns"),
        card("EXTNAME", name, description),
    ]
    for i, (key, form, unit, text) in enumerate(
        zip(names, formats, units, descriptions, strict=True), start=1
    ):
        cards += [card(f"TTYPE{i}", key, text), card(f"TFORM{i}", form)]
        if unit:
            cards.append(card(f"TUNIT{i}", unit))
    return "".join(cards)
