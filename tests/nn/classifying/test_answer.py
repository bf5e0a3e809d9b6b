from __future__ import annotations

import numpy as np
import pytest

from lensproc.nn.classifying.answer import (
    answers_of,
    conformal_threshold,
    negative_log_likelihood,
    p_values,
    probabilities_of,
)

REFERENCE = np.arange(1.0, 1000.0)


def answer(logits, temperature=1.0, threshold=0.5, distance=500.0):
    logits = np.asarray(logits, float)
    return answers_of(logits[None], np.array([distance]), temperature, threshold, REFERENCE)


def test_probabilities_sum_to_one_also_for_logits_that_overflow():
    logits = np.array([[1e4, -1e4, 0.0], [-800.0, -801.0, -802.0], [0.0, 0.0, 0.0]])
    found = probabilities_of(logits, 1.0)
    assert found.sum(axis=1) == pytest.approx([1.0, 1.0, 1.0], abs=1e-12)
    assert found[1] == pytest.approx([0.66524096, 0.24472847, 0.09003057], abs=1e-8)
    assert found[2] == pytest.approx([1 / 3] * 3)


def test_the_temperature_divides_logits():
    assert probabilities_of(np.array([4.0, 0.0]), 2.0) == pytest.approx(
        probabilities_of(np.array([2.0, 0.0]), 1.0)
    )


def test_the_likelihood_is_that_of_the_averaged_probabilities():
    rng = np.random.default_rng(1)
    logits, labels = rng.normal(0.0, 3.0, (50, 8, 3)), rng.integers(0, 3, 50)
    averaged = probabilities_of(logits, 1.7).mean(axis=1)[np.arange(50), labels]
    assert negative_log_likelihood(logits, labels, 1.7) == pytest.approx(-np.log(averaged).mean(), rel=1e-12)


def test_entropy_in_bits():
    assert answer([[0.0, 0.0, 0.0]]).entropy[0] == pytest.approx(np.log2(3.0))
    assert answer([[0.0, 0.0, -1e4]]).entropy[0] == pytest.approx(1.0)
    assert answer([[1e4, 0.0, -1e4]]).entropy[0] == 0.0


def test_views_are_averaged_in_probability_not_in_logits():
    found = answer([[9.0, 0.0, -9.0], [-9.0, 9.0, 0.0]])
    assert found.probabilities[0] == pytest.approx([0.5, 0.5, 0.0], abs=1e-3)
    assert found.agreement[0] == 0.5
    assert found.scatter[0] == pytest.approx([0.5, 0.5, 0.0], abs=1e-3)
    assert found.logits[0] == pytest.approx([0.0, 4.5, -4.5])


def test_a_class_is_named_only_where_it_is_alone_in_the_set():
    sure, lost = answer([[5.0, 0.0, 0.0]]), answer([[0.0, 0.0, 0.0]])
    torn = answer([[1.0, 1.0, -9.0]], threshold=0.6)
    assert sure.decided[0] == 0
    assert (torn.in_set[0].tolist(), torn.decided[0]) == ([True, True, False], -1)
    assert (lost.in_set[0].any(), lost.decided[0]) == (False, -1)


def test_no_class_is_named_for_an_image_unlike_the_training():
    assert answer([[5.0, 0.0, 0.0]], distance=989.0).decided[0] == 0
    far = answer([[5.0, 0.0, 0.0]], distance=2000.0)
    assert far.likeness[0] == pytest.approx(0.001)
    assert far.decided[0] == -1


def test_the_threshold_is_the_smallest_that_covers_with_the_correction_for_few_images():
    scores = np.arange(1.0, 101.0) / 200.0
    assert conformal_threshold(scores, 0.9) == scores[90], "the 91st of 100: ⌈.9 × 101⌉"
    assert conformal_threshold(scores[:8], 0.9) == 1.0, "eight images say nothing about the tenth"
    assert conformal_threshold(scores[:9], 0.9) == scores[8]


def test_p_values_rank_a_distance_among_those_of_the_reference():
    found = p_values(np.array([0.0, 1.0, 999.0, 999.5, np.inf]), REFERENCE)
    assert found == pytest.approx([1.0, 1.0, 0.002, 0.001, 0.001])
