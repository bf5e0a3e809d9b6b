"""The catalogue: one row per cutout, made anew from the ledger when a run ends."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lensproc.enhanced import Enhanced, Value
from lensproc.fits.atomic import atomic_write

if TYPE_CHECKING:
    from astropy.table import Table

NAME = "catalog.ecsv"
FIRST = ("LPINFILE", "LPOUT", "BAND", "RA", "DEC", "LPSCALE", "LPSTATUS")


def row_of(enhanced: Enhanced, output: str, center: tuple[float, float] | None) -> dict[str, Value]:
    """Columns of one cutout: names as in its header, then the checks, then what the stages say.

    Parameters
    ----------
    enhanced : Enhanced
        The result.
    output : str
        Base name of the output; empty where none is written.
    center : (float, float) or None
        RA and Dec of the centre [deg].
    """
    ra, dec = center if center is not None else (None, None)
    return {
        "LPINFILE": Value(enhanced.original.source.file, description="input file"),
        "LPOUT": Value(output, description="output file"),
        "BAND": Value(enhanced.original.band.value or "", description="filter"),
        "RA": Value(ra, unit="deg", description="right ascension of the image centre"),
        "DEC": Value(dec, unit="deg", description="declination of the image centre"),
        "LPSCALE": Value(enhanced.scale, description="output pixels per input pixel"),
        "LPSTATUS": Value(enhanced.status, description="OK, or PARTIAL where a stage failed"),
        **enhanced.qa,
        **enhanced.values,
    }


def build_catalogue(records: Iterable[Mapping[str, Any]]) -> Table:
    """Table of the cutouts that came out, the last record of each output winning.

    Parameters
    ----------
    records : iterable of mapping
        Lines of the ledger, oldest first.

    Returns
    -------
    astropy.table.Table
        Rows in order of input file and band; what a cutout lacks is masked.
    """
    from astropy.table import Column, MaskedColumn, Table

    rows: dict[tuple[str, str], bytes] = {}  # as JSON: a tenth of the memory of as many dicts
    about: dict[str, list[str]] = {}
    for record in records:
        about.update(record.get("columns", {}))
        for cutout in record["cutouts"]:
            if cutout["status"] != "FAILED":
                row = cutout["row"]
                order = [row["LPINFILE"], row["BAND"], row["LPOUT"]]
                key = (cutout["output"] or record["sha256"], cutout["hdu"])
                rows[key] = json.dumps([order, row]).encode()
    cells: dict[str, list[Any]] = {name: [] for name in FIRST}
    for count, text in enumerate(sorted(rows.values(), key=lambda text: json.loads(text)[0])):
        row = json.loads(text)[1]
        for name in row:
            cells.setdefault(name, [None] * count)
        for name, column_values in cells.items():
            column_values.append(row.get(name))
    rows.clear()
    table = Table()
    for name in list(cells):
        values = cells.pop(name)
        base = name.removesuffix("_ERR")
        unit, description = about.get(base, ("", ""))
        if base != name:
            description = f"1 sigma error of {base}"
        missing = [value is None for value in values]
        present = [value for value in values if value is not None]
        kind = _kind(present)
        data = np.array([_blank(kind) if value is None else kind(value) for value in values])
        column: Column = MaskedColumn(data, mask=missing) if any(missing) else Column(data)
        column.description = description or None
        column.unit = unit or None
        table[name] = column
    return table


def _kind(values: list[Any]) -> type:
    kinds = {type(value) for value in values}
    if kinds <= {bool} and kinds:
        return bool
    if kinds <= {bool, int} and kinds:
        return int
    if kinds <= {bool, int, float}:
        return float
    return str


def _blank(kind: type) -> Any:
    return "" if kind is str else kind(0)


def write_catalogue(records: Iterable[Mapping[str, Any]], folder: Path) -> None:
    """Write ``catalog.ecsv`` into a folder, replacing it in one step."""
    import io

    text = io.StringIO()
    build_catalogue(records).write(text, format="ascii.ecsv")
    atomic_write(folder / NAME, text.getvalue().encode())
