"""Plots of a validation as PNG; every system keeps its colour and marker in all of them."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lensproc.evaluate.coverage import GROUPS
from lensproc.evaluate.injection import PLACES
from lensproc.evaluate.run import Validation
from lensproc.report.stretch import require_matplotlib

if TYPE_CHECKING:
    from astropy.table import Table

Array = NDArray[np.float64]

STYLES = (("#c8102e", "o"), ("#5b636d", "s"), ("#2b6cb0", "^"), ("#2f855a", "D"))
"""Colour and marker by position; the stage comes first."""

DPI = 130


def plots_of(validation: Validation) -> dict[str, bytes]:
    """Draw the plots for which there are tables.

    Returns
    -------
    dict of str to bytes
        Name of the experiment to a PNG.

    Raises
    ------
    UsageError
        Where matplotlib is not installed.
    """
    require_matplotlib()
    drawn = {}
    for name, draw in DRAWINGS.items():
        table = validation.tables.get(name)
        if table is not None and len(table):
            figure = draw(table, validation.systems)
            if figure is not None:
                drawn[name] = _png(figure)
    return drawn


def _figure(columns: int, rows: int = 1, *, share: bool = True) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.0 * columns, 3.1 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharex=share, sharey="row" if share else False)
    for panel in axes.flat:
        panel.grid(alpha=0.25, linewidth=0.6)
        panel.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    # no software version or date inside: the same numbers give the same bytes
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def _of(table: Table, system: str, **wanted: object) -> Table:
    keep = np.asarray(table["system"]) == system
    for name, value in wanted.items():
        keep &= np.asarray(table[name]) == value
    return table[keep]


def _column(table: Table, name: str) -> Array:
    return np.asarray(table[name], np.float64)


def _points(
    panel: Any,
    x: Array,
    table: Table,
    name: str,
    number: int,
    label: str,
    scale: float = 1.0,
    join: bool = True,
) -> None:
    """Draw a measured column with its intervals; systems stand a little apart."""
    colour, marker = STYLES[number % len(STYLES)]
    value, low, high = (scale * _column(table, f"{name}{end}") for end in ("", "_low", "_high"))
    bars = np.nan_to_num(np.stack([value - low, high - value])).clip(0.0)
    line = "-" if join else "none"
    panel.errorbar(
        x,
        value,
        bars,
        color=colour,
        marker=marker,
        ms=4,
        lw=1.2,
        ls=line,
        elinewidth=0.9,
        capsize=2,
        label=label,
    )


def _legend(figure: Any, panel: Any) -> None:
    handles, labels = panel.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False)


def _injection(table: Table, systems: Sequence[str]) -> Any:
    rows = (
        ("completeness", "completeness"),
        ("flux_ratio", "flux out / flux in"),
        ("scatter", "added scatter [px]"),
    )
    figure, axes = _figure(len(PLACES), len(rows))
    for column, place in enumerate(PLACES):
        for row, (name, label) in enumerate(rows):
            panel = axes[row, column]
            for number, system in enumerate(systems):
                part = _of(table, system, place=place)
                _points(panel, _column(part, "snr") * 1.03**number, part, name, number, system)
            panel.set_xscale("log")
            if column == 0:
                panel.set_ylabel(label)
            if row == 0:
                panel.set_title(place)
            if row == len(rows) - 1:
                panel.set_xlabel("SNR put in")
        axes[0, column].set_ylim(-0.03, 1.05)
        axes[1, column].axhline(1.0, color="k", lw=0.8, ls=":")
    snrs = sorted(set(_column(table, "snr")))
    axes[0, 0].set_xticks(snrs, [f"{snr:g}" for snr in snrs], minor=False)
    axes[0, 0].minorticks_off()
    _legend(figure, axes[0, 0])
    return figure


def _pairs(table: Table, systems: Sequence[str]) -> Any:
    doubles = table[_column(table, "separation") > 0]
    if len(doubles) == 0:
        return None
    snrs, ratios = (sorted(set(_column(doubles, name))) for name in ("snr", "ratio"))
    figure, axes = _figure(len(ratios), len(snrs))
    for row, snr in enumerate(snrs):
        for column, ratio in enumerate(ratios):
            panel = axes[row, column]
            for number, system in enumerate(systems):
                part = _of(doubles, system, snr=snr, ratio=ratio)
                _points(panel, _column(part, "separation") + 0.008 * number, part, "resolved", number, system)
            panel.axhline(0.5, color="k", lw=0.8, ls=":")
            panel.set_ylim(-0.03, 1.05)
            panel.set_title(f"flux ratio {ratio:g}, SNR {snr:g}", fontsize="medium")
            if column == 0:
                panel.set_ylabel("share resolved")
            if row == len(snrs) - 1:
                panel.set_xlabel("separation [FWHM]")
    _legend(figure, axes[0, 0])
    return figure


def _bars(table: Table, systems: Sequence[str], columns: Sequence[tuple[str, str, float | None]]) -> Any:
    """One panel per quantity, one point per system, with the goal as a dotted line."""
    figure, axes = _figure(len(columns), share=False)
    for panel, (name, label, goal) in zip(axes[0], columns, strict=True):
        for number, system in enumerate(systems):
            part = _of(table, system)
            _points(panel, np.full(len(part), float(number)), part, name, number, system, join=False)
        if goal is not None:
            panel.axhline(goal, color="k", lw=0.8, ls=":")
        panel.set_title(label, fontsize="medium")
        panel.set_xticks(range(len(systems)), systems, rotation=15)
        panel.set_xlim(-0.6, len(systems) - 0.4)
    return figure


def _quasars(table: Table, systems: Sequence[str]) -> Any:
    return _bars(
        table,
        systems,
        (
            ("completeness", "completeness, SNR ≥ 5", 0.92),
            ("invented", "invented fraction", 0.01),
            ("offset", "rms offset [px], SNR 20 to 50", 0.08),
            ("chi2", "forward χ²", 1.0),
        ),
    )


def _blanks(table: Table, systems: Sequence[str]) -> Any:
    names = (
        ("found_rate", "false sources per 1,000 blanks", None),
        ("supported_rate", "after the forced fit", None),
    )
    return _bars(table, systems, names)


def _control(table: Table, systems: Sequence[str]) -> Any:
    names = (
        ("points_rate", "POINTs per 1,000 lenses", None),
        ("invented_rate", "not explained by the truth", 10.0),
    )
    return _bars(table, systems, names)


def _stability(table: Table, systems: Sequence[str]) -> Any:
    names = list(dict.fromkeys(table["variation"]))[::-1]
    panels = (("change", "rms change [σ]"), ("flux_change", "|change of flux|"), ("moved", "star moved [px]"))
    figure, axes = _figure(len(panels), share=False)
    figure.set_size_inches(4.0 * len(panels) + 1.5, 0.27 * len(names) + 1.6)
    for column, (name, label) in enumerate(panels):
        panel = axes[0, column]
        for number, system in enumerate(systems):
            part = _of(table, system)
            place = {row["variation"]: abs(float(row[name])) for row in part}
            colour, marker = STYLES[number % len(STYLES)]
            values = [max(place.get(variation, np.nan), 1e-7) for variation in names]
            panel.plot(values, np.arange(len(names)) - 0.1 * number, marker, color=colour, ms=4, label=system)
        panel.set_xscale("log")
        panel.set_xlim(5e-8, None)
        panel.set_yticks(range(len(names)), names if column == 0 else [""] * len(names))
        panel.set_ylim(-0.8, len(names) - 0.5)
        panel.set_xlabel(label)
    _legend(figure, axes[0, 0])
    return figure


def _repeatability(table: Table, systems: Sequence[str]) -> Any:
    figure, axes = _figure(1)
    figure.set_size_inches(7.5, 3.8)
    panel = axes[0, 0]
    for number, system in enumerate(systems):
        part, colour = _of(table, system), STYLES[number % len(STYLES)][0]
        frequency = _column(part, "frequency")
        panel.plot(frequency, _column(part, "correlation"), "-", color=colour, lw=1.4, label=system)
        panel.plot(frequency, _column(part, "with_truth"), "--", color=colour, lw=1.0)
        low, high = _column(part, "correlation_low"), _column(part, "correlation_high")
        panel.fill_between(frequency, low, high, color=colour, alpha=0.12, lw=0)
    panel.axvline(0.5, color="k", lw=0.8, ls=":")
    panel.set_xlabel("frequency [cycles / input px]")
    panel.set_ylabel("ring correlation")
    panel.set_ylim(-0.2, 1.03)
    _legend(figure, panel)
    return figure


def _coverage(table: Table, systems: Sequence[str]) -> Any:
    known = [system for system in systems if np.isfinite(_column(_of(table, system), "covered")).any()]
    if not known:
        return None
    figure, axes = _figure(1)
    panel = axes[0, 0]
    for number, system in enumerate(systems):
        if system in known:
            part = _of(table, system)
            x = np.array([GROUPS.index(group) for group in part["group"]], np.float64) + 0.08 * number
            _points(panel, x, part, "covered", number, system, join=False)
    panel.axhspan(0.88, 0.92, color="k", alpha=0.08, lw=0)
    panel.set_xticks(range(len(GROUPS)), GROUPS)
    panel.set_ylabel("share of pixels covered")
    _legend(figure, panel)
    return figure


DRAWINGS: dict[str, Callable[[Table, Sequence[str]], Any]] = {
    "quasars": _quasars,
    "injection": _injection,
    "blanks": _blanks,
    "control": _control,
    "pairs": _pairs,
    "stability": _stability,
    "repeatability": _repeatability,
    "coverage": _coverage,
}
