import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lensproc.errors import UsageError
from lensproc.simulate.distributions import draw


@given(st.floats(-1e3, 1e3), st.floats(0.0, 1e3), st.integers(0, 2**32))
def test_uniform_stays_in_its_range(low, width, seed):
    value = draw({"uniform": [low, low + width]}, np.random.default_rng(seed))
    assert low <= value <= low + width


def test_log_uniform_has_its_median_at_the_geometric_mean():
    rng = np.random.default_rng(0)
    values = [draw({"log_uniform": [5.0, 100.0]}, rng) for _ in range(4000)]
    assert np.median(values) == pytest.approx(np.sqrt(500.0), rel=0.05)


def test_clipped_normal_never_exceeds_its_clip():
    rng = np.random.default_rng(0)
    values = np.array([draw({"normal": [1.0, 2.0], "clip": 1.5}, rng) for _ in range(2000)])
    assert np.all(np.abs(values - 1.0) <= 3.0)
    assert values.std() > 1.0


def test_a_number_stands_for_itself():
    assert draw(0.25, np.random.default_rng(0)) == 0.25


@pytest.mark.parametrize(
    "spec", ["x", {"unifrom": [0, 1]}, {"uniform": [1]}, {"log_uniform": [0, 1]}, True, None]
)
def test_what_is_not_understood_is_named(spec):
    with pytest.raises(UsageError, match="radius"):
        draw(spec, np.random.default_rng(0), "radius")
