"""Figures of merit agree with what is known by hand, by theory, and by scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from lensproc.evaluate.classification import measures


def of_set(statistic, n):
    return float(statistic(np.ones((1, n)))[0])


def two_gaussians(n, distance, seed=0):
    """Scores of a class and of the others: normal, `distance` σ apart; the area is Φ(distance/√2)."""
    rng = np.random.default_rng(seed)
    positive = np.arange(n) % 2 == 0
    return positive, rng.normal(size=n) + distance * positive


def calibrated(n, classes=3, seed=0):
    """Probabilities, and classes drawn by them."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(classes, 0.7), n)
    label = (rng.random((n, 1)) > probabilities.cumsum(axis=1)).sum(axis=1).clip(0, classes - 1)
    return label, probabilities


def test_the_area_of_two_gaussians_is_that_of_theory():
    positive, score = two_gaussians(20_000, 1.5)
    assert measures.roc_auc(positive, score) == pytest.approx(norm.cdf(1.5 / math.sqrt(2.0)), abs=0.006)


def test_the_area_by_hand_counts_ties_half():
    positive = np.array([True, True, False, False, False])
    score = np.array([0.9, 0.5, 0.5, 0.2, 0.7])
    # pairs won: .9 beats all three, .5 beats .2, ties with .5, loses to .7
    assert of_set(measures.auc(positive, score), 5) == pytest.approx((3 + 1 + 0.5) / 6)


def test_weighted_areas_are_those_of_scikit_learn():
    rng = np.random.default_rng(1)
    positive, score = two_gaussians(300, 0.7)
    score = score.round(1)  # with ties
    weights = rng.integers(0, 4, (5, 300)).astype(float)
    found = measures.auc(positive, score)(weights)
    expected = [roc_auc_score(positive, score, sample_weight=one) for one in weights]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    label, probabilities = calibrated(200)
    weights = rng.integers(0, 3, (3, 200)).astype(float)
    truth = label[:, None] == np.arange(3)
    expected = [
        roc_auc_score(truth.ravel(), probabilities.ravel(), sample_weight=np.repeat(one, 3))
        for one in weights
    ]
    np.testing.assert_allclose(measures.micro_auc(label, probabilities)(weights), expected, rtol=1e-12)


def test_an_area_on_decisions_is_not_the_area_on_scores():
    """Counting a positive only where it is also predicted right is another number, and a flattering one."""
    label, probabilities = calibrated(4000)
    predicted = probabilities.argmax(axis=1)
    right = label == 0
    honest = measures.roc_auc(right, probabilities[:, 0])
    assert honest == pytest.approx(roc_auc_score(right, probabilities[:, 0]))
    wrong = measures.roc_auc(right & (predicted == 0), probabilities[:, 0])
    assert wrong > honest + 0.05


def test_an_area_without_one_of_both_kinds_is_unknown():
    score = np.array([0.1, 0.4, 0.8])
    assert math.isnan(measures.roc_auc(np.ones(3, bool), score))
    assert math.isnan(of_set(measures.auc(np.zeros(3, bool), score), 3))


def test_brier_and_log_loss_by_hand_and_by_scikit_learn():
    label = np.array([0, 2])
    probabilities = np.array([[0.7, 0.2, 0.1], [0.5, 0.5, 0.0]])
    np.testing.assert_allclose(measures.brier(label, probabilities), [0.09 + 0.04 + 0.01, 0.25 + 0.25 + 1.0])
    losses = measures.log_loss(label, probabilities)
    np.testing.assert_allclose(losses, [-math.log(0.7), -math.log(2.0**-23)])
    label, probabilities = calibrated(500)
    assert measures.log_loss(label, probabilities).mean() == pytest.approx(log_loss(label, probabilities))
    twice = 2.0 * brier_score_loss(label == 0, probabilities[:, 0])
    merged = np.stack([probabilities[:, 0], 1.0 - probabilities[:, 0]], axis=1)
    assert measures.brier((label != 0).astype(np.int64), merged).mean() == pytest.approx(twice)


def test_the_calibration_error_by_hand():
    confidence = np.array([0.95, 0.97, 0.96, 0.62, 0.61, 0.61])
    correct = np.array([True, True, False, True, False, False])
    # bins 14/15 to 1, and 9/15 to 10/15
    gaps = abs(2 / 3 - 0.96) * 3 / 6 + abs(1 / 3 - 0.6133333333) * 3 / 6
    assert of_set(measures.calibration_error(correct, confidence), 6) == pytest.approx(gaps)


def test_bins_hold_their_upper_edge():
    assert measures.bin_of(np.array([0.0, 1 / 15, 1 / 15 + 1e-9, 1.0])).tolist() == [0, 0, 1, 14]


def test_a_calibrated_stream_has_little_calibration_error_and_an_overconfident_one_much():
    label, probabilities = calibrated(30_000)
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == label
    error = of_set(measures.calibration_error(correct, confidence), confidence.size)
    assert error < 0.01
    assert error == pytest.approx(measures.expected_when_calibrated(confidence, 50), abs=0.004)
    sharpened = probabilities**3 / (probabilities**3).sum(axis=1, keepdims=True)
    worse = of_set(measures.calibration_error(correct, sharpened.max(axis=1)), confidence.size)
    assert worse == pytest.approx(float(sharpened.max(axis=1).mean() - correct.mean()), abs=0.01)
    assert worse > 0.1


def test_risk_against_coverage_by_hand():
    confidence = np.array([0.9, 0.8, 0.7, 0.6])
    correct = np.array([True, False, True, True])
    coverage, risk = measures.risk_against_coverage(correct, confidence)
    np.testing.assert_allclose(coverage, [0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(risk, [0.0, 1 / 2, 1 / 3, 1 / 4])
    assert of_set(measures.area_under_risk(correct, confidence), 4) == pytest.approx(13 / 12 / 4)


def test_equally_sure_images_come_together():
    correct = np.array([True, False, True, False])
    confidence = np.full(4, 0.5)
    assert measures.risk_against_coverage(correct, confidence)[1].tolist() == [0.5]
    for order in ([0, 1, 2, 3], [1, 3, 0, 2]):
        assert of_set(measures.area_under_risk(correct[order], confidence), 4) == pytest.approx(0.5)


def test_an_image_drawn_twice_counts_twice():
    correct, confidence = np.array([True, False, True]), np.array([0.9, 0.85, 0.5])
    weights = np.array([[2.0, 1.0, 0.0]])
    repeated, sure = np.array([True, True, False]), np.array([0.9, 0.9, 0.85])
    for make in (measures.calibration_error, measures.area_under_risk):
        assert float(make(correct, confidence)(weights)[0]) == pytest.approx(of_set(make(repeated, sure), 3))
    mean = measures.weighted_mean(np.array([1.0, 4.0, 9.0]))
    assert float(mean(weights)[0]) == pytest.approx(2.0)


def test_confusion_has_the_truth_in_rows():
    found = measures.confusion(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0]), 3)
    assert found.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
