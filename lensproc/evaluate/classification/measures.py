"""Figures of merit of probabilities on arrays, each as a function of how often every image was drawn.

A statistic takes weights of shape (b, n), the number of times that each of n images stands in each of b draws, and
gives b values; weights of 1 give the figure of the set itself. So an interval costs one call, and the same draws
serve all stages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Numbers = NDArray[np.int64]

Statistic = Callable[[Array], Array]

BINS = 15
"""Of equal width, of the top probability: as in Guo et al. 2017."""

SMALLEST = float(np.finfo(np.float32).eps)
"""Probabilities below this count as this in the logarithm: what a float32 sum to 1 can still tell."""


def roc_auc(positive: Mask, score: Array) -> float:
    """Area under the ROC curve by scikit-learn, on scores; NaN where one of both kinds is missing.

    Parameters
    ----------
    positive : ndarray of bool, shape (n,)
        Which images are of the class.
    score : ndarray, shape (n,)
        Higher for those of the class.
    """
    from sklearn.metrics import roc_auc_score

    if positive.all() or not positive.any():
        return float("nan")
    return float(roc_auc_score(positive, score))


def auc(positive: Mask, score: Array) -> Statistic:
    """Area under the ROC curve: the chance that an image of the class scores above one that is not, ties half.

    Notes
    -----
    Hanley & McNeil 1982, Radiology 143, 29. Equal to `roc_auc` with the weights as ``sample_weight``.
    """
    order = np.argsort(score, kind="stable")
    ordered = score[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    mine = positive[order].astype(np.float64)

    def of(weights: Array) -> Array:
        drawn = weights[:, order]
        inside = np.add.reduceat(drawn * mine, starts, axis=1)
        outside = np.add.reduceat(drawn * (1.0 - mine), starts, axis=1)
        below = np.cumsum(outside, axis=1) - 0.5 * outside
        pairs = inside.sum(axis=1) * outside.sum(axis=1)
        return _ratio((inside * below).sum(axis=1), pairs)

    return of


def micro_auc(label: Numbers, probabilities: Array) -> Statistic:
    """Area under the ROC curve of all (image, class) pairs together."""
    classes = probabilities.shape[1]
    pairs = auc((label[:, None] == np.arange(classes)).ravel(), probabilities.ravel())
    return lambda weights: pairs(np.repeat(weights, classes, axis=1))


def mean_of(statistics: Sequence[Statistic]) -> Statistic:
    """Mean of several figures; NaN where one of them is."""
    return lambda weights: np.mean([one(weights) for one in statistics], axis=0)


def weighted_mean(values: Array, among: Mask | None = None) -> Statistic:
    """Mean of a value per image, of those `among`; NaN where none of them was drawn."""
    use = np.ones(values.size) if among is None else among.astype(np.float64)
    filled = np.where(use > 0, values, 0.0)
    return lambda weights: _ratio(weights @ (filled * use), weights @ use)


def brier(label: Numbers, probabilities: Array) -> Array:
    """Brier score of each image: Σ over classes of (p - y)², from 0 to 2.

    Notes
    -----
    Brier 1950, Monthly Weather Review 78, 1, equation 2: of two classes it is twice what is often given for one.
    """
    truth = (label[:, None] == np.arange(probabilities.shape[1])).astype(np.float64)
    return np.asarray(((probabilities - truth) ** 2).sum(axis=1))


def log_loss(label: Numbers, probabilities: Array) -> Array:
    """Negative natural logarithm of the probability of the true class of each image."""
    true = probabilities[np.arange(label.size), label]
    return np.asarray(-np.log(np.clip(true, SMALLEST, 1.0)))


def bin_of(confidence: Array, bins: int = BINS) -> Numbers:
    """Sort top probabilities into the bins ((m - 1)/M, m/M], numbered from 0."""
    return np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)


def calibration_error(correct: Mask, confidence: Array, bins: int = BINS) -> Statistic:
    """ECE, the expected calibration error: Σ over bins of n_m/n · |accuracy - mean top probability|.

    Parameters
    ----------
    correct : ndarray of bool, shape (n,)
        Whether the likeliest class is the true one.
    confidence : ndarray, shape (n,)
        Its probability.

    Notes
    -----
    Guo et al. 2017, ICML (arXiv:1706.04599), equation 3, with 15 bins of equal width.
    """
    where = bin_of(confidence, bins)[:, None] == np.arange(bins)
    gap = np.where(where, (correct - confidence)[:, None], 0.0)
    return lambda weights: _ratio(np.abs(weights @ gap).sum(axis=1), weights.sum(axis=1))


def expected_when_calibrated(confidence: Array, draws: int, seed: int = 0) -> float:
    """Mean calibration error of answers that are right exactly as often as they say: above 0, for n is finite."""
    rng = np.random.default_rng([seed, confidence.size])
    where = bin_of(confidence)[:, None] == np.arange(BINS)
    total = 0.0
    for _ in range(draws):
        gap = (rng.random(confidence.size) < confidence) - confidence
        total += float(np.abs(gap @ where).sum()) / confidence.size
    return total / draws


def area_under_risk(correct: Mask, confidence: Array) -> Statistic:
    """Area under the curve of risk against coverage (AURC).

    The mean, over the images from the surest to the least sure, of the share of errors among those at least as
    sure; equally sure ones come together.

    Notes
    -----
    Geifman & El-Yaniv 2017, NeurIPS (arXiv:1705.08500); the area: Geifman et al. 2019, ICLR (arXiv:1805.08206).
    """
    order = np.argsort(-confidence, kind="stable")
    ordered = confidence[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    wrong = (~correct[order]).astype(np.float64)

    def of(weights: Array) -> Array:
        drawn = weights[:, order]
        taken = np.add.reduceat(drawn, starts, axis=1)
        errors = np.cumsum(np.add.reduceat(drawn * wrong, starts, axis=1), axis=1)
        covered = np.cumsum(taken, axis=1)
        risk = np.divide(errors, covered, out=np.zeros_like(errors), where=covered > 0)
        return _ratio((taken * risk).sum(axis=1), weights.sum(axis=1))

    return of


def risk_against_coverage(correct: Mask, confidence: Array) -> tuple[Array, Array]:
    """Share of images that are answered, and the share of errors among them, from the surest on.

    Returns
    -------
    coverage, risk : ndarray, shape (m,)
        One point per different confidence.
    """
    order = np.argsort(-confidence, kind="stable")
    ordered = confidence[order]
    ends = np.flatnonzero(np.r_[ordered[1:] != ordered[:-1], True])
    errors = np.cumsum(~correct[order])[ends]
    return (ends + 1) / confidence.size, errors / (ends + 1)


def confusion(label: Numbers, predicted: Numbers, classes: int) -> Numbers:
    """Count images by true class (rows) and likeliest class (columns)."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (label, predicted), 1)
    return counts


def _ratio(above: Array, below: Array) -> Array:
    ratio: Array = np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
    return ratio
