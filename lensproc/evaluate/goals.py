"""The goals that a stage is held to, judged on the tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lensproc.evaluate.coverage import GROUPS
from lensproc.evaluate.injection import ALL
from lensproc.evaluate.intervals import UNKNOWN, Measured, fraction, rate
from lensproc.evaluate.pairs import resolved_half

if TYPE_CHECKING:
    from astropy.table import Row, Table

Tables = Mapping[str, "Table"]
Verdict = Literal["met", "met?", "not met?", "not met", "not measured"]
"""With a question mark where the 95 % interval reaches over the limit."""


@dataclass(frozen=True)
class Goal:
    """A quantity and the range it shall lie in.

    Parameters
    ----------
    name : str
        What is measured.
    goal : str
        The range in words.
    least, most : float
        The range, both ends included.
    measure : callable
        ``(tables, system)`` to the value; `UNKNOWN` where the tables do not hold it.
    """

    name: str
    goal: str
    least: float
    most: float
    measure: Callable[[Tables, str], Measured]


@dataclass(frozen=True)
class Outcome:
    """One goal for one system.

    Parameters
    ----------
    system, name, goal : str
        Who, what, and the range in words.
    measured : Measured
        Value and interval.
    verdict : str
        met, met?, not met?, not met, or not measured.
    """

    system: str
    name: str
    goal: str
    measured: Measured
    verdict: Verdict


def judge_goals(tables: Tables, systems: Sequence[str]) -> tuple[Outcome, ...]:
    """Judge every goal for every system; a goal whose experiment was not run is left out."""
    outcomes = []
    for goal in GOALS:
        for system in systems:
            try:
                measured = goal.measure(tables, system)
            except KeyError:
                continue
            verdict = judge(measured, goal.least, goal.most)
            outcomes.append(Outcome(system, goal.name, goal.goal, measured, verdict))
    return tuple(outcomes)


def judge(measured: Measured, least: float, most: float) -> Verdict:
    """Say whether a value lies in a range, and whether its whole interval agrees."""
    if math.isnan(measured.value):
        return "not measured"
    low, high = measured.low, measured.high
    if least <= measured.value <= most:
        return "met" if low >= least and high <= most else "met?"
    return "not met" if high < least or low > most else "not met?"


def _rows(table: Table, system: str) -> list[Row]:
    return [row for row in table if row["system"] == system]


def _cell(row: Row, name: str, n: int) -> Measured:
    return Measured(float(row[name]), float(row[f"{name}_low"]), float(row[f"{name}_high"]), n)


def _column(table: str, name: str, count: str) -> Callable[[Tables, str], Measured]:
    def measure(tables: Tables, system: str) -> Measured:
        rows = _rows(tables[table], system)
        return _cell(rows[0], name, int(rows[0][count])) if rows else UNKNOWN

    return measure


def _completeness(place: str, faintest: float, brightest: float) -> Callable[[Tables, str], Measured]:
    def measure(tables: Tables, system: str) -> Measured:
        rows = [
            row
            for row in _rows(tables["injection"], system)
            if row["place"] == place and faintest <= row["snr"] <= brightest and row["n"] > 0
        ]
        n = sum(int(row["n"]) for row in rows)
        return fraction(sum(round(float(row["completeness"]) * int(row["n"])) for row in rows), n)

    return measure


def _injected(tables: Tables, system: str, snr: float) -> Any:
    for row in _rows(tables["injection"], system):
        if row["place"] == ALL and row["snr"] == snr:
            return row
    return None


def _flux_bias(snr: float) -> Callable[[Tables, str], Measured]:
    def measure(tables: Tables, system: str) -> Measured:
        row = _injected(tables, system, snr)
        if row is None:
            return UNKNOWN
        ratio = _cell(row, "flux_ratio", int(row["n"]))
        value, low, high = (100.0 * (v - 1.0) for v in (ratio.value, ratio.low, ratio.high))
        return Measured(value, low, high, ratio.n)

    return measure


def _bias(tables: Tables, system: str) -> Measured:
    row = _injected(tables, system, 20.0)
    if row is None:
        return UNKNOWN
    n = int(row["n"]) + int(row["confused"])
    size = math.hypot(float(row["bias_x"]), float(row["bias_y"]))
    error = 1.96 * float(row["scatter"]) / math.sqrt(max(n, 1))
    return Measured(size, max(0.0, size - error), size + error, n)


def _scatter(tables: Tables, system: str) -> Measured:
    row = _injected(tables, system, 20.0)
    return UNKNOWN if row is None else _cell(row, "scatter", int(row["n"]) + int(row["confused"]))


def _half(tables: Tables, system: str) -> Measured:
    return resolved_half(tables["pairs"], system)


def _splits(tables: Tables, system: str) -> Measured:
    rows = [row for row in _rows(tables["pairs"], system) if row["separation"] == 0]
    n = sum(int(row["n"]) for row in rows)
    return fraction(sum(round(float(row["resolved"]) * int(row["n"])) for row in rows), n)


def _blanks(tables: Tables, system: str) -> Measured:
    rows = _rows(tables["blanks"], system)
    return rate(int(rows[0]["supported"]), int(rows[0]["fields"]), 3000.0) if rows else UNKNOWN


def _covered(group: str) -> Callable[[Tables, str], Measured]:
    def measure(tables: Tables, system: str) -> Measured:
        for row in _rows(tables["coverage"], system):
            if row["group"] == group:
                return _cell(row, "covered", int(row["scenes"]))
        return UNKNOWN

    return measure


INF = math.inf


def _at_least(name: str, least: float, measure: Callable[[Tables, str], Measured]) -> Goal:
    return Goal(name, f"≥ {least:g}", least, INF, measure)


def _at_most(name: str, most: float, measure: Callable[[Tables, str], Measured]) -> Goal:
    return Goal(name, f"≤ {most:g}" if most > 0 else "0", -INF, most, measure)


def _within(name: str, limit: float, measure: Callable[[Tables, str], Measured]) -> Goal:
    return Goal(name, f"within ± {limit:g}", -limit, limit, measure)


GOALS = (
    _at_least("completeness on the sky, SNR ≥ 10", 0.98, _completeness("sky", 10.0, INF)),
    _at_least("completeness on arcs, SNR 10 to 20", 0.95, _completeness("arc", 10.0, 20.0)),
    _at_most("invented fraction of candidates", 0.01, _column("quasars", "invented", "candidates")),
    _at_least("… at completeness", 0.92, _column("quasars", "completeness", "sources")),
    _at_most("place of sources of SNR 20 to 50, rms [px]", 0.08, _column("quasars", "offset", "middle")),
    _within("flux bias at SNR 20 [%]", 1.0, _flux_bias(20.0)),
    _within("flux bias at SNR 10 [%]", 2.0, _flux_bias(10.0)),
    _within("flux bias at SNR 5 [%]", 5.0, _flux_bias(5.0)),
    _at_most("astrometric bias at SNR 20 [px]", 0.02, _bias),
    _at_most("added astrometric scatter per axis at SNR 20 [px]", 0.1, _scatter),
    _at_most("equal pair of SNR 100 (white noise) resolved half the time at [FWHM]", 0.65, _half),
    _at_most("false splits of single stars", 0.005, _splits),
    _at_most("false sources in 3,000 blanks, adjudicated", 0.0, _blanks),
    _at_most("POINTs in 1,000 lenses without a quasar", 10.0, _column("control", "points_rate", "lenses")),
    _at_most("… that the truth does not explain", 10.0, _column("control", "invented_rate", "lenses")),
    Goal("forward χ²", "0.9 to 1.1", 0.9, 1.1, _column("quasars", "chi2", "scenes")),
    _at_most("scenes with a residual peak of p < 0.01", 0.01, _column("quasars", "peaks", "scenes")),
    *(Goal(f"coverage of 90 % intervals, {g}", "0.88 to 0.92", 0.88, 0.92, _covered(g)) for g in GROUPS),
)
"""Ranges of the design of the quality control; those on a truth of half the PSF's width are left out."""
