"""What one output file holds, as far as the page shows it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lensproc.cutout import DistortionTable
from lensproc.enhanced import Activity, Scalar
from lensproc.errors import InputError
from lensproc.fits.opening import open_fits
from lensproc.fits.provenance import activities_of, latest_run

if TYPE_CHECKING:
    from astropy.io.fits import Header

Array = NDArray[np.float64]
_CHANCE = re.compile(r"p=([0-9.eE+-]+)")


@dataclass(frozen=True)
class Source:
    """A row of ``SOURCES``.

    Parameters
    ----------
    x, y : float
        Zero-based position in the input [px].
    verdict : str
        ``MATCHED``, ``RESOLVED``, ``AMBIG``, ``HALLUC`` or ``LOST``.
    values : mapping of str to float, int, str, bool or None
        All columns.
    """

    x: float
    y: float
    verdict: str
    values: Mapping[str, Scalar]


@dataclass(frozen=True)
class Output:
    """An output file.

    Parameters
    ----------
    primary : mapping of str to float, int, str, bool or None
        Keywords of PRIMARY.
    chance : float or None
        Chance of the largest residual peak, as the comment of QACHIP gives it.
    image : ndarray, shape (s ny, s nx)
        SCI as surface brightness per input pixel, so that its values compare with the input's.
    sigma : ndarray, shape (s ny, s nx), or None
        ERR in the unit of SCI.
    fidelity : ndarray, shape (ny, nx), or None
        FIDELITY [σ].
    header : astropy.io.fits.Header
        Of SCI.
    distortion : tuple of DistortionTable
        Look-up tables that the header refers to.
    sources : tuple of Source
        SOURCES; empty where the file has none.
    reading : Activity
        Row 0 of the latest run.
    stages, checks : tuple of Activity
        Its stages, and its checks.
    dropped : tuple of str
        HISTORY lines on what was not carried over.
    """

    primary: Mapping[str, Scalar]
    chance: float | None
    image: Array
    sigma: Array | None
    fidelity: Array | None
    header: Header
    distortion: tuple[DistortionTable, ...]
    sources: tuple[Source, ...]
    reading: Activity
    stages: tuple[Activity, ...]
    checks: tuple[Activity, ...]
    dropped: tuple[str, ...]

    @property
    def scale(self) -> int:
        """Output pixels per input pixel."""
        return round(float(self.primary.get("LPSCALE") or 1))

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx) of the input."""
        ny, nx = self.image.shape
        return ny // self.scale, nx // self.scale

    @property
    def record(self) -> Mapping[str, Any]:
        """What the reading recorded: HDU, options of the user, resolved properties with their sources."""
        found = json.loads(self.reading.options)
        return found if isinstance(found, dict) else {}

    def resolved(self, name: str) -> tuple[Any, str]:
        """Value of a property and where it came from; (None, "unknown") where it is not recorded."""
        found = self.record.get("resolved", {}).get(name, {})
        return found.get("value"), found.get("source", "unknown")


def read_sources(path: Path) -> tuple[Source, ...]:
    """Read the ``SOURCES`` table alone.

    Raises
    ------
    InputError
        Where the file cannot be read.
    """
    return _sources(open_fits(path).hdus)


def read_output(path: Path) -> Output:
    """Read an output of lensproc.

    Raises
    ------
    InputError
        Where the file cannot be read, or is no output of lensproc.
    """
    return _output(open_fits(path).hdus, path.name)


def _output(hdus: Any, name: str) -> Output:
    run = latest_run(activities_of(hdus))
    if "SCI" not in hdus or run.reading is None:
        raise InputError("is no output of lensproc", file=name)
    header = hdus[0].header
    factor = float(header.get("LPFLUXCV") or 1.0)
    told = [str(line).removeprefix("lensproc: ") for line in header.get("HISTORY", [])]
    chance = _CHANCE.search(header.comments["QACHIP"]) if "QACHIP" in header else None
    return Output(
        primary={card.keyword: _plain(card.value) for card in header.cards if card.keyword},
        chance=float(chance.group(1)) if chance else None,
        image=hdus["SCI"].data.astype(np.float64) / factor,
        sigma=hdus["ERR"].data.astype(np.float64) if "ERR" in hdus else None,
        fidelity=hdus["FIDELITY"].data.astype(np.float64) if "FIDELITY" in hdus else None,
        header=hdus["SCI"].header.copy(),
        distortion=tuple(
            DistortionTable(hdu.name, hdu.ver, hdu.header.copy(), hdu.data.astype(np.float32))
            for hdu in hdus
            if hdu.name in ("WCSDVARR", "D2IMARR")
        ),
        sources=_sources(hdus),
        reading=run.reading,
        stages=run.stages,
        checks=run.checks,
        dropped=tuple(line for line in told if line.startswith("not carried over")),
    )


def _sources(hdus: Any) -> tuple[Source, ...]:
    if "SOURCES" not in hdus:
        return ()
    table = hdus["SOURCES"].data
    if not {"x", "y", "verdict"} <= set(table.names):
        return ()
    rows = ({name: _plain(row[name]) for name in table.names} for row in table)
    return tuple(
        Source(float(row["x"] or 0.0), float(row["y"] or 0.0), str(row["verdict"]).strip(), row)
        for row in rows
        if row["x"] is not None and row["y"] is not None
    )


def _plain(value: Any) -> Scalar:
    item = value.item() if isinstance(value, np.generic) else value
    if item is None or isinstance(item, bool | int | str):
        return item
    if isinstance(item, float):
        return item if np.isfinite(item) else None
    return None if type(item).__name__ == "Undefined" else str(item)
