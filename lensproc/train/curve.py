"""Picture of a training: its losses over the steps."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def _draw_contest(axes: Any, record: Mapping[str, Any]) -> None:
    """Draw the losses of generator and discriminator against each other, on an axis of their own."""
    part = [entry for entry in record["curve"] if "discriminator" in entry["train"]]
    if not part:
        return
    beside = axes.twinx()
    steps = [entry["step"] for entry in part]
    for name, colour in (("adversarial", "C1"), ("discriminator", "C2")):
        beside.plot(steps, [entry["train"][name] for entry in part], ":", label=name, color=colour)
    beside.set_ylabel("adversarial losses")
    beside.legend(loc="lower left")


def draw_curve(record: Mapping[str, Any], path: Path) -> bool:
    """Draw the training loss and what is monitored in validation; False where matplotlib is not installed.

    Parameters
    ----------
    record : mapping
        Of `lensproc.train.record.training_record`.
    path : pathlib.Path
        A PNG file.
    """
    if importlib.util.find_spec("matplotlib") is None or not record["curve"]:
        return False
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    steps = [entry["step"] for entry in record["curve"]]
    monitor = record["monitor"]
    train = [entry["train"].get("loss", float("nan")) for entry in record["curve"]]
    val = [entry["val"][monitor] for entry in record["curve"]]
    figure = Figure(figsize=(6.0, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot(steps, train, label="training: loss", color="0.55")
    axes.plot(steps, val, label=f"validation: {monitor}", color="C0")
    if record["best"] is not None:
        axes.plot(record["best"]["step"], record["best"]["value"], "o", color="C3", label="best")
    if min(train + val) > 0.0:
        axes.set_yscale("log")
    _draw_contest(axes, record)
    axes.set_xlabel("step")
    axes.set_title(f"{record['stage']}, recipe {record['recipe']['name']}")
    axes.legend(loc="upper right")
    figure.savefig(path, dpi=120, metadata={"Software": None})
    return True
