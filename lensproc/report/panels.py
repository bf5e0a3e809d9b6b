"""The part of the page on one cutout: four panels on one stretch, its sources, how it was made."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from lensproc.qc.verdict import State
from lensproc.report.figures import panels_html, tally
from lensproc.report.folder import Entry
from lensproc.report.history import history_html
from lensproc.report.numbers import signed, with_error
from lensproc.report.original import Compared
from lensproc.report.output import Output, Source
from lensproc.report.overlay import gravest_first
from lensproc.report.table import worst_first

SOURCE_COLUMNS = {
    "id": "id",
    "verdict": "verdict",
    "label": "label",
    "x": "x [px]",
    "y": "y [px]",
    "ra": "RA [deg]",
    "dec": "Dec [deg]",
    "snr_in": "SNR in",
    "snr_out": "SNR out",
    "snr_forced": "SNR forced",
    "dchi2_pair": "Δχ² pair",
    "flux_in": "flux in",
    "flux_out": "flux out",
    "flux_err": "flux error",
    "dx": "dx [mas]",
    "dy": "dy [mas]",
}
"""Columns of SOURCES that the page shows, with their headings."""


def cutout_html(
    entry: Entry,
    output: Output,
    compared: Compared,
    states: Mapping[str, State],
    units: Mapping[str, str],
    anchor: str,
) -> str:
    """Put together the part of the page on one cutout.

    Parameters
    ----------
    entry : Entry
        Its row of the catalogue.
    output, compared : Output, Compared
        Its file, and the input beside it.
    states : mapping of str to str
        Which of its quality values pass, from `lensproc.report.judgement.states_of`.
    units : mapping of str to str
        Unit of each column.
    anchor : str
        Id of the element.
    """
    status = entry.text("QASTAT")
    chip = f'<span class="chip {status}">{status}</span>' if status else ""
    synthetic = ""
    if output.primary.get("LPSYNTH") is True:
        synthetic = '<p class="notice">A generative stage took part: for looking, not for measuring.</p>'
    return (
        f'<article id="{anchor}"><header><h3>{escape(entry.label)}</h3>{chip}'
        f'<span class="about">{escape(_about(entry, output))}</span>'
        f'<button type="button" class="blink" aria-pressed="false">Blink input / output</button></header>'
        f'{synthetic}<div class="panels">{panels_html(output, compared)}</div>'
        f"{_flagged(entry, states, units)}{_sources_html(output.sources)}"
        f"{history_html(output, compared)}</article>"
    )


def unavailable_html(entry: Entry, reason: str, anchor: str) -> str:
    """Say in place of the panels why there are none."""
    status = entry.text("QASTAT")
    chip = f'<span class="chip {status}">{status}</span>' if status else ""
    return (
        f'<article id="{anchor}"><header><h3>{escape(entry.label)}</h3>{chip}</header>'
        f'<p class="notice">No panels: {escape(reason)}</p></article>'
    )


def _about(entry: Entry, output: Output) -> str:
    ny, nx = output.shape
    parts = [f"{nx}×{ny} px → ×{output.scale}"]
    ra, dec = entry.number("RA"), entry.number("DEC")
    if ra is not None and dec is not None:
        parts.append(f"RA {ra:.5f}° Dec {signed(f'{dec:+.5f}')}°")
    parts.append(" → ".join(stage.id for stage in output.stages) or "no stages")
    if entry.text("LPSTATUS") not in ("", "OK"):
        parts.append(entry.text("LPSTATUS"))
    return " · ".join(parts)


def _flagged(entry: Entry, states: Mapping[str, State], units: Mapping[str, str]) -> str:
    chips = []
    for name, state in worst_first(states):
        text = with_error(entry.number(name), entry.number(f"{name}_ERR"), units.get(name, ""))
        chips.append(f'<li class="{state}"><b>{name}</b> {escape(text)} <i>{state.lower()}</i></li>')
    return f'<ul class="flags">{"".join(chips)}</ul>' if chips else ""


def _sources_html(sources: tuple[Source, ...]) -> str:
    if not sources:
        return '<p class="quiet">No sources.</p>'
    names = [name for name in SOURCE_COLUMNS if name in sources[0].values]
    head = "".join(f'<th scope="col">{SOURCE_COLUMNS[name]}</th>' for name in names)
    body = "".join(
        f'<tr class="verdict-{escape(source.verdict)}">'
        + "".join(f"<td>{escape(_cell(name, source))}</td>" for name in names)
        + "</tr>"
        for source in gravest_first(sources)
    )
    opened = " open" if any(source.verdict in ("LOST", "HALLUC") for source in sources) else ""
    return (
        f'<details class="source-table"{opened}><summary>{len(sources)} sources: {tally(sources)}</summary>'
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></details>'
    )


def _cell(name: str, source: Source) -> str:
    value = source.values[name]
    if value is None:
        return "–"
    if isinstance(value, float):
        return signed(
            f"{value:.6f}"
            if name in ("ra", "dec")
            else f"{value:.2f}"
            if name in ("x", "y")
            else f"{value:.4g}"
        )
    return str(value).strip()
