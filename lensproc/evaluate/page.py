"""One self-contained HTML page of a validation: goals, plots, tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from lensproc.evaluate.goals import Outcome
from lensproc.evaluate.run import EXPERIMENTS, Validation
from lensproc.report.stretch import data_uri

if TYPE_CHECKING:
    from astropy.table import Table

CLASSES = {
    "met": "met",
    "met?": "met unsure",
    "not met": "missed",
    "not met?": "missed unsure",
    "not measured": "none",
}


def page_html(validation: Validation, about: Mapping[str, Any], plots: Mapping[str, bytes]) -> str:
    """Put the page together.

    Parameters
    ----------
    validation : Validation
        What was measured.
    about : mapping
        Stage, options, versions.
    plots : mapping of str to bytes
        Experiment to PNG.
    """
    folder = files("lensproc.evaluate") / "templates"
    template = (folder / "validate.html").read_text(encoding="utf-8")
    sections = "".join(
        _section(e.name, e.title, e.caption, validation.tables[e.name], plots.get(e.name))
        for e in EXPERIMENTS
        if e.name in validation.tables
    )
    options = ", ".join(f"{name}={value}" for name, value in about["options"].items())
    size = "quick run: few trials, wide intervals" if about["quick"] else "full run"
    facts = (
        f"{size} · seed {validation.seed} · {about['dist'] or 'in memory'} · lensproc {about['lensproc']}"
        f"{' · ' + options if options else ''}"
    )
    parts = {
        "STAGE": escape(str(about["stage"])),
        "FACTS": escape(facts),
        "STANDING": _standing_html(about.get("standing")),
        "STYLE": (folder / "validate.css").read_text(encoding="utf-8"),
        "GOALS": goals_html(validation.goals, validation.systems),
        "SECTIONS": sections,
    }
    for name, text in parts.items():
        template = template.replace(f"<!--{name}-->", text)
    return template


def _standing_html(standing: Mapping[str, Any] | None) -> str:
    """Say of a generative stage what its output may be called."""
    return "" if standing is None else f'<p class="notice">{escape(str(standing["sentence"]))}</p>'


def goals_html(outcomes: Sequence[Outcome], systems: Sequence[str]) -> str:
    """Lay out the goals, one row each, one column per system."""
    by_goal: dict[str, dict[str, Outcome]] = {}
    for outcome in outcomes:
        by_goal.setdefault(outcome.name, {})[outcome.system] = outcome
    head = "".join(f'<th scope="col">{escape(system)}</th>' for system in systems)
    rows = []
    for name, found in by_goal.items():
        goal = next(iter(found.values())).goal
        cells = "".join(_goal_cell(found.get(system)) for system in systems)
        rows.append(f'<tr><th scope="row">{escape(name)}</th><td>{escape(goal)}</td>{cells}</tr>')
    return (
        f'<table class="goals"><thead><tr><th scope="col">Measure</th><th scope="col">Goal</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _goal_cell(outcome: Outcome | None) -> str:
    if outcome is None or outcome.verdict == "not measured":
        return '<td class="none">not measured</td>'
    measured = outcome.measured
    interval = ""
    if math.isfinite(measured.low) or math.isfinite(measured.high):
        interval = f" <small>{short(measured.low)} … {short(measured.high)}</small>"
    return (
        f'<td class="{CLASSES[outcome.verdict]}" title="{measured.n} trials">{short(measured.value)}{interval} '
        f"<b>{escape(outcome.verdict)}</b></td>"
    )


def short(value: float) -> str:
    """Write a number with three digits."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value != 0 and abs(value) < 5e-4:
        return f"{value:.0e}" if abs(value) >= 1e-12 else "0"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _section(name: str, title: str, caption: str, table: Table, plot: bytes | None) -> str:
    image = f'<img src="{data_uri(plot)}" alt="Plot: {escape(title)}">' if plot is not None else ""
    folded = len(table) > 12
    inner = f'<div class="scroll">{table_html(table)}</div>'
    if folded:
        inner = f"<details><summary>Table, {len(table)} rows ({name}.ecsv)</summary>{inner}</details>"
    return f'<section id="{name}"><h2>{escape(title)}</h2><p>{escape(caption)}</p>{image}{inner}</section>'


def table_html(table: Table) -> str:
    """Lay out a table; the ends of an interval stand in the cell of their value."""
    names = [name for name in table.colnames if not name.endswith(("_low", "_high"))]
    head = "".join(
        f'<th scope="col" title="{escape(table[name].info.description or "")}">{escape(name)}'
        f"{_unit(table, name)}</th>"
        for name in names
    )
    body = "".join(f"<tr>{''.join(_cell(table, row, name) for name in names)}</tr>" for row in table)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _unit(table: Table, name: str) -> str:
    unit = table[name].unit
    return f" <small>[{escape(str(unit))}]</small>" if unit else ""


def _cell(table: Table, row: Any, name: str) -> str:
    value = row[name]
    if table[name].dtype.kind != "f":
        kind = ' class="text"' if table[name].dtype.kind in "US" else ""
        return f"<td{kind}>{escape(str(value))}</td>"
    text = short(float(value))
    if f"{name}_low" in table.colnames and math.isfinite(float(row[f"{name}_low"])):
        text += f" <small>{short(float(row[f'{name}_low']))} … {short(float(row[f'{name}_high']))}</small>"
    return f"<td>{text}</td>"
