"""Pictures of how well classifiers do, as PNG; every stage keeps its colour and line in all of them."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lensproc.evaluate.classification.answer import SUBSTRUCTURE, Answers
from lensproc.evaluate.classification.bins import QUANTITIES, UNITS, BinScore
from lensproc.evaluate.classification.measures import confusion, risk_against_coverage
from lensproc.evaluate.classification.score import reliability_of
from lensproc.evaluate.intervals import fraction
from lensproc.report.stretch import require_matplotlib

if TYPE_CHECKING:
    from lensproc.evaluate.classification.run import Evaluation

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Told apart by colour-blind eyes (Okabe & Ito 2008)."""

LINES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")

DPI = 130

RAREST = 1e-3
"""Smallest share of false positives in the ROC curves: good classifiers differ where it is small."""

GREY = "#808080"


def pictures_of(evaluation: Evaluation) -> dict[str, bytes]:
    """Draw ROC curves, reliability, risk against coverage, confusion, and areas by mass, θ_E and SNR.

    Returns
    -------
    dict of str to bytes
        File name without ending to a PNG.

    Raises
    ------
    UsageError
        Where matplotlib is not installed.
    """
    require_matplotlib()
    drawn = {
        "roc": _roc(evaluation.answers),
        "reliability": _reliability(evaluation.answers),
        "risk_coverage": _risk(evaluation.answers),
        "confusion": _confusion(evaluation.answers),
    }
    if any(not math.isnan(one.auc.value) for one in evaluation.bins):
        drawn["bins"] = _bins(evaluation)
    return {name: _png(figure) for name, figure in drawn.items()}


def _figure(
    columns: int, rows: int = 1, *, side: float = 3.4, share: bool = True, columns_alike: bool = False
) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(side * columns, side * rows + 0.4), layout="constrained", facecolor="white")
    axes = figure.subplots(
        rows,
        columns,
        squeeze=False,
        sharey="row" if share else False,
        sharex="col" if columns_alike else False,
    )
    for axis in axes.flat:
        axis.grid(alpha=0.25, linewidth=0.6)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    # no software version or date inside: the same numbers give the same bytes
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def _style(number: int) -> dict[str, Any]:
    return {
        "color": COLOURS[number % len(COLOURS)],
        "linestyle": LINES[(number // len(COLOURS) + number) % len(LINES)],
        "linewidth": 1.4,
    }


def _legend(figure: Any, axes: Any, columns: int) -> None:
    handles: dict[str, Any] = {}
    for axis in np.ravel(axes):
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(
        handles.values(),
        handles,
        loc="outside upper center",
        ncols=max(1, columns),
        frameon=False,
        fontsize=8,
    )


def _roc(answers: Mapping[str, Answers]) -> Any:
    from sklearn.metrics import roc_curve

    panels = list(
        dict.fromkeys(name for one in answers.values() if len(one.classes) > 2 for name in one.classes)
    )
    figure, axes = _figure(len(panels) + 1)
    for axis, name in zip(axes[0], [*panels, SUBSTRUCTURE], strict=True):
        for number, (stage, those) in enumerate(answers.items()):
            question = _question(those, name)
            if question is None or question[0].all() or not question[0].any():
                continue
            false, true, _ = roc_curve(*question)
            axis.plot(false, true, label=stage, **_style(number))
        chance = np.geomspace(RAREST, 1.0, 100)
        axis.plot(chance, chance, color=GREY, lw=0.8, ls=":")
        axis.set_xscale("log")
        axis.set_xlim(RAREST, 1.0)
        axis.set_title("any substructure" if name == SUBSTRUCTURE else name, fontsize=9)
        axis.set_xlabel("false positives, of all others")
    axes[0][0].set_ylabel("true positives, of the class")
    _legend(figure, axes, min(4, len(answers)))
    return figure


def _question(answers: Answers, name: str) -> tuple[Any, Any] | None:
    if name == SUBSTRUCTURE:
        return answers.merged
    if name not in answers.classes or len(answers.classes) < 3:
        return None
    i = answers.classes.index(name)
    return answers.label == i, answers.probabilities[:, i]


def _reliability(answers: Mapping[str, Answers]) -> Any:
    columns = min(4, len(answers))
    rows = -(-len(answers) // columns)
    figure, axes = _figure(columns, rows)
    for axis in axes.flat[len(answers) :]:
        axis.set_visible(False)
    for number, (axis, (stage, those)) in enumerate(zip(axes.flat, answers.items(), strict=False)):
        found = [one for one in reliability_of(those) if one.images]
        shares = [fraction(one.correct, one.images) for one in found]
        x = np.array([one.confidence for one in found])
        value, low, high = (np.array([getattr(s, k) for s in shares]) for k in ("value", "low", "high"))
        whole = sum(one.images for one in found)
        middles = [0.5 * (one.low + one.high) for one in found]
        width = found[0].high - found[0].low
        axis.bar(middles, [one.images / whole for one in found], width, color="#d9d9d9", zorder=1)
        axis.plot([0, 1], [0, 1], color=GREY, lw=0.8, ls=":")
        bars = np.stack([value - low, high - value]).clip(0.0)
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
        axis.errorbar(x, value, bars, color=colour, marker=marker, ms=4, lw=1.2, capsize=2, zorder=3)
        axis.set_title(stage, fontsize=9)
        axis.set_xlim(0.0, 1.0)
        axis.set_ylim(0.0, 1.02)
    figure.supxlabel("probability of the likeliest class", fontsize=10)
    figure.supylabel("accuracy (bars: share of images)", fontsize=10)
    return figure


def _risk(answers: Mapping[str, Answers]) -> Any:
    figure, axes = _figure(1, side=4.2)
    axis = axes[0][0]
    for number, (stage, those) in enumerate(answers.items()):
        correct = those.predicted == those.label
        coverage, risk = risk_against_coverage(correct, those.probabilities.max(axis=1))
        axis.step(coverage, risk, where="post", label=stage, **_style(number))
    axis.set_xlim(0.0, 1.0)
    axis.set_ylim(bottom=0.0)
    axis.set_xlabel("coverage: share of images answered")
    axis.set_ylabel("risk: share of errors among them")
    _legend(figure, axes, 2)
    return figure


def _confusion(answers: Mapping[str, Answers]) -> Any:
    columns = min(4, len(answers))
    rows = -(-len(answers) // columns)
    figure, axes = _figure(columns, rows, side=2.9, share=False)
    for axis in axes.flat[len(answers) :]:
        axis.set_visible(False)
    for axis, (stage, those) in zip(axes.flat, answers.items(), strict=False):
        counts = confusion(those.label, those.predicted, len(those.classes))
        shares = counts / counts.sum(axis=1, keepdims=True).clip(1)
        axis.imshow(shares, cmap="cividis", vmin=0.0, vmax=1.0)
        for (i, j), count in np.ndenumerate(counts):
            dark = shares[i, j] < 0.5
            axis.text(j, i, f"{count}", ha="center", va="center", color="white" if dark else "black")
        axis.set_xticks(range(len(those.classes)), those.classes)
        axis.set_yticks(range(len(those.classes)), those.classes, rotation=90, va="center")
        axis.grid(False)
        axis.set_title(stage, fontsize=9)
    figure.supxlabel("likeliest class", fontsize=10)
    figure.supylabel("true class", fontsize=10)
    return figure


def _bins(evaluation: Evaluation) -> Any:
    known = [one for one in evaluation.bins if not math.isnan(one.auc.value)]
    quantities = [name for name in QUANTITIES if any(one.quantity == name for one in known)]
    classes = list(dict.fromkeys(one.of_class for one in known))
    figure, axes = _figure(len(quantities), len(classes), side=2.8, columns_alike=True)
    for row, of_class in zip(axes, classes, strict=True):
        for axis, quantity in zip(row, quantities, strict=True):
            for number, stage in enumerate(evaluation.answers):
                those = [
                    one
                    for one in known
                    if (one.stage, one.quantity, one.of_class) == (stage, quantity, of_class)
                ]
                if those:
                    _curve(axis, those, number, stage)
            axis.tick_params(labelsize=8)
            axis.margins(x=0.12)
        title = "any substructure" if of_class == SUBSTRUCTURE else of_class
        row[0].set_ylabel(f"AUC, {title}", fontsize=8)
    for axis, quantity in zip(axes[-1], quantities, strict=True):
        unit = {"solMass": " [10¹⁰ M☉]", "arcsec": " [″]"}.get(UNITS[quantity], "")
        axis.set_xlabel(QUANTITIES[quantity] + unit, fontsize=8)
    _legend(figure, axes, min(4, len(evaluation.answers)))
    return figure


def _curve(axis: Any, those: Sequence[BinScore], number: int, stage: str) -> None:
    scale = 1e-10 if those[0].quantity == "mass" else 1.0
    # stages stand a little apart, so that their bars can be told
    middles = np.array([one.middle for one in those])
    x = scale * (middles + 0.012 * number * float(np.ptp(middles) or middles[0]))
    value, low, high = (np.array([getattr(one.auc, k) for one in those]) for k in ("value", "low", "high"))
    bars = np.nan_to_num(np.stack([value - low, high - value])).clip(0.0)
    style = _style(number)
    marker = MARKERS[number % len(MARKERS)]
    axis.errorbar(x, value, bars, label=stage, marker=marker, ms=4, capsize=2, elinewidth=0.8, **style)
