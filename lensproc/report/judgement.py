"""Which quality values of a row pass, warn or fail, by the limits that the checks themselves use."""

from __future__ import annotations

from collections.abc import Mapping

from lensproc.qc import thresholds as at
from lensproc.qc.verdict import State, judge, judge_chance, judge_chi2, judge_domain, judge_flux
from lensproc.report.folder import Entry

SEVERITY = {"FAIL": 0, "WARN": 1, "UNKNOWN": 2, "NOSRC": 3, "PASS": 4, "": 5}
"""QASTAT from worst to best; empty for a run without checks."""

_WORST: dict[str, State] = {"PASS": "PASS", "NOSRC": "PASS", "UNKNOWN": "PASS", "WARN": "WARN"}
_RANK: dict[State, int] = {"NONE": 0, "PASS": 1, "WARN": 2, "FAIL": 3}


def state_of(name: str, value: float | None, error: float | None, chance: float | None = None) -> State:
    """Judge one quality value again, from what is kept of it.

    Parameters
    ----------
    name : str
        Keyword.
    value, error : float or None
        As in the catalogue.
    chance : float, optional
        Chance of the largest residual peak, for QACHIP.

    Returns
    -------
    str
        ``PASS``, ``WARN``, ``FAIL``, or ``NONE`` for what is not measured or only told.
    """
    if name == "QACHIP":
        return "NONE" if chance is None else judge_chance(chance)
    if value is None:
        return "NONE"
    sigma = error or 0.0
    if name == "QAOOD":
        return judge_domain(value)
    if name == "QAFLX":
        return judge_flux(value, sigma)
    if name == "QACHI2":
        return judge_chi2(value, sigma)
    if name == "QARHO1":
        return judge(max(value, 0.0), sigma, at.LIMITS[name])
    limit = at.LIMITS.get(name)
    return "NONE" if limit is None else judge(abs(value), sigma, limit)


def states_of(entry: Entry, chance: float | None = None) -> dict[str, State]:
    """Judge all quality values of a row.

    Notes
    -----
    QASTAT is the worst of them as judged when everything was at hand, so nothing here is called worse than it:
    the catalogue keeps one error per value, which for QADX is less than the checks had.
    """
    worst = _WORST.get(entry.text("QASTAT"), "FAIL")
    states: dict[str, State] = {}
    for name in entry.values:
        if name.startswith("QA") and name != "QASTAT" and not name.endswith("_ERR"):
            state = state_of(name, entry.number(name), entry.number(f"{name}_ERR"), chance)
            states[name] = worst if _RANK[state] > _RANK[worst] else state
    return states


def badness(entry: Entry, states: Mapping[str, State]) -> tuple[float, ...]:
    """Key to sort rows by, worst first: QASTAT, then how many values fail and warn, then the residual peak."""
    counted = list(states.values())
    return (
        SEVERITY.get(entry.text("QASTAT"), 5),
        -counted.count("FAIL"),
        -counted.count("WARN"),
        -(entry.number("QACHIP") or 0.0),
    )


def limits_in_words(name: str) -> str:
    """Limits of a quality value in one phrase; empty for one without."""
    if name == "QACHI2":
        low, high = at.CHI2_PASSES
        return f"pass {low:g} to {high:g}, fail above {at.CHI2_FAILS:g}"
    if name == "QACHIP":
        return f"pass where chance p > {at.CHIP_PASSES:g}, fail where p < {at.CHIP_FAILS:g}"
    if name == "QAOOD":
        return f"pass where chance p > {at.DOMAIN_PASSES:g}, fail where p < {at.DOMAIN_FAILS:g}"
    limit = at.LIMITS.get(name)
    if limit is None:
        return ""
    if limit.passes == limit.fails:
        return f"fail above {limit.fails:g}"
    return f"pass up to {limit.passes:g}, fail above {limit.fails:g}"
