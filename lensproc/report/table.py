"""The table of all cutouts, worst first, coloured by what passes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from lensproc.enhanced import Scalar
from lensproc.qc.keywords import MEANING
from lensproc.qc.verdict import State
from lensproc.report.folder import Entry
from lensproc.report.judgement import SEVERITY, limits_in_words
from lensproc.report.numbers import short, signed

GLYPHS: dict[State, str] = {"FAIL": "✕", "WARN": "△", "PASS": "", "NONE": ""}
"""What stands beside a value, so that its colour is not all that tells."""

_ELSEWHERE = {"LPINFILE", "LPOUT", "BAND", "RA", "DEC", "LPSCALE", "LPSTATUS", "QASTAT"}


def value_columns(columns: Iterable[str]) -> list[str]:
    """Columns to show: the quality keywords in the order of the header, then what the stages say."""
    given = [name for name in columns if name not in _ELSEWHERE and not name.endswith("_ERR")]
    known = [name for name in MEANING if name in given]
    return known + [name for name in given if name not in known]


def head_html(names: Sequence[str], columns: Mapping[str, tuple[str, str]]) -> str:
    """Row of headings; each is a button that sorts."""
    headings = [
        _heading("Cutout", "", ""),
        _heading("QASTAT", MEANING["QASTAT"][1], ""),
        _heading("Why", "values that fail or warn", ""),
    ]
    for name in names:
        unit, description = columns.get(name, ("", ""))
        told_unit, told = MEANING.get(name, ("", ""))
        limits = limits_in_words(name)
        # the catalogue's comment on QACHIP holds the chance of one cutout only
        words = f"{told or description}{'; ' + limits if limits else ''}"
        headings.append(_heading(name, words, unit or told_unit))
    return f"<tr>{''.join(headings)}</tr>"


def _heading(name: str, words: str, unit: str) -> str:
    shown = f"{escape(name)}{f' <small>[{escape(unit)}]</small>' if unit else ''}"
    title = f' title="{escape(words)}"' if words else ""
    button = f'<button type="button"{title}>{shown}</button>'
    return f'<th scope="col" aria-sort="none" data-name="{escape(name)}">{button}</th>'


def row_html(
    entry: Entry,
    states: Mapping[str, State],
    names: Sequence[str],
    columns: Mapping[str, tuple[str, str]],
    verdicts: Iterable[str],
    anchor: str | None,
) -> str:
    """Row of one cutout.

    Parameters
    ----------
    entry : Entry
        The cutout.
    states : mapping of str to str
        Which of its values pass.
    names : sequence of str
        Columns, from `value_columns`.
    columns : mapping of str to (str, str)
        Unit and description of each.
    verdicts : iterable of str
        Verdicts that occur among its sources.
    anchor : str or None
        Id of its panels; None where the page has none of it.
    """
    label, status = escape(entry.label), entry.text("QASTAT")
    name = f'<a href="#{anchor}">{label}</a>' if anchor else label
    cells = [f'<th scope="row" data-v="{label}">{name}</th>']
    cells.append(
        f'<td data-v="{SEVERITY.get(status, 9)}"><span class="chip {status}">{status or "–"}</span></td>'
    )
    reasons = " ".join(f"{column}{GLYPHS[state]}" for column, state in worst_first(states))
    cells.append(f'<td class="text why" data-v="{reasons}">{reasons}</td>')
    for column in names:
        unit, _ = columns.get(column, ("", ""))
        cells.append(_cell(entry, column, states.get(column, "NONE"), unit))
    target = f' data-panel="{anchor}"' if anchor else ""
    kinds = " ".join(sorted(set(verdicts)))
    return f'<tr data-stat="{status}" data-verdicts="{kinds}"{target}>{"".join(cells)}</tr>'


def worst_first(states: Mapping[str, State]) -> list[tuple[str, State]]:
    """Values that fail, then those that warn."""
    return [(name, found) for state in ("FAIL", "WARN") for name, found in states.items() if found == state]


def _cell(entry: Entry, name: str, state: State, unit: str) -> str:
    value: Scalar = entry.values.get(name)
    if isinstance(value, str):
        return f'<td class="text" data-v="{escape(value)}">{escape(value)}</td>'
    number = entry.number(name)
    text, error = short(number), entry.number(f"{name}_ERR")
    title = (
        f' title="± {signed(short(error))}{" " + escape(unit) if unit else ""}"' if error is not None else ""
    )
    glyph = f'<i role="img" aria-label="{state.lower()}">{GLYPHS[state]}</i>' if GLYPHS[state] else ""
    kind = f' class="{state}"' if state != "NONE" else ""
    return f'<td{kind} data-v="{"" if number is None else repr(number)}"{title}>{text}{glyph}</td>'
