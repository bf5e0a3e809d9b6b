"""Who did what to the pixels, with what: hashes, versions, times, and the ``LENSPROC`` table."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import platform
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lensproc.enhanced import Activity, Rows
from lensproc.errors import InputError, UsageError

if TYPE_CHECKING:
    from astropy.io.fits import HDUList

TABLE = "LENSPROC"
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "lensproc")
"""Namespace of run ids."""


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no spaces and ASCII only: equal values give equal texts.

    Examples
    --------
    >>> canonical_json({"b": 1.0, "a": [True, None]})
    '{"a":[true,null],"b":1.0}'
    """
    plain = dict(value) if isinstance(value, Mapping) else value
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


@lru_cache(maxsize=1)
def software_versions() -> str:
    """JSON of the versions that pixels can depend on: astropy, CUDA, numpy, python, torch."""
    import astropy
    import torch

    return canonical_json(
        {
            "astropy": astropy.__version__,
            "cuda": torch.version.cuda,
            "numpy": np.__version__,
            "python": platform.python_version(),
            "torch": str(torch.__version__),
        }
    )


def durations_are_zero() -> bool:
    """Tell whether SOURCE_DATE_EPOCH is set, so that files must not depend on the clock."""
    return bool(os.environ.get("SOURCE_DATE_EPOCH"))


def timestamp() -> str:
    """UTC in ISO 8601 to the second; the time of SOURCE_DATE_EPOCH where that is set.

    Raises
    ------
    UsageError
        Where SOURCE_DATE_EPOCH is no number of seconds since 1970.

    Examples
    --------
    >>> len(timestamp())
    19
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    utc = datetime.UTC
    try:
        when = datetime.datetime.fromtimestamp(int(epoch), utc) if epoch else datetime.datetime.now(utc)
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"SOURCE_DATE_EPOCH={epoch!r} is no time",
            remedy="set it to whole seconds since 1970, as date +%s prints them, or unset it",
        ) from None
    return when.strftime("%Y-%m-%dT%H:%M:%S")


def pixels_sha256(array: NDArray[Any]) -> str:
    """SHA-256 of pixels as little-endian float32 in C order, 64 hex digits."""
    return hashlib.sha256(np.ascontiguousarray(array, "<f4").tobytes()).hexdigest()


def run_id(input_sha256: str, config_sha256: str) -> str:
    """Name of a run: UUID version 5 (RFC 9562) of input and configuration."""
    return str(uuid.uuid5(NAMESPACE, f"{input_sha256}:{config_sha256}"))


_DESCRIPTIONS = {
    "STAGE": "0: reading; 1 to n: stages; n+1: checks",
    "ID": "stage",
    "KIND": "enhance, classify, physics or core",
    "DIST": "distribution the stage comes from",
    "DISTVER": "its version",
    "WEIGHTS": "weights file",
    "WSHA256": "SHA-256 of the weights",
    "OPTIONS": "options, canonical JSON",
    "NORM": "what undoes the normalisation, JSON",
    "INSHA": "SHA-256 of the pixels that went in",
    "T_START": "UTC",
    "ELAPSED": "time per cutout",
    "DEVICE": "where it ran",
    "DTYPE": "precision of the stage",
    "VERSIONS": "software, JSON",
    "SEED": "seed of the stage for this cutout",
    "STATUS": "OK or FAILED",
    "MESSAGE": "why, or what was assumed",
}


def activity_rows(activities: Sequence[Activity]) -> Rows:
    """Return activities as the columns of the ``LENSPROC`` table."""
    columns: dict[str, NDArray[Any]] = {}
    for field in fields(Activity):
        values = [getattr(activity, field.name) for activity in activities]
        kind = {"int": np.int64, "float": np.float64}.get(str(field.type), np.str_)
        columns[field.name.upper()] = np.array(values, dtype=kind)
    return Rows(columns, {"ELAPSED": "s"}, _DESCRIPTIONS)


def activities_of(hdus: HDUList) -> tuple[Activity, ...]:
    """Read the ``LENSPROC`` table of an open file; empty where it has none."""
    if TABLE not in hdus:
        return ()
    table = hdus[TABLE].data
    activities = []
    for row in table:
        values: dict[str, Any] = {}
        for field in fields(Activity):
            if field.name.upper() not in table.names:
                continue
            value = row[field.name.upper()]
            convert = {"int": int, "float": float}.get(str(field.type), str)
            values[field.name] = convert(value)
        activities.append(Activity(**values))
    return tuple(activities)


@dataclass(frozen=True)
class Run:
    """One run of lensproc as its rows tell it.

    Parameters
    ----------
    reading : Activity or None
        Row 0: what was read and how; None where none is recorded.
    stages : tuple of Activity
        Stages in order.
    checks : tuple of Activity
        Quality checks; empty where there were none.
    """

    reading: Activity | None
    stages: tuple[Activity, ...]
    checks: tuple[Activity, ...] = ()


def latest_run(activities: Sequence[Activity]) -> Run:
    """Split off the latest run of a history: an output that was enhanced again holds the rows of both."""
    starts = [i for i, activity in enumerate(activities) if activity.kind == "core" and activity.id == "read"]
    reading = activities[starts[-1]] if starts else None
    rows = activities[starts[-1] + 1 :] if starts else activities
    return Run(
        reading,
        stages=tuple(row for row in rows if row.kind != "core"),
        checks=tuple(row for row in rows if row.kind == "core" and row.id == "checks"),
    )


@dataclass(frozen=True)
class Provenance:
    """What a file says of its making.

    Parameters
    ----------
    activities : tuple of Activity
        Rows of all runs, oldest first.
    primary : mapping
        Keywords of the PRIMARY header with their values.
    """

    activities: tuple[Activity, ...]
    primary: Mapping[str, Any]


def read_provenance(path: str | os.PathLike[str]) -> Provenance:
    """Read what an output of lensproc says of its making.

    Raises
    ------
    InputError
        Where the file cannot be read or is not an output of lensproc.
    """
    from astropy.io import fits

    name = os.path.basename(os.fspath(path))
    try:
        with fits.open(path) as hdus:
            activities = activities_of(hdus)
            primary = {card.keyword: card.value for card in hdus[0].header.cards if card.keyword}
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", file=name) from None
    if not activities:
        raise InputError("has no LENSPROC table", file=name, remedy="only outputs of lensproc have one")
    return Provenance(activities, primary)
