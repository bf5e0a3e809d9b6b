"""The scores of classifiers as tables for a terminal or a Markdown page."""

from __future__ import annotations

import math
from collections import Counter

from lensproc.evaluate.classification.bins import QUANTITIES, UNITS, BinScore
from lensproc.evaluate.classification.measures import confusion
from lensproc.evaluate.classification.run import Evaluation
from lensproc.evaluate.classification.score import Score
from lensproc.evaluate.intervals import Measured
from lensproc.evaluate.scoring.markdown import interval, table


def report_of(evaluation: Evaluation) -> str:
    """Put all tables together."""
    counts = Counter(one.class_name for one in evaluation.truths)
    told = ", ".join(f"{name} {counts[name]}" for name in sorted(counts))
    lines = [
        f"Set: {evaluation.dataset.words}; {told}",
        "AUC: one class against the rest, on probabilities; merged: any substructure against none; 95 % intervals "
        "in brackets, by bootstrap over images",
    ]
    if evaluation.left_out:
        failed = {name: len(those) for name, those in evaluation.failures.items() if those}
        told = ", ".join(f"{name} on {count}" for name, count in failed.items())
        lines += [f"{evaluation.left_out} images are left out for all stages: {told} failed"]
    lines += ["", *_areas(evaluation), "", *_answers(evaluation)]
    if len(evaluation.methods) > 1:
        first = evaluation.methods[0].name
        lines += ["", f"Differences to {first} on the same images", "", *_differences(evaluation)]
    for stage, answers in evaluation.answers.items():
        rows = confusion(answers.label, answers.predicted, len(answers.classes)).tolist()
        lines += ["", f"{stage}: images by true class (rows) and likeliest class (columns)", ""]
        cells = [[name, *map(str, row)] for name, row in zip(answers.classes, rows, strict=True)]
        lines += table(("", *answers.classes), cells)
    for quantity in QUANTITIES:
        lines += _bins(evaluation, quantity)
    return "\n".join(lines) + "\n"


def _classes(evaluation: Evaluation) -> list[str]:
    return list(dict.fromkeys(name for one in evaluation.answers.values() for name in one.classes))


def _areas(evaluation: Evaluation) -> list[str]:
    several = [name for name in _classes(evaluation) if _is_of_several(evaluation, name)]
    rows = []
    for method in evaluation.methods:
        stage = method.name
        parameters, speed = evaluation.parameters[stage], evaluation.speed.get(stage)
        many = len(evaluation.answers[stage].classes) > 2
        cells = [_cell(evaluation.score(stage, "auc", name) if many else None, 4) for name in several]
        for measure in ("auc_macro", "auc_micro"):
            cells.append(_cell(evaluation.score(stage, measure) if many else None, 4))
        cells.append(_cell(evaluation.score(stage, "auc_merged"), 4))
        cells += [_cell(evaluation.score(stage, measure), 4) for measure in ("accuracy", "ece")]
        cells.append("–" if parameters is None else f"{parameters:,}")
        cells.append("–" if speed is None else f"{speed:.3g}")
        rows.append([stage, *cells])
    areas = [f"AUC {name}" for name in several]
    headings = ("stage", *areas, "macro", "micro", "merged", "accuracy", "ECE", "parameters", "images/s")
    return table(headings, rows)


def _is_of_several(evaluation: Evaluation, name: str) -> bool:
    return any(name in one.classes and len(one.classes) > 2 for one in evaluation.answers.values())


def _answers(evaluation: Evaluation) -> list[str]:
    shown = {
        "ece_calibrated": "ECE if calibrated",
        "brier": "Brier",
        "nll": "NLL",
        "coverage": "conformal coverage",
        "set_size": "set size",
        "undecided": "undecided",
        "accuracy_decided": "accuracy where decided",
        "aurc": "AURC",
        "ood_below_01": "p < .01",
    }
    rows = [
        [method.name, *(_cell(evaluation.score(method.name, measure), 4) for measure in shown)]
        for method in evaluation.methods
    ]
    return table(("stage", *shown.values()), rows)


def _differences(evaluation: Evaluation) -> list[str]:
    classes = [("auc", name) for name in _classes(evaluation) if _is_of_several(evaluation, name)]
    keys = [*classes, ("auc_macro", ""), ("auc_micro", ""), ("auc_merged", ""), ("accuracy", "")]
    rows = []
    for method in evaluation.methods[1:]:
        found = [evaluation.score(method.name, *key) for key in keys]
        rows.append(
            [method.name, *(_cell_of(one.difference if one else None, 4, sign=True) for one in found)]
        )
    names = [f"AUC {name}" for _, name in classes]
    return table(("stage", *names, "macro", "micro", "merged", "accuracy"), rows)


def _bins(evaluation: Evaluation, quantity: str) -> list[str]:
    known = [one for one in evaluation.bins if one.quantity == quantity and not math.isnan(one.auc.value)]
    found: dict[tuple[str, float, float], dict[str, BinScore]] = {}
    for one in known:
        found.setdefault((one.of_class, one.low, one.high), {})[one.stage] = one
    if not found:
        return []
    stages = [method.name for method in evaluation.methods]
    rows = []
    for (of_class, low, high), those in found.items():
        first = next(iter(those.values()))
        ends = f"{low:.3g}" if low == high else f"{low:.3g}–{high:.3g}"
        areas = [_cell_of(those[stage].auc if stage in those else None, 4) for stage in stages]
        rows.append([of_class, ends, str(first.positives), str(first.negatives), *areas])
    unit = {"solMass": " [M☉]", "arcsec": " [″]"}.get(UNITS[quantity], "")
    headings = ("class", quantity.replace("_", " "), "images", "others", *stages)
    return ["", f"AUC by {QUANTITIES[quantity]}{unit}", "", *table(headings, rows)]


def _cell(score: Score | None, digits: int) -> str:
    return _cell_of(None if score is None else score.value, digits)


def _cell_of(measured: Measured | None, digits: int, *, sign: bool = False) -> str:
    return "–" if measured is None else interval(measured, digits, sign=sign)
