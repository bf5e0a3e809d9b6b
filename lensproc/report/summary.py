"""Plots of a whole run: verdicts, χ² of the residual, flux against SNR, offsets."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensproc.qc import thresholds as at
from lensproc.report.folder import Entry
from lensproc.report.overlay import VERDICTS
from lensproc.report.stretch import data_uri, require_matplotlib

Array = NDArray[np.float64]

INK, PASS, FAIL, POINTS = "#333333", "#dcefe4", "#b3400e", "#3b6ea5"
_DARK = {"AMBIG": "#b8a800"}


@dataclass(frozen=True)
class Plot:
    """A plot of the page.

    Parameters
    ----------
    title : str
        What it shows.
    alt : str
        The same in numbers, for those who cannot see it.
    uri : str
        PNG as data URI.
    """

    title: str
    alt: str
    uri: str


def summary_plots(entries: Sequence[Entry], verdicts: Mapping[str, int]) -> list[Plot]:
    """Draw the plots that the run has numbers for.

    Parameters
    ----------
    entries : sequence of Entry
        All cutouts.
    verdicts : mapping of str to int
        Sources by verdict, of all cutouts.

    Raises
    ------
    UsageError
        Where matplotlib is not installed.
    """
    require_matplotlib()
    plots = []
    if any(verdicts.values()):
        plots.append(_verdicts(verdicts))
    chi2 = _column(entries, "QACHI2")
    if chi2.size:
        plots.append(_chi2(chi2))
    flux, error = _columns(entries, "QAFLX", "QAFLX_ERR")
    if flux.size:
        plots.append(_flux(flux, error))
    offsets = _column(entries, "QADX")
    if offsets.size:
        plots.append(_offsets(offsets))
    return plots


def _column(entries: Sequence[Entry], name: str) -> Array:
    return np.array([value for entry in entries if (value := entry.number(name)) is not None])


def _columns(entries: Sequence[Entry], first: str, second: str) -> tuple[Array, Array]:
    both = [(entry.number(first), entry.number(second)) for entry in entries]
    known = np.array([pair for pair in both if pair[0] is not None and pair[1]], float).reshape(-1, 2)
    return known[:, 0], known[:, 1]


def _verdicts(counts: Mapping[str, int]) -> Plot:
    names = [*VERDICTS, *sorted(set(counts) - set(VERDICTS))]
    numbers = [counts.get(name, 0) for name in names]

    def draw(axes: Any) -> None:
        colours = [_DARK.get(name, VERDICTS.get(name, ("#999999",))[0]) for name in names]
        bars = axes.barh(names[::-1], numbers[::-1], color=colours[::-1], height=0.65)
        axes.bar_label(bars, padding=3, color=INK, fontsize=9)
        axes.margins(x=0.15)
        axes.set_xlabel("sources")
        _whole_numbers(axes.xaxis)

    alt = ", ".join(f"{number} {name}" for name, number in zip(names, numbers, strict=True))
    return _plot("Verdicts on sources", alt, draw)


def _chi2(chi2: Array) -> Plot:
    low, high = at.CHI2_PASSES
    top = max(at.CHI2_FAILS * 1.2, min(float(chi2.max()) * 1.05, 5.0))

    def draw(axes: Any) -> None:
        axes.axvspan(low, high, color=PASS, lw=0)
        axes.axvline(at.CHI2_FAILS, color=FAIL, lw=1.2)
        axes.hist(np.minimum(chi2, top), bins=np.linspace(0.0, top, 31), color=POINTS)
        axes.set_xlabel("QACHI2: mean (x − H y)²/σ²" + (", last bin: all above" if chi2.max() > top else ""))
        axes.set_ylabel("cutouts")
        _whole_numbers(axes.yaxis)

    inside = np.count_nonzero((chi2 >= low) & (chi2 <= high))
    copied = np.count_nonzero(chi2 < at.CHI2_COPIED)
    alt = f"median {np.median(chi2):.3g}; {inside} of {chi2.size} within {low:g} to {high:g}, {copied} below "
    return _plot("Residual against noise", f"{alt}{at.CHI2_COPIED:g}: noise copied", draw)


def _flux(flux: Array, error: Array) -> Plot:
    snr = 100.0 / error
    limit = at.LIMITS["QAFLX"]

    def draw(axes: Any) -> None:
        from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

        span = np.geomspace(snr.min() / 1.5, snr.max() * 1.5, 200)
        passes = np.maximum(limit.passes, 200.0 / span)
        fails = np.maximum(limit.fails, at.SIGNIFICANT * 100.0 / span)
        axes.fill_between(span, -passes, passes, color=PASS, lw=0)
        axes.plot(span, fails, color=FAIL, lw=1.2)
        axes.plot(span, -fails, color=FAIL, lw=1.2)
        axes.errorbar(snr, flux, error, fmt="o", ms=3.5, color=POINTS, ecolor="#9fb7d1", elinewidth=0.8)
        axes.axhline(0.0, color=INK, lw=0.6)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlim(span[0], span[-1])
        axes.set_xlabel("SNR of the flux in the largest circle")
        axes.set_ylabel("QAFLX: flux change [%]")

    extremes = f"extremes {flux.min():.3g} and {flux.max():.3g} %"
    return _plot("Flux kept", f"median {np.median(flux):.3g} %, {extremes}, of {flux.size} cutouts", draw)


def _offsets(offsets: Array) -> Plot:
    limit = at.LIMITS["QADX"]
    top = max(limit.fails * 1.3, min(float(offsets.max()) * 1.05, 4.0 * limit.fails))

    def draw(axes: Any) -> None:
        axes.axvspan(0.0, limit.passes, color=PASS, lw=0)
        axes.axvline(limit.fails, color=FAIL, lw=1.2)
        axes.hist(np.minimum(offsets, top), bins=np.linspace(0.0, top, 31), color=POINTS)
        axes.set_xlim(0.0, top)
        axes.set_xlabel(
            "QADX: rms offset of sources [px]" + (", last bin: all above" if offsets.max() > top else "")
        )
        axes.set_ylabel("cutouts")
        _whole_numbers(axes.yaxis)

    alt = f"median {np.median(offsets):.3g} px, largest {offsets.max():.3g} px, of {offsets.size} cutouts"
    return _plot("Positions kept", alt, draw)


def _whole_numbers(axis: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True))


def _plot(title: str, alt: str, draw: Callable[[Any], None]) -> Plot:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2, 2.9), dpi=160, layout="constrained")
    axes = figure.add_subplot()
    draw(axes)
    axes.set_title(title, fontsize=10, color=INK, loc="left")
    axes.tick_params(colors=INK, labelsize=8)
    axes.xaxis.label.set(color=INK, size=8.5)
    axes.yaxis.label.set(color=INK, size=8.5)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return Plot(title, f"{title}: {alt}", data_uri(buffer.getvalue()))
