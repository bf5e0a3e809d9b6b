"""What the evaluation of classifiers writes: JSON, ECSV tables, the report and pictures."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lensproc.evaluate.classification.answer import SUBSTRUCTURE, Answers
from lensproc.evaluate.classification.bins import QUANTITIES, UNITS
from lensproc.evaluate.classification.markdown import report_of
from lensproc.evaluate.classification.measures import confusion, risk_against_coverage
from lensproc.evaluate.classification.run import Evaluation
from lensproc.evaluate.classification.score import MEASURES, reliability_of
from lensproc.evaluate.experiment import Column, columns_of, make_table, records_of, spread_out
from lensproc.evaluate.folder import ecsv_of, write_files
from lensproc.evaluate.intervals import UNKNOWN

if TYPE_CHECKING:
    from astropy.table import Table

SCHEMA = 1

OOD_BINS = 20
"""Of equal width, of the out-of-distribution p-values in the JSON: flat for images like those of the training."""

COVERAGES = 100
"""Points of the curve of risk against coverage in the JSON."""


def scores_table(evaluation: Evaluation) -> Table:
    """One row per stage, figure and class."""
    columns = {
        "stage": Column("which stage"),
        "measure": Column("which figure"),
        "class": Column("of which class; empty for all together"),
        "images": Column("images that it rests on"),
        **columns_of("value", "the figure"),
        **columns_of("difference", "difference to the first stage on the same images"),
    }
    rows = [
        {
            "stage": one.stage,
            "measure": one.measure,
            "class": one.of_class,
            "images": one.value.n,
            **spread_out("value", one.value),
            **spread_out("difference", one.difference or UNKNOWN),
        }
        for one in evaluation.scores
    ]
    return make_table(rows, columns)


def bins_table(evaluation: Evaluation) -> Table:
    """Areas under the ROC curve by mass of the substructure, θ_E and SNR."""
    columns = {
        "stage": Column("which stage"),
        "quantity": Column("what images are sorted by"),
        "class": Column(f"of which class; {SUBSTRUCTURE}: any against none"),
        "low": Column("lower end of the bin"),
        "high": Column("upper end"),
        "middle": Column("median of the images of the class"),
        "positives": Column("images of the class in the bin"),
        "negatives": Column(
            "images they are held against: of mass all that are not of the class, else the bin's"
        ),
        **columns_of("auc", "area under the ROC curve"),
    }
    rows = [
        {
            "stage": one.stage,
            "quantity": one.quantity,
            "class": one.of_class,
            "low": one.low,
            "high": one.high,
            "middle": one.middle,
            "positives": one.positives,
            "negatives": one.negatives,
            **spread_out("auc", one.auc),
        }
        for one in evaluation.bins
    ]
    return make_table(rows, columns)


def images_table(evaluation: Evaluation) -> Table:
    """Truth and answers of every image, a row each."""
    from astropy.table import Table

    truths = evaluation.truths
    table = Table()
    known = {
        "index": (np.array([one.index for one in truths]), "number of the image", ""),
        "class": (np.array([one.class_name for one in truths]), "true class", ""),
    }
    for name, words in QUANTITIES.items():
        values = np.array([getattr(one, name) for one in truths], np.float64)
        known[name] = (values, words, UNITS[name])
    for name, (values, words, unit) in known.items():
        _add(table, name, values, words, unit)
    for stage, answers in evaluation.answers.items():
        for i, name in enumerate(answers.classes):
            _add(table, f"{stage}_{name}", answers.probabilities[:, i], f"probability of {name} by {stage}")
        if answers.in_set is not None:
            for i, name in enumerate(answers.classes):
                _add(table, f"{stage}_{name}_in_set", answers.in_set[:, i], f"{name} is in the conformal set")
        if answers.undecided is not None:
            _add(table, f"{stage}_undecided", answers.undecided, f"{stage} leaves it open")
        if np.isfinite(answers.ood).any():
            _add(table, f"{stage}_ood", answers.ood, "p-value of being like the training images")
    return table


def _add(table: Table, name: str, values: Any, words: str, unit: str = "") -> None:
    table[name] = values
    table[name].info.description = words
    if unit:
        table[name].info.unit = unit


def to_json(evaluation: Evaluation, about: Mapping[str, Any]) -> str:
    """Return all that a second run gives again as JSON; null where a number is not known.

    Parameters
    ----------
    evaluation : Evaluation
        What was measured.
    about : mapping
        Versions, put first.
    """
    methods = [
        {
            "name": method.name,
            "stage": method.stage,
            "options": dict(method.options),
            "weights": evaluation.weights.get(method.name, ("", ""))[0],
            "weights_sha256": evaluation.weights.get(method.name, ("", ""))[1],
            "parameters": evaluation.parameters[method.name],
            "failed": len(evaluation.failures[method.name]),
            **_shape_of(evaluation.answers[method.name]),
        }
        for method in evaluation.methods
    ]
    record = {
        "schema": SCHEMA,
        "kind": "classify",
        **about,
        "data": evaluation.dataset.describe(),
        "scored": len(evaluation.truths),
        "left_out": evaluation.left_out,
        "class_counts": dict(sorted(Counter(one.class_name for one in evaluation.truths).items())),
        "measures": MEASURES,
        "methods": methods,
        "scores": records_of(scores_table(evaluation)),
        "bins": records_of(bins_table(evaluation)),
    }
    return json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _shape_of(answers: Answers) -> dict[str, Any]:
    correct = answers.predicted == answers.label
    coverage, risk = risk_against_coverage(correct, answers.probabilities.max(axis=1))
    wanted = np.searchsorted(coverage, np.arange(1, COVERAGES + 1) / COVERAGES - 1e-9)
    at = np.unique(wanted.clip(0, coverage.size - 1))
    ood = answers.ood[np.isfinite(answers.ood)]
    return {
        "classes": list(answers.classes),
        "confusion": confusion(answers.label, answers.predicted, len(answers.classes)).tolist(),
        "reliability": [
            {
                "low": one.low,
                "high": one.high,
                "images": one.images,
                "correct": one.correct,
                "confidence": None if math.isnan(one.confidence) else one.confidence,
            }
            for one in reliability_of(answers)
        ],
        "risk_coverage": {"coverage": coverage[at].tolist(), "risk": risk[at].tolist()},
        "ood_histogram": np.histogram(ood, OOD_BINS, (0.0, 1.0))[0].tolist() if ood.size else None,
    }


def write(evaluation: Evaluation, about: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write all files into a folder, which is made where it is missing.

    Returns
    -------
    list of Path
        Files written, the report last.

    Raises
    ------
    UsageError
        Where matplotlib is not installed.
    OutputError
        Where a file cannot be written.
    """
    from lensproc.evaluate.classification.picture import pictures_of

    tables = {"scores": scores_table(evaluation), "images": images_table(evaluation)}
    if evaluation.bins:
        tables["bins"] = bins_table(evaluation)
    files: dict[str, bytes] = {"evaluate.json": to_json(evaluation, about).encode()}
    meta = {**about, **evaluation.dataset.describe()}
    files |= {f"{name}.ecsv": ecsv_of(table, meta) for name, table in tables.items()}
    speed = {"unit": "images per second and process", **evaluation.speed}
    files["speed.json"] = (json.dumps(speed, indent=1) + "\n").encode()
    files |= {f"{name}.png": picture for name, picture in pictures_of(evaluation).items()}
    files["evaluate.md"] = report_of(evaluation).encode()
    return write_files(folder, files)
