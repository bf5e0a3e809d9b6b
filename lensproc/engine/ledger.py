"""The ledger: one line of JSON per file as it ends, only ever appended to."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lensproc.contract.context import CutoutResult, FileResult
from lensproc.enhanced import Value
from lensproc.errors import OutputError

NAME = "ledger.jsonl"


def to_line(result: FileResult, config_sha256: str, time: str, known_columns: set[str]) -> str:
    """Write a result as one line of JSON.

    Parameters
    ----------
    result : FileResult
        What became of a file.
    config_sha256 : str
        Of the configuration it was made with.
    time : str
        When it ended, UTC, ISO 8601.
    known_columns : set of str
        Columns whose unit and description were written before; changed in place.
    """
    columns: dict[str, list[str]] = {}
    cutouts = []
    for cutout in result.cutouts:
        row: dict[str, Any] = {}
        for name, value in cutout.row.items():
            row[name] = value.value
            if value.error is not None:
                row[f"{name}_ERR"] = value.error
            if name not in known_columns:
                known_columns.add(name)
                columns[name] = [value.unit, value.description]
        cutouts.append(
            {
                "hdu": cutout.hdu,
                "band": cutout.band,
                "status": cutout.status,
                "output": cutout.output,
                "message": cutout.message,
                "row": row,
            }
        )
    record: dict[str, Any] = {
        "file": os.path.basename(result.file),
        "sha256": result.sha256,
        "config": config_sha256,
        "status": result.status,
        "message": result.message,
        "seconds": round(result.seconds, 6),
        "time": time,
        "cutouts": cutouts,
    }
    if columns:
        record["columns"] = columns
    return json.dumps(record, separators=(",", ":"), allow_nan=False)


def from_record(record: Mapping[str, Any], path: str | None = None) -> FileResult:
    """Rebuild a result from a line's record; units and descriptions only where the line has them."""
    columns = record.get("columns", {})
    cutouts = []
    for entry in record["cutouts"]:
        row = {
            name: Value(value, entry["row"].get(f"{name}_ERR"), *columns.get(name, ("", "")))
            for name, value in entry["row"].items()
            if not name.endswith("_ERR")
        }
        fields = {key: entry[key] for key in ("hdu", "band", "status", "output", "message")}
        cutouts.append(CutoutResult(**fields, row=row))
    return FileResult(
        path or record["file"],
        record["status"],
        record["sha256"],
        record["message"],
        record["seconds"],
        tuple(cutouts),
    )


class Ledger:
    """The ledger of an output folder.

    Parameters
    ----------
    folder : Path
        Output folder; it exists.

    Raises
    ------
    OutputError
        Where the ledger cannot be opened for appending.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        try:
            self._file = self.path.open("ab", buffering=0)
            if self._file.tell() and self._last_byte() != b"\n":
                self._file.write(b"\n")  # a run was killed in the middle of a line
        except OSError as error:
            raise OutputError(
                f"{NAME} cannot be written: {error.strerror}", remedy="choose another folder with -o"
            ) from None

    def _last_byte(self) -> bytes:
        with self.path.open("rb") as stream:
            stream.seek(-1, os.SEEK_END)
            return stream.read(1)

    def append(self, line: str) -> None:
        """Append one line in one write.

        Raises
        ------
        OutputError
            Where the disk is full, say.
        """
        try:
            self._file.write(line.encode() + b"\n")
        except OSError as error:
            raise OutputError(
                f"{NAME} cannot be written: {error.strerror}", remedy="free some space"
            ) from None

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield the record of each whole line; a line cut short by a kill is passed over."""
        with self.path.open("rb") as stream:
            for line in stream:
                try:
                    record = json.loads(line)
                except ValueError:
                    continue
                if isinstance(record, dict) and "cutouts" in record:
                    yield record

    def done(self, config_sha256: str) -> dict[tuple[str, str], dict[str, Any]]:
        """Return the records of finished files by (base name, SHA-256), of one configuration."""
        return {
            (record["file"], record["sha256"]): record
            for record in self.records()
            if record["config"] == config_sha256 and record["status"] == "OK"
        }

    def close(self) -> None:
        """Close the file."""
        self._file.close()
