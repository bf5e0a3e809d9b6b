"""Does physics help a classifier: networks of the same images and the same minutes, with and without it.

Each file of weights is run on the first images of ``sealed-common-test``. Under its label are kept, in ``--keep``,
its answers, so that a further file costs only itself; a file that has changed since is run again. The table gives
macro AUC (mean of one-vs-rest), accuracy and negative log-likelihood with 95 % intervals by bootstrap over images,
the same draws for all; then the differences of the pairs that ``--pair`` names.

Usage: python benchmarks/classifier_physics.py [LABEL=]WEIGHTS.safetensors… --keep FOLDER [--number 1000]
       [--pair WITH:WITHOUT]…
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from classifier_files import classifiers

from lensproc.evaluate.classification.answer import Answers
from lensproc.evaluate.classification.run import evaluate
from lensproc.evaluate.classification.score import Score, scores_of
from lensproc.evaluate.classification.stages import parameters_of
from lensproc.evaluate.intervals import Measured
from lensproc.evaluate.scoring.dataset import DataSet, open_dataset
from lensproc.evaluate.scoring.methods import Method
from lensproc.nn.weights import read_weights

SET = "sealed-common-test"
SHOWN = ("auc_macro", "accuracy", "nll")


@dataclass(frozen=True)
class Row:
    """One file of weights on the set.

    Parameters
    ----------
    name : str
        Its label.
    answers : Answers
        Of the images.
    images, steps, minutes : int, int, float
        It was trained on so many images, in so many steps and minutes; 0 where no record lies beside the file.
    parameters : int
        Of the network, those of fixed parts too.
    """

    name: str
    answers: Answers
    images: int
    steps: int
    minutes: float
    parameters: int


def kept_answers(method: Method, dataset: DataSet, folder: Path, jobs: int) -> Answers:
    """Answers of a file: those that are kept for the same weights and images, else by running it."""
    file = Path(str(dict(method.options)["weights"]))
    key = f"{read_weights(file).sha256} {dataset.name} {dataset.number}"
    path = folder / f"{method.name}.npz"
    if path.is_file():
        with np.load(path) as stored:
            if str(stored["key"]) == key:
                return Answers(
                    tuple(map(str, stored["classes"])),
                    stored["probabilities"],
                    stored["label"],
                    stored["in_set"],
                    stored["ood"],
                    stored["undecided"],
                )
    found = evaluate(dataset, [method], jobs=jobs)
    if found.left_out:
        raise SystemExit(f"{method.name} failed on {found.left_out} images: {found.failures[method.name][0]}")
    answers = found.answers[method.name]
    fields = ("probabilities", "label", "in_set", "ood", "undecided")
    np.savez(path, key=key, classes=answers.classes, **{name: getattr(answers, name) for name in fields})
    return answers


def row_of(method: Method, answers: Answers) -> Row:
    """Join answers with what the record of the training says."""
    file = Path(str(dict(method.options)["weights"]))
    record = file.with_name(f"{method.stage}.training.json")
    told: dict[str, Any] = json.loads(record.read_text("utf-8")) if record.is_file() else {}
    images = sum(share["number"] for share in told["recipe"]["train"]) if told else 0
    minutes = float(told["time"]["minutes"]) if told else 0.0
    steps = int(told.get("steps", 0))
    return Row(method.name, answers, images, steps, minutes, parameters_of(method) or 0)


def words(value: Measured, digits: int = 4) -> str:
    """Give a number with the ends of its interval."""
    return f"{value.value:.{digits}f} [{value.low:.{digits}f}, {value.high:.{digits}f}]"


def table(rows: list[Row]) -> list[str]:
    """All networks, in Markdown."""
    scores = by_name(scores_of({row.name: row.answers for row in rows}))
    lines = [
        "| network | images | steps, min | parameters | macro AUC | accuracy | −ln P(true class) |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        auc, accuracy, nll = (scores[row.name, measure].value for measure in SHOWN)
        trained = f"{row.images:,} | {row.steps:,}, {row.minutes:.0f}" if row.steps else "– | –"
        lines.append(
            f"| `{row.name}` | {trained} | {row.parameters:,} | {words(auc)} | "
            f"{words(accuracy, 3)} | {words(nll, 3)} |"
        )
    return lines


def pairs(rows: list[Row], wanted: list[str]) -> list[str]:
    """Differences of pairs on the same images, in Markdown."""
    answers = {row.name: row.answers for row in rows}
    lines = ["| with − without | macro AUC | accuracy | −ln P(true class) |", "|---|---|---|---|"]
    for pair in wanted:
        first, _, second = pair.partition(":")
        scores = by_name(scores_of({second: answers[second], first: answers[first]}))
        cells = []
        for measure, digits in zip(SHOWN, (4, 3, 3), strict=True):
            difference = scores[first, measure].difference
            assert difference is not None
            cells.append(words(difference, digits))
        lines.append(f"| `{first}` − `{second}` | " + " | ".join(cells) + " |")
    return lines


def by_name(scores: list[Score]) -> Mapping[tuple[str, str], Score]:
    """Figures of all classes together, by network and figure."""
    return {(score.stage, score.measure): score for score in scores if not score.of_class}


def main() -> None:
    """Run what has to be run, print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("weights", nargs="+", metavar="[LABEL=]FILE")
    parser.add_argument("--keep", type=Path, required=True, metavar="FOLDER", help="of the answers")
    parser.add_argument("--number", type=int, default=1000, help="images of the set")
    parser.add_argument("--pair", action="append", default=[], metavar="WITH:WITHOUT")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    given = parser.parse_args()
    given.keep.mkdir(parents=True, exist_ok=True)
    methods = classifiers(given.weights)
    names = {method.name for method in methods}
    unknown = sorted({name for pair in given.pair for name in pair.split(":")} - names)
    if unknown:
        parser.error(f"--pair names {', '.join(unknown)}; there are {', '.join(sorted(names))}")
    dataset = open_dataset(SET, given.number)
    rows = [row_of(method, kept_answers(method, dataset, given.keep, given.jobs)) for method in methods]
    print(f"First {dataset.number} images of {SET}\n")
    print("\n".join(table(rows)))
    if given.pair:
        print()
        print("\n".join(pairs(rows, given.pair)))


if __name__ == "__main__":
    main()
