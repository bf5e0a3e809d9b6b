"""Figures of every stage on a set, with intervals and paired differences to the first stage."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from lensproc.evaluate.classification import measures
from lensproc.evaluate.classification.answer import UNLIKE, Answers
from lensproc.evaluate.classification.draws import Bootstrap, Sample
from lensproc.evaluate.classification.measures import Array, Statistic, roc_auc
from lensproc.evaluate.intervals import BOOTSTRAPS, Measured

MEASURES = {
    "auc": "area under the one-vs-rest ROC curve of a class",
    "auc_macro": "mean of these over the classes",
    "auc_micro": "area under the ROC curve of all pairs of image and class",
    "auc_merged": "area under the ROC curve of any substructure against none",
    "accuracy": "share of images whose likeliest class is the true one",
    "ece": "expected calibration error, 15 equal-width bins of the top probability (Guo et al. 2017)",
    "ece_calibrated": "the same, expected of perfectly calibrated answers with these probabilities",
    "brier": "Brier score, summed over the classes: 0 to 2",
    "nll": "negative log-likelihood, mean over images",
    "coverage": "share of images whose true class is in the conformal set",
    "set_size": "classes in the conformal set, mean over images",
    "undecided": "share of images left undecided",
    "accuracy_decided": "accuracy of the images that are not",
    "aurc": "area under the curve of risk against coverage",
    "ood_below_01": "share of images with an out-of-distribution p-value below .01",
}
"""What is measured, by the name in the files."""

REFLECTED = ("ece",)
"""Figures whose interval is that of the basic bootstrap: drawing images again adds to them."""


@dataclass(frozen=True)
class Score:
    """One figure of one stage.

    Parameters
    ----------
    stage, measure : str
        Which figure of which stage.
    of_class : str
        Class; empty for all together.
    value : Measured
        With its 95 % interval over images.
    difference : Measured or None
        To the first stage on the same images; None for the first itself, and where it lacks the figure.
    """

    stage: str
    measure: str
    of_class: str
    value: Measured
    difference: Measured | None = None


def scores_of(answers: Mapping[str, Answers]) -> list[Score]:
    """Measure all stages.

    Parameters
    ----------
    answers : mapping of str to Answers
        By stage, all of the same images in the same order; the first is the one that others are compared with.
    """
    names = list(answers)
    boots = Bootstrap(answers[names[0]].label.size)
    samples = {name: _samples(answers[name], boots) for name in names}
    first = samples[names[0]]
    found = []
    for name in names:
        same_classes = answers[name].classes == answers[names[0]].classes
        for (measure, of_class), sample in samples[name].items():
            value = sample.measured(reflected=measure in REFLECTED)
            score = Score(name, measure, of_class, value)
            other = first.get((measure, of_class))
            comparable = same_classes or measure == "auc_merged"
            if name != names[0] and other is not None and comparable and measure != "ece_calibrated":
                score = replace(score, difference=sample.above(other))
            found.append(score)
    return found


def _samples(answers: Answers, boots: Bootstrap) -> dict[tuple[str, str], Sample]:
    statistics, counts = _statistics(answers)
    keys = {f"{measure} {name}": (measure, name) for measure, name in statistics}
    found = boots.samples(
        {text: statistics[key] for text, key in keys.items()},
        {text: counts[key] for text, key in keys.items() if key in counts},
    )
    samples = {keys[text]: sample for text, sample in found.items()}
    for key, value in _areas(answers).items():
        samples[key] = replace(samples[key], value=value)
    confidence = answers.probabilities.max(axis=1)
    expected = measures.expected_when_calibrated(confidence, BOOTSTRAPS)
    samples["ece_calibrated", ""] = Sample(expected, np.full(1, math.nan), answers.label.size)
    order = list(MEASURES)
    return dict(sorted(samples.items(), key=lambda item: order.index(item[0][0])))


def _statistics(
    answers: Answers,
) -> tuple[dict[tuple[str, str], Statistic], dict[tuple[str, str], int]]:
    """Figures by (measure, class), and the number of images of those that rest on a part of them."""
    label, probabilities, classes = answers.label, answers.probabilities, answers.classes
    correct = answers.predicted == label
    confidence = probabilities.max(axis=1)
    each = [measures.auc(label == i, probabilities[:, i]) for i in range(len(classes))]
    found: dict[tuple[str, str], Statistic] = {
        ("auc", name): one for name, one in zip(classes, each, strict=True)
    }
    counts: dict[tuple[str, str], int] = {}
    found["auc_macro", ""] = measures.mean_of(each)
    found["auc_micro", ""] = measures.micro_auc(label, probabilities)
    merged = answers.merged
    if merged is not None:
        found["auc_merged", ""] = measures.auc(*merged)
    found["accuracy", ""] = measures.weighted_mean(correct.astype(np.float64))
    found["ece", ""] = measures.calibration_error(correct, confidence)
    found["brier", ""] = measures.weighted_mean(measures.brier(label, probabilities))
    found["nll", ""] = measures.weighted_mean(measures.log_loss(label, probabilities))
    if answers.in_set is not None:
        held = answers.in_set[np.arange(label.size), label].astype(np.float64)
        found["coverage", ""] = measures.weighted_mean(held)
        for i, name in enumerate(classes):
            found["coverage", name] = measures.weighted_mean(held, label == i)
            counts["coverage", name] = int(np.count_nonzero(label == i))
        found["set_size", ""] = measures.weighted_mean(answers.in_set.sum(axis=1).astype(np.float64))
    if answers.undecided is not None:
        found["undecided", ""] = measures.weighted_mean(answers.undecided.astype(np.float64))
        found["accuracy_decided", ""] = measures.weighted_mean(correct.astype(np.float64), ~answers.undecided)
        counts["accuracy_decided", ""] = int(np.count_nonzero(~answers.undecided))
    found["aurc", ""] = measures.area_under_risk(correct, confidence)
    known = np.isfinite(answers.ood)
    if known.any():
        unlike = (answers.ood < UNLIKE).astype(np.float64)
        found["ood_below_01", ""] = measures.weighted_mean(unlike, known)
        counts["ood_below_01", ""] = int(np.count_nonzero(known))
    return found, counts


def _areas(answers: Answers) -> dict[tuple[str, str], float]:
    """Areas of the set itself by scikit-learn; the draws are by `measures.auc`, which is the same with weights."""
    label, probabilities, classes = answers.label, answers.probabilities, answers.classes
    truth = label[:, None] == np.arange(len(classes))
    each = [roc_auc(truth[:, i], probabilities[:, i]) for i in range(len(classes))]
    found = {("auc", name): value for name, value in zip(classes, each, strict=True)}
    found["auc_macro", ""] = float(np.mean(each))
    found["auc_micro", ""] = roc_auc(truth.ravel(), probabilities.ravel())
    merged = answers.merged
    if merged is not None:
        found["auc_merged", ""] = roc_auc(*merged)
    return found


@dataclass(frozen=True)
class ReliabilityBin:
    """Images whose top probability falls into a range.

    Parameters
    ----------
    low, high : float
        The range: above `low`, up to `high`.
    images, correct : int
        How many, and how many of them are named rightly.
    confidence : float
        Their mean top probability; NaN for none.
    """

    low: float
    high: float
    images: int
    correct: int
    confidence: float


def reliability_of(answers: Answers) -> list[ReliabilityBin]:
    """Sort images into the bins of the calibration error."""
    confidence: Array = answers.probabilities.max(axis=1)
    correct = answers.predicted == answers.label
    where = measures.bin_of(confidence)
    found = []
    for i in range(measures.BINS):
        those = where == i
        images = int(np.count_nonzero(those))
        mean = float(confidence[those].mean()) if images else math.nan
        low, high = i / measures.BINS, (i + 1) / measures.BINS
        found.append(ReliabilityBin(low, high, images, int(np.count_nonzero(correct & those)), mean))
    return found
