"""Example images of a set, all panels of a row on one stretch."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from lensproc.evaluate.scoring.methods import Method
from lensproc.report.stretch import BRIGHT, DIVERGING, require_matplotlib, stretch_of

if TYPE_CHECKING:
    from lensproc.evaluate.scoring.run import Evaluation, Panels

DPI = 110
PANEL = 2.0
"""Side of a panel [inch]."""


def picture_of(evaluation: Evaluation) -> bytes:
    """Draw input, yardstick, stages, truth, and what the yardstick and each stage differ from it, as a PNG.

    Raises
    ------
    UsageError
        Where matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    shown = [method for method in evaluation.methods if not method.baseline or _is_base(evaluation, method)]
    shown.sort(key=lambda method: not method.baseline)
    names = [method.name for method in shown]
    columns = ["input", *names, "truth", *(f"{name} − truth" for name in names)]
    rows = evaluation.panels
    figure = Figure(
        figsize=(PANEL * len(columns), PANEL * len(rows) + 0.3), layout="constrained", facecolor="white"
    )
    axes = figure.subplots(len(rows), len(columns), squeeze=False)
    for row, panels in zip(axes, rows, strict=True):
        _row(row, panels, names)
    for axis, title in zip(axes[0], columns, strict=True):
        axis.set_title(title, fontsize=8)
    buffer = io.BytesIO()
    # no software version or date inside: the same numbers give the same bytes
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def _is_base(evaluation: Evaluation, method: Method) -> bool:
    return method.name == evaluation.yardstick


def _row(row: Any, panels: Panels, names: list[str]) -> None:
    stretch = stretch_of(panels.input.astype(np.float64))
    truth = panels.truth.astype(np.float64)
    images = [panels.input, *(panels.outputs[name] for name in names), truth]
    levels = [stretch.image(np.asarray(image, np.float64)) for image in images]
    differences = [stretch.difference(panels.outputs[name].astype(np.float64) - truth) for name in names]
    for axis, level in zip(row, levels, strict=False):
        axis.imshow(level, origin="lower", cmap=BRIGHT, vmin=0, vmax=1, interpolation="nearest")
    for axis, level in zip(row[len(levels) :], differences, strict=True):
        axis.imshow(level, origin="lower", cmap=DIVERGING, vmin=0, vmax=1, interpolation="nearest")
    for axis in row:
        axis.set_xticks([])
        axis.set_yticks([])
    row[0].set_ylabel(f"image {panels.index}", fontsize=8)
