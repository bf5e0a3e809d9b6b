import numpy as np
import pytest

from lensproc.evaluate.goals import judge
from lensproc.evaluate.intervals import UNKNOWN, Measured, fraction, mean, median, rate


def test_wilson_interval_of_a_known_case():
    measured = fraction(8, 10)  # Wilson 1927: 0.4902 to 0.9433 at 95 %
    assert (measured.low, measured.high) == pytest.approx((0.4902, 0.9433), abs=2e-4)


def test_no_event_gives_the_rule_of_three():
    measured = rate(0, 3000, 1000.0)
    assert measured.low == 0.0
    assert measured.high == pytest.approx(2.9957 / 3.0, abs=1e-3)


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(1)
    for make, truth in (
        (lambda: fraction(rng.binomial(30, 0.8), 30), 0.8),
        (lambda: rate(int(rng.poisson(6.0)), 30), 0.2),
        (lambda: mean(rng.normal(2.0, 1.0, 40)), 2.0),
        (lambda: median(rng.normal(2.0, 1.0, 40)), 2.0),
    ):
        inside = np.mean([(m := make()).low <= truth <= m.high for _ in range(150)])
        assert inside >= 0.88


def test_nothing_measured_is_not_a_number():
    assert np.isnan(fraction(0, 0).value)
    assert np.isnan(median(np.array([np.nan])).value)


@pytest.mark.parametrize(
    ("measured", "verdict"),
    [
        (Measured(0.5, 0.4, 0.6, 9), "met"),
        (Measured(0.5, 0.4, 1.1, 9), "met?"),
        (Measured(1.2, 0.9, 1.4, 9), "not met?"),
        (Measured(1.2, 1.1, 1.4, 9), "not met"),
        (UNKNOWN, "not measured"),
        (Measured(float("inf"), 1.2, float("inf"), 9), "not met"),
        (Measured(0.5, float("nan"), float("nan"), 3), "met?"),
    ],
)
def test_a_goal_is_met_for_sure_only_where_the_whole_interval_meets_it(measured, verdict):
    assert judge(measured, 0.0, 1.0) == verdict
