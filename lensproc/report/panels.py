"""The part of the page on one cutout: four panels on one stretch, its sources, how it was made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from html import escape

import numpy as np
from numpy.typing import NDArray

from lensproc.qc.verdict import State
from lensproc.report.folder import Entry
from lensproc.report.history import history_html
from lensproc.report.numbers import short, signed, with_error
from lensproc.report.original import Compared
from lensproc.report.output import Output, Source
from lensproc.report.overlay import VERDICTS, draw_compass, draw_scale_bar, draw_sources
from lensproc.report.sky import Orientation, orientation_of
from lensproc.report.stretch import (
    BRIGHT,
    DIVERGING,
    FIDELITY_LIMIT,
    Stretch,
    binned,
    fidelity_levels,
    png_uri,
    stretch_of,
)
from lensproc.report.table import worst_first

Array = NDArray[np.float64]

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
        f'{synthetic}<div class="panels">{_panels(output, compared)}</div>'
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


def _panels(output: Output, compared: Compared) -> str:
    reference = compared.original if compared.original is not None else output.image
    stretch = stretch_of(reference)
    unit = str(output.header.get("BUNIT") or "")
    per = f"{unit or 'units'}/px" if output.primary.get("LPFLUXCV") != 1.0 else unit
    orientation = orientation_of(output)
    limits = (short(stretch.low), f"asinh [{per}]" if per else "asinh", short(stretch.high))
    reach = short(stretch.high - stretch.sky)
    around = (f"−{reach} too faint", "0", f"too bright +{reach}")
    sigmas = (f"−{FIDELITY_LIMIT:g}σ put in", "0", f"left out +{FIDELITY_LIMIT:g}σ")
    if compared.reconstructed:
        title = "Input, put together"
        compared_to = "Input put together from output and FIDELITY: the file was not found"
    else:
        title, compared_to = "Input", "Input image"

    def figure(
        title: str, alt: str, image: Array | None, colours: str, labels: tuple[str, str, str], why: str
    ) -> str:
        return _figure(title, alt, image, colours, labels, why, output, orientation, stretch)

    return "".join(
        [
            figure(title, compared_to, compared.original, BRIGHT, limits, compared.how_original),
            figure("Output", "Enhanced image", output.image, BRIGHT, limits, ""),
            figure(
                "Difference H y − x",
                compared.how_difference,
                compared.difference,
                "difference",
                around,
                compared.how_difference,
            ),
            figure(
                "Fidelity (x − H y)/σ",
                "What the output does not explain of the input, in σ",
                output.fidelity,
                "fidelity",
                sigmas,
                "no FIDELITY plane in the output",
            ),
        ]
    )


def _figure(
    title: str,
    alt: str,
    image: Array | None,
    kind: str,
    labels: tuple[str, str, str],
    why: str,
    output: Output,
    orientation: Orientation,
    stretch: Stretch,
) -> str:
    ny, nx = output.shape
    caption = f"<figcaption>{escape(title)}</figcaption>"
    if image is None:
        gone = f"<p>{escape(why)}</p>"
        return f'<figure>{caption}<div class="frame missing" style="aspect-ratio:{nx}/{ny}">{gone}</div></figure>'
    small, n = binned(image)
    # binning may cut an edge, so the drawing is as large as what is left
    per_pixel = n * nx / image.shape[1]
    width, height = small.shape[1] * per_pixel, small.shape[0] * per_pixel
    if kind == BRIGHT:
        uri, colours, ground = png_uri(stretch.image(small), BRIGHT), "bright", ""
    else:
        levels = fidelity_levels(small) if kind == "fidelity" else stretch.difference(small)
        uri, colours, ground = png_uri(levels, DIVERGING), "diverging", ' class="on-light"'
    numbered = title == "Output"
    drawn = draw_sources(output.sources, height, width, numbered=numbered)
    drawn += draw_scale_bar(orientation, width, height)
    if kind == BRIGHT:
        drawn += draw_compass(orientation, width)
    if n > 1:
        alt += f", binned {n}×{n} for this page"
        title += f" (binned {n}×{n})"
        caption = f"<figcaption>{escape(title)}</figcaption>"
    spoken = escape(_spoken(output.sources))
    low, middle, high = (escape(label) for label in labels)
    return (
        f'<figure>{caption}<div class="frame" style="aspect-ratio:{width:.5g}/{height:.5g}">'
        f'<img src="{uri}" alt="{escape(alt)}" width="{small.shape[1]}" height="{small.shape[0]}">'
        f'<svg{ground} viewBox="0 0 {width:.5g} {height:.5g}" role="img" aria-label="{spoken}">'
        f'{drawn}</svg></div><div class="bar {colours}"></div>'
        f'<div class="ticks"><span>{low}</span><span>{middle}</span><span>{high}</span></div></figure>'
    )


def _spoken(sources: tuple[Source, ...]) -> str:
    return f"Sources: {tally(sources)}" if sources else "No sources"


def tally(sources: tuple[Source, ...]) -> str:
    """Count sources by verdict, in words."""
    counts = Counter(source.verdict for source in sources)
    names = [*VERDICTS, *sorted(set(counts) - set(VERDICTS))]
    return ", ".join(f"{counts[name]} {name}" for name in names if counts[name])


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
        for source in sources
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
