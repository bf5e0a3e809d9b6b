"""Filling what has no measurement, before a stage sees it."""

import numpy as np
import pytest

from lensproc.nn.prepare import fill_missing


def test_a_missing_pixel_takes_its_neighbours_value_and_a_hole_the_sky_level() -> None:
    rng = np.random.default_rng(1)
    data = rng.normal(10.0, 0.1, (40, 40)).astype(np.float32)
    data[5, 5] = np.nan
    data[20:35, 20:35] = np.nan
    filled = fill_missing(data)
    assert filled[5, 5] in (data[4, 5], data[6, 5], data[5, 4], data[5, 6])
    assert filled[27, 27] == pytest.approx(10.0, abs=0.05)
    assert np.array_equal(filled[np.isfinite(data)], data[np.isfinite(data)])
    assert np.isnan(data[5, 5]), "the input stays as it is"


def test_complete_data_are_not_copied() -> None:
    data = np.ones((4, 4), np.float32)
    assert fill_missing(data) is data
