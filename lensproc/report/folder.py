"""A run folder as it lies on disk: the catalogue's rows, and what the ledger says of failures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lensproc.enhanced import Scalar
from lensproc.errors import InputError

CATALOGUE, LEDGER = "catalog.ecsv", "ledger.jsonl"


@dataclass(frozen=True)
class Entry:
    """One cutout of a run: a row of the catalogue.

    Parameters
    ----------
    values : mapping of str to float, int, str, bool or None
        By column name; a column's error stands under its name with ``_ERR``; None for what is masked.
    """

    values: Mapping[str, Scalar]

    def text(self, name: str) -> str:
        """Value of a column as text; empty where it has none."""
        value = self.values.get(name)
        return "" if value is None else str(value)

    def number(self, name: str) -> float | None:
        """Value of a column as a number; None where it has none."""
        value = self.values.get(name)
        return None if value is None or isinstance(value, str) else float(value)

    @property
    def label(self) -> str:
        """What to call it: the input's base name, with the band where it has one."""
        band = self.text("BAND")
        return f"{self.text('LPINFILE')} [{band}]" if band else self.text("LPINFILE")


@dataclass(frozen=True)
class Failure:
    """A file of which something failed.

    Parameters
    ----------
    file : str
        Base name of the input.
    status : str
        ``FAILED`` (nothing came out) or ``PARTIAL``.
    reasons : tuple of str
        One line per failure.
    time : str
        When it ended, UTC.
    """

    file: str
    status: str
    reasons: tuple[str, ...]
    time: str


@dataclass(frozen=True)
class RunFolder:
    """What a run left behind.

    Parameters
    ----------
    path : Path
        The folder.
    entries : tuple of Entry
        In the order of the catalogue.
    columns : mapping of str to (str, str)
        Unit and description of each column.
    failures : tuple of Failure
        In the order of the ledger; a file that came out later is no failure.
    assumed : mapping of str to str
        Output's base name to what had to be assumed for it.
    notes : tuple of str
        What is missing from the folder.
    """

    path: Path
    entries: tuple[Entry, ...]
    columns: Mapping[str, tuple[str, str]]
    failures: tuple[Failure, ...] = ()
    assumed: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_run(path: Path) -> RunFolder:
    """Read the catalogue and the ledger of a run folder.

    Parameters
    ----------
    path : Path
        Output folder of ``lensproc run``.

    Raises
    ------
    InputError
        Where the folder has neither, or the catalogue cannot be read.

    Notes
    -----
    The rows are the catalogue's, so that a selection saved over it in TOPCAT is what is shown; a run that was
    killed before it wrote one is shown from its ledger.
    """
    if not path.is_dir():
        raise InputError("is no folder", file=path.name, remedy="name the output folder of `lensproc run`")
    catalogue, ledger = path / CATALOGUE, path / LEDGER
    if not catalogue.is_file() and not ledger.is_file():
        raise InputError(
            f"holds neither {CATALOGUE} nor {LEDGER}",
            file=path.name,
            remedy="name the output folder of `lensproc run`",
        )
    records = list(_records(ledger)) if ledger.is_file() else []
    notes = [] if ledger.is_file() else [f"no {LEDGER}: failures are not known"]
    if catalogue.is_file():
        entries, columns = _from_catalogue(catalogue)
    else:
        entries, columns = _from_records(records)
        notes.append(f"no {CATALOGUE}, the run did not end: rows are the ledger's")
    return RunFolder(
        path, tuple(entries), columns, tuple(_failures(records)), _assumed(records), tuple(notes)
    )


def _records(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as stream:
        for line in stream:
            try:
                record = json.loads(line)
            except ValueError:  # cut short by a kill
                continue
            if isinstance(record, dict) and "cutouts" in record:
                yield record


def _from_catalogue(path: Path) -> tuple[list[Entry], dict[str, tuple[str, str]]]:
    from astropy.table import Table

    try:
        table = Table.read(path, format="ascii.ecsv")
    except Exception as error:  # astropy's readers raise what their parsers raise
        raise InputError(f"cannot be read: {' '.join(str(error).split())}", file=path.name) from None
    columns = {
        name: (str(table[name].unit or ""), str(table[name].description or "")) for name in table.colnames
    }
    entries = []
    for row in table:
        entries.append(Entry({name: _plain(row[name]) for name in table.colnames}))
    return entries, columns


def _plain(value: Any) -> Scalar:
    if value is np.ma.masked:
        return None
    item = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(item, float) and not np.isfinite(item) else item


def _from_records(records: list[dict[str, Any]]) -> tuple[list[Entry], dict[str, tuple[str, str]]]:
    rows: dict[tuple[str, str], Entry] = {}
    columns: dict[str, tuple[str, str]] = {}
    for record in records:
        for name, (unit, description) in record.get("columns", {}).items():
            columns[name] = (unit, description)
        for cutout in record["cutouts"]:
            if cutout["status"] != "FAILED":
                rows[cutout["output"] or record["sha256"], cutout["hdu"]] = Entry(cutout["row"])
    return list(rows.values()), columns


def _failures(records: list[dict[str, Any]]) -> Iterator[Failure]:
    latest: dict[tuple[str, str], dict[str, Any]] = {}
    for record in records:
        if record["status"] == "OK":
            latest.pop((record["file"], ""), None)  # it could not even be read before
        latest[record["file"], record["sha256"]] = record
    for record in latest.values():
        if record["status"] in ("FAILED", "PARTIAL"):
            reasons = [record["message"]] if record["message"] else []
            reasons += [c["message"] for c in record["cutouts"] if c["status"] == "FAILED" and c["message"]]
            lines = dict.fromkeys(reason.removeprefix(f"{record['file']}: ") for reason in reasons)
            yield Failure(record["file"], record["status"], tuple(lines), record["time"])


def _assumed(records: list[dict[str, Any]]) -> dict[str, str]:
    return {
        cutout["output"]: cutout["message"]
        for record in records
        for cutout in record["cutouts"]
        if cutout["output"] and cutout["status"] != "FAILED"
    }
