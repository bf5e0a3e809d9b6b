"""``ID.calibration.json``: the calibrations of a stage by their options, and whether they still hold."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace

from lensproc.cutout import Cutout
from lensproc.enhanced import Enhanced
from lensproc.errors import UsageError
from lensproc.qc.calibration import Calibration, Probe, measure_calibration
from lensproc.qc.error_calibration import measure_conformal

SCHEMA = 1

PROBE_FWHM, PROBE_LAG, PROBE_SIZE = 3.0, 0.25, 40

PROBE_TOLERANCE = 1e-3
"""Largest relative change of a probe: other processors and libraries change the last digits only."""

Options = Mapping[str, bool | int | float | str]


def options_sha256(options: Options) -> str:
    """SHA-256 of the canonical JSON (sorted keys, no spaces) of a stage's options."""
    text = json.dumps(dict(options), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def read_calibrations(text: str) -> dict[str, Calibration]:
    """Calibrations of a file's text by the SHA-256 of their options; see `calibrations_to_text`.

    Raises
    ------
    UsageError
        Where the text is no calibration file of a schema known here.
    """
    try:
        record = json.loads(text)
        schema, entries = record["schema"], record["calibrations"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise UsageError(f"calibration file cannot be read: {type(error).__name__}: {error}") from None
    if schema != SCHEMA:
        raise UsageError(
            f"calibration file has schema {schema}, expected {SCHEMA}", remedy="run lensproc calibrate"
        )
    return {key: Calibration.from_json(entry) for key, entry in entries.items()}


def calibrations_to_text(stage: str, calibrations: Mapping[str, Calibration]) -> str:
    """Text of ``ID.calibration.json``: one entry per set of options, keys sorted, a line feed at the end."""
    record = {
        "schema": SCHEMA,
        "stage": stage,
        "calibrations": {key: entry.to_json() for key, entry in calibrations.items()},
    }
    return json.dumps(record, indent=1, sort_keys=True) + "\n"


def find_calibration(text: str, options: Options, version: str) -> Calibration | None:
    """Find the calibration of a stage in the text of a calibration file.

    Parameters
    ----------
    text : str
        Of the file.
    options : mapping
        Every option of the stage with its value.
    version : str
        Version of the stage.

    Returns
    -------
    Calibration or None
        None where the file holds none for these options, or one of another version of the stage.

    Raises
    ------
    UsageError
        Where the text is no calibration file of a schema known here.
    """
    found = read_calibrations(text).get(options_sha256(options))
    return found if found is not None and found.version == version else None


def to_keep(
    calibration: Calibration, options: Options, version: str, effort: Mapping[str, int], probe: Probe
) -> Calibration:
    """Add to a calibration what it is kept by: options, version of the stage, effort, probe."""
    return replace(
        calibration,
        options_sha256=options_sha256(options),
        options=dict(options),
        version=version,
        effort=dict(effort),
        probe=probe,
    )


def measure_probe(
    enhance: Callable[[Sequence[Cutout]], Sequence[Cutout]],
    results: Callable[[Sequence[Cutout]], Sequence[Enhanced]],
) -> Probe:
    """Measure the small part of a calibration by which a stale one is known: 3 blanks and a scene of 40 px.

    Parameters
    ----------
    enhance : callable
        Sequence of cutouts to enhanced cutouts in the same order.
    results : callable
        The same, to results.
    """
    blanks = measure_calibration(enhance, fwhms=(PROBE_FWHM,), lags=(PROBE_LAG,), blanks=2, size=PROBE_SIZE)
    conformal = measure_conformal(results, scenes=1, size=PROBE_SIZE)
    return Probe(blanks.levels[0], {} if conformal is None else conformal.factors)


def changes(kept: Probe, now: Probe) -> list[str]:
    """Say in what a probe differs from the one that was kept; nothing where it agrees to `PROBE_TOLERANCE`."""

    def numbers(probe: Probe) -> dict[str, float]:
        factors = {f"conformal factor of {name}": value for name, value in probe.factors.items()}
        return {**asdict(probe.level), **factors}

    before, after = numbers(kept), numbers(now)
    gone = [f"{name} is no longer measured" for name in sorted(before.keys() - after.keys())]
    new = [f"{name} was not measured" for name in sorted(after.keys() - before.keys())]
    return [
        *gone,
        *new,
        *(
            f"{name} was {before[name]:.6g}, is {after[name]:.6g}"
            for name in sorted(before.keys() & after.keys())
            if not math.isclose(before[name], after[name], rel_tol=PROBE_TOLERANCE, abs_tol=1e-9)
        ),
    ]
