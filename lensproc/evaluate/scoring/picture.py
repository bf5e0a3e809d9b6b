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
    """Draw input, yardstick, stages, truths, and what yardstick and stages differ from them, as a PNG.

    Each is held against the truth whose PSF is nearer to the one that it declares.

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
    rows = evaluation.panels
    held = rows[0].held_against
    truths = [name for name in rows[0].truths if name in {held[method] for method in names}]
    columns = ["input", *names, *truths, *(f"{name} − {held[name]}" for name in names)]
    figure = Figure(
        figsize=(PANEL * len(columns), PANEL * len(rows) + 0.3), layout="constrained", facecolor="white"
    )
    axes = figure.subplots(len(rows), len(columns), squeeze=False)
    for row, panels in zip(axes, rows, strict=True):
        _row(row, panels, names, truths)
    for axis, title in zip(axes[0], columns, strict=True):
        axis.set_title(title, fontsize=8)
    buffer = io.BytesIO()
    # no software version or date inside: the same numbers give the same bytes
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


def _is_base(evaluation: Evaluation, method: Method) -> bool:
    return method.name == evaluation.yardstick


def _row(row: Any, panels: Panels, names: list[str], truths: list[str]) -> None:
    stretch = stretch_of(panels.input.astype(np.float64))
    images = [panels.input, *(panels.outputs[name] for name in names), *(panels.truths[n] for n in truths)]
    for axis, image in zip(row, images, strict=False):
        level = stretch.image(image.astype(np.float64))
        axis.imshow(level, origin="lower", cmap=BRIGHT, vmin=0, vmax=1, interpolation="nearest")
    for axis, name in zip(row[len(images) :], names, strict=True):
        truth = panels.truths[panels.held_against[name]].astype(np.float64)
        level = stretch.difference(panels.outputs[name].astype(np.float64) - truth)
        axis.imshow(level, origin="lower", cmap=DIVERGING, vmin=0, vmax=1, interpolation="nearest")
    for axis in row:
        axis.set_xticks([])
        axis.set_yticks([])
    row[0].set_ylabel(f"image {panels.index}", fontsize=8)
