"""Figures of a set: intervals that cover, differences that are paired, classes that are merged."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from lensproc.enhanced import Enhanced, Rows, Value
from lensproc.errors import PluginError
from lensproc.evaluate.classification.answer import Answer, Answers, answer_of, gather
from lensproc.evaluate.classification.bins import FEWEST, bins_of, edges_of
from lensproc.evaluate.classification.draws import Bootstrap
from lensproc.evaluate.classification.measures import auc
from lensproc.evaluate.classification.score import reliability_of, scores_of
from lensproc.evaluate.classification.truth import Truth, snr_of
from tests.evaluate.classification.test_measures import calibrated, two_gaussians

CLASSES = ("no", "sphere", "vortex")


def answers(n=900, seed=0, power=1.0):
    label, probabilities = calibrated(n, seed=seed)
    sharpened = probabilities**power / (probabilities**power).sum(axis=1, keepdims=True)
    in_set = sharpened > 0.15
    ood = np.linspace(0.0, 1.0, n, endpoint=False)
    return Answers(CLASSES, sharpened, label, in_set, ood, in_set.sum(axis=1) != 1)


def score(found, stage, measure, of_class=""):
    return next(s for s in found if (s.stage, s.measure, s.of_class) == (stage, measure, of_class))


def test_the_interval_of_an_area_covers_the_truth_as_often_as_it_says():
    truth = float(norm.cdf(1.0 / math.sqrt(2.0)))
    boots = Bootstrap(200)
    covered = 0
    for seed in range(40):
        positive, scores = two_gaussians(200, 1.0, seed)
        interval = boots.samples({"area": auc(positive, scores)}, {})["area"].measured()
        covered += interval.low <= truth <= interval.high
    assert covered >= 34  # 38 expected; below 34 has a chance of 1 %


def test_the_interval_of_the_calibration_error_holds_zero_for_calibrated_answers():
    found = scores_of({"a": answers(3000)})
    error = score(found, "a", "ece").value
    expected = score(found, "a", "ece_calibrated").value
    assert error.value < 0.03
    assert error.low <= 0.005
    assert expected.value == pytest.approx(error.value, abs=0.01)
    assert math.isnan(expected.low)
    over = score(scores_of({"a": answers(3000, power=3.0)}), "a", "ece").value
    assert 0.05 < over.low < over.value < over.high


def test_what_is_counted_is_counted():
    mine = answers(1000)
    found = scores_of({"a": mine})
    rows = np.arange(1000)
    assert score(found, "a", "coverage").value.value == mine.in_set[rows, mine.label].mean()
    spheres = mine.label == 1
    of_sphere = score(found, "a", "coverage", "sphere").value
    assert of_sphere.value == pytest.approx(mine.in_set[spheres, 1].mean())
    assert of_sphere.n == spheres.sum()
    assert score(found, "a", "set_size").value.value == pytest.approx(mine.in_set.sum(axis=1).mean())
    assert score(found, "a", "undecided").value.value == mine.undecided.mean()
    assert score(found, "a", "ood_below_01").value.value == pytest.approx(0.01)
    decided = ~mine.undecided
    right = mine.predicted == mine.label
    assert score(found, "a", "accuracy_decided").value.value == pytest.approx(right[decided].mean())
    macro = np.mean([score(found, "a", "auc", name).value.value for name in CLASSES])
    assert score(found, "a", "auc_macro").value.value == pytest.approx(macro)
    bins = reliability_of(mine)
    assert sum(one.images for one in bins) == 1000
    assert sum(one.correct for one in bins) == right.sum()


def test_differences_are_paired():
    same, other = answers(600), answers(600)
    rng = np.random.default_rng(5)
    noisy = other.probabilities * rng.uniform(0.6, 1.4, other.probabilities.shape)
    worse = Answers(CLASSES, noisy / noisy.sum(axis=1, keepdims=True), other.label, None, other.ood, None)
    found = scores_of({"a": same, "b": other, "c": worse})
    assert score(found, "a", "auc_macro").difference is None
    equal = score(found, "b", "auc_macro").difference
    assert (equal.value, equal.low, equal.high) == (0.0, 0.0, 0.0)
    lost = score(found, "c", "auc_macro")
    assert lost.difference.value == pytest.approx(
        lost.value.value - score(found, "a", "auc_macro").value.value
    )
    assert lost.difference.high < 0.0
    # the images are the same: the difference is known far better than either
    assert lost.difference.high - lost.difference.low < 0.5 * (lost.value.high - lost.value.low)
    assert not [s for s in found if s.stage == "c" and s.measure in ("coverage", "undecided")]


def binary(mine):
    none = mine.probabilities[:, :1]
    return Answers(
        ("no", "substructure"),
        np.concatenate([none, 1.0 - none], axis=1),
        (mine.label > 0).astype(np.int64),
        None,
        mine.ood,
        None,
    )


def test_the_merged_area_is_that_of_the_same_answers_about_two_classes():
    found = scores_of({"three": answers(500), "two": binary(answers(500))})
    area = score(found, "three", "auc_merged").value.value
    assert score(found, "two", "auc_merged").value.value == pytest.approx(area)
    assert score(found, "two", "auc", "substructure").value.value == pytest.approx(area)
    assert score(found, "two", "auc_merged").difference.value == pytest.approx(0.0)
    # figures of other classes are not held against each other
    assert score(found, "two", "accuracy").difference is None


def enhanced(table, **values):
    named = {name: Value(value) for name, value in values.items()}
    rows = {} if table is None else {"CLASS": Rows(table)}
    return Enhanced(None, None, 1.0, tables=rows, values=named)


def test_the_table_of_a_stage_is_read():
    table = {
        "CLASS": np.array([b"no ", b"sphere"]),
        "PROB": np.array([0.25, 0.75]),
        "INSET": np.array([0, 1]),
    }
    found = answer_of(enhanced(table, LPOOD=0.5), "s")
    assert found == Answer(("no", "sphere"), (0.25, 0.75), (False, True), 0.5, False)
    assert answer_of(enhanced(table, LPOOD=0.005), "s").undecided is True
    assert answer_of(enhanced(table, LPOOD=0.005, LPCLASS="sphere"), "s").undecided is False
    both = {**table, "INSET": np.array([1, 1])}
    assert answer_of(enhanced(both), "s").undecided is True
    del table["INSET"]
    assert answer_of(enhanced(table), "s").undecided is None


@pytest.mark.parametrize("probabilities", [[0.5, 0.6], [-0.1, 1.1], [math.nan, 1.0]])
def test_what_are_no_probabilities_is_refused(probabilities):
    table = {"CLASS": np.array(["no", "sphere"]), "PROB": np.array(probabilities)}
    with pytest.raises(PluginError, match="stage s: no probabilities"):
        answer_of(enhanced(table), "s")


def test_a_stage_without_the_table_is_refused():
    for table in (None, {"CLASS": np.array(["no"])}):
        with pytest.raises(
            PluginError, match="stage s writes no table CLASS with the columns CLASS and PROB"
        ):
            answer_of(enhanced(table), "s")


def test_classes_that_the_stage_does_not_know_are_merged():
    said = [
        Answer(CLASSES, (0.5, 0.2, 0.3), (True, False, True)),
        Answer(CLASSES, (0.1, 0.6, 0.3), (False,) * 3),
    ]
    found = gather(said, ["no", "cdm"], "s")
    assert found.classes == ("no", "substructure")
    np.testing.assert_allclose(found.probabilities, [[0.5, 0.5], [0.1, 0.9]])
    assert found.label.tolist() == [0, 1]
    assert found.in_set.tolist() == [[True, True], [False, False]]
    assert gather(said, ["no", "vortex"], "s").classes == CLASSES
    with pytest.raises(PluginError, match="names the classes a, b; the set has no, sphere"):
        gather([Answer(("a", "b"), (0.5, 0.5))] * 2, ["no", "sphere"], "s")
    with pytest.raises(PluginError, match="same classes"):
        gather([said[0], Answer(("no", "sphere"), (0.5, 0.5))], ["no", "no"], "s")


def test_bins_hold_equal_numbers_and_fewer_where_values_are_the_same():
    edges = edges_of(np.arange(1000.0))
    assert edges.tolist() == [0.0, 200.0, 400.0, 599.0, 799.0, 999.0]
    assert edges_of(np.full(50, 3e10)).size == 0
    edges = edges_of(np.r_[np.full(500, 3e10), np.geomspace(1e9, 1e11, 500)])
    assert (np.diff(edges) > 0).all()


def test_heavier_substructure_is_seen_and_lighter_is_not():
    """Answers know the mass only above 10¹⁰: the area rises from a half to one."""
    n = 1200
    rng = np.random.default_rng(3)
    label = np.arange(n) % 3
    mass = np.where(label == 0, 0.0, 10.0 ** rng.uniform(9.0, 11.0, n))
    raised = rng.normal(size=n) + np.where(mass > 1e10, 8.0, 0.0)
    any_ = 1.0 / (1.0 + np.exp(-raised))
    probabilities = np.stack([1.0 - any_, 0.5 * any_, 0.5 * any_], axis=1)
    mine = Answers(CLASSES, probabilities, label, None, np.full(n, np.nan), None)
    truths = [Truth(i, CLASSES[label[i]], mass[i], 1.2, float(i % 7)) for i in range(n)]
    found = [one for one in bins_of(truths, {"a": mine}) if one.of_class == "substructure"]
    by_mass = [one for one in found if one.quantity == "mass"]
    assert len(by_mass) == 5
    assert all(one.negatives == 400 for one in by_mass)
    assert by_mass[0].auc.low <= 0.5 <= by_mass[0].auc.high
    assert by_mass[-1].auc.value > 0.99
    assert sum(one.positives for one in by_mass) == 800
    assert not [one for one in found if one.quantity == "einstein_radius"]  # all are the same
    by_snr = [one for one in found if one.quantity == "snr"]
    assert sum(one.positives for one in by_snr) == 800
    assert sum(one.negatives for one in by_snr) == 400


def test_a_bin_of_few_images_has_no_area():
    few = FEWEST - 1
    mine = answers(5 * few)
    truths = [Truth(i, CLASSES[label], math.nan, i, 1.0) for i, label in enumerate(mine.label)]
    found = bins_of(truths, {"a": mine})
    assert found
    assert all(math.isnan(one.auc.value) for one in found)


def test_the_snr_is_that_of_a_fit_of_the_right_light():
    light = np.full((4, 4), 7.0)
    light[1, 1:3] = [10.0, 11.0]
    assert snr_of(light, np.full((4, 4), 0.25)) == pytest.approx(math.hypot(3.0, 4.0) / 0.5)
    assert math.isnan(snr_of(light, np.full((4, 4), np.nan)))
