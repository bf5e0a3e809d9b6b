"""How the area under the ROC curve depends on the lens: its substructure's mass, its θ_E, its SNR."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lensproc.evaluate.classification import measures
from lensproc.evaluate.classification.answer import SUBSTRUCTURE, Answers
from lensproc.evaluate.classification.draws import Bootstrap
from lensproc.evaluate.classification.measures import Array, Mask, Statistic
from lensproc.evaluate.classification.truth import NONE, Truth
from lensproc.evaluate.intervals import UNKNOWN, Measured

NUMBER = 5
"""Bins of equal numbers of images, where values differ enough."""

FEWEST = 10
"""A bin with fewer images of a class, or of the others, has no area."""

QUANTITIES = {
    "mass": "total mass of the substructure",
    "einstein_radius": "Einstein radius",
    "snr": "SNR of all light",
}
UNITS = {"mass": "solMass", "einstein_radius": "arcsec", "snr": ""}
"""What images are sorted by, and its unit."""


@dataclass(frozen=True)
class BinScore:
    """Area under the ROC curve in one bin.

    Parameters
    ----------
    stage, quantity : str
        Whose, sorted by what.
    of_class : str
        Class, or ``substructure`` for any against none.
    low, high, middle : float
        Ends of the bin, and the median of the images of the class in it.
    positives, negatives : int
        Images of the class, and others.
    auc : Measured
        With its 95 % interval over images.
    """

    stage: str
    quantity: str
    of_class: str
    low: float
    high: float
    middle: float
    positives: int
    negatives: int
    auc: Measured


def edges_of(values: Array, number: int = NUMBER) -> Array:
    """Edges of bins with about equal numbers of values, to three digits; fewer where many values are the same.

    Returns
    -------
    ndarray, shape (m + 1,)
        Rising; empty where all values are one. Bins hold their lower edge, the last both.
    """
    known = values[np.isfinite(values)]
    if known.size == 0 or known.min() == known.max():
        return np.zeros(0)
    inner = np.quantile(known, np.arange(1, number) / number)
    rounded = [float(f"{value:.3g}") for value in inner]
    inside = [value for value in rounded if known.min() < value <= known.max()]
    return np.unique(np.array([known.min(), *inside, known.max()]))


def bins_of(truths: Sequence[Truth], answers: Mapping[str, Answers]) -> list[BinScore]:
    """Measure areas by every quantity that the set has.

    Parameters
    ----------
    truths : sequence of Truth
        Of the images.
    answers : mapping of str to Answers
        By stage, of the same images in the same order.

    Notes
    -----
    Images without substructure have no mass: those of every bin of mass are held against all images that are not
    of the class, and the bins are those of each class, since one may have the same mass throughout. By the other
    quantities both come from the bin.
    """
    found = []
    boots = Bootstrap(len(truths))
    for quantity in QUANTITIES:
        values = np.array([getattr(one, quantity) for one in truths], np.float64)
        if quantity == "mass":
            values = np.where([one.class_name == NONE for one in truths], math.nan, values)
        for stage, those in answers.items():
            found += _of_stage(stage, quantity, values, those, boots)
    return found


def _of_stage(stage: str, quantity: str, values: Array, answers: Answers, boots: Bootstrap) -> list[BinScore]:
    statistics: dict[str, Statistic] = {}
    counts: dict[str, int] = {}
    found: dict[str, BinScore] = {}
    for of_class, positive, score in _questions(answers):
        edges = edges_of(values[positive] if quantity == "mass" else values)
        if edges.size == 0 and quantity == "mass" and np.isfinite(values[positive]).any():
            edges = np.full(2, np.nanmax(values[positive]))  # one mass for all
        for at in range(edges.size - 1):
            low, high = float(edges[at]), float(edges[at + 1])
            inside = (values >= low) & ((values < high) if at < edges.size - 2 else (values <= high))
            chosen = positive & inside
            others = ~positive & (inside if quantity != "mass" else np.ones(inside.size, bool))
            numbers = int(np.count_nonzero(chosen)), int(np.count_nonzero(others))
            if numbers[0] == 0:
                continue
            name = f"{of_class} {at}"
            middle = float(np.median(values[chosen]))
            found[name] = BinScore(stage, quantity, of_class, low, high, middle, *numbers, UNKNOWN)
            if min(numbers) >= FEWEST:
                statistics[name] = _among(chosen | others, positive, score)
                counts[name] = sum(numbers)
    samples = boots.samples(statistics, counts)
    for name, sample in samples.items():
        found[name] = replace(found[name], auc=sample.measured())
    return list(found.values())


def _questions(answers: Answers) -> list[tuple[str, Mask, Array]]:
    """Classes with their positives and scores; any substructure against none comes first and stands for ``no``."""
    found: list[tuple[str, NDArray[np.bool_], Array]] = []
    if answers.merged is not None:
        found.append((SUBSTRUCTURE, *answers.merged))
    for i, name in enumerate(answers.classes):
        if name != NONE and len(answers.classes) > 2:
            found.append((name, answers.label == i, answers.probabilities[:, i]))
    return found


def _among(keep: Mask, positive: Mask, score: Array) -> Statistic:
    area = measures.auc(positive[keep], score[keep])
    return lambda weights: area(weights[:, keep])
