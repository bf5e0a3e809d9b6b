"""Redraws have the input's noise, and their scatter keeps false peaks out of enhanced blanks."""

import numpy as np
import pytest

from lensproc.qc.candidates import candidates_out
from lensproc.qc.pair import side_by_side
from lensproc.qc.redraws import brightness, draw_noise, finder_noise, redrawn
from tests.qc.scenes import Scene, bicubic, bicubic_enhancer, observe


@pytest.mark.parametrize("lag1", [0.0, 0.4])
def test_redraws_have_the_power_and_correlation_of_the_input(lag1):
    pair = side_by_side(bicubic(observe(Scene(), np.random.default_rng(1), lag1=lag1)))
    draws = np.stack([draw_noise(np.random.default_rng(i), pair.noise) for i in range(40)])
    assert draws.var() == pytest.approx(1.0, abs=0.02)
    assert np.mean(draws[:, :, 1:] * draws[:, :, :-1]) == pytest.approx(lag1, abs=0.05)


def test_the_same_file_is_redrawn_the_same_way():
    pair = side_by_side(bicubic(observe(Scene(), np.random.default_rng(1))))
    for first, second in zip(redrawn(pair), redrawn(pair), strict=True):
        np.testing.assert_array_equal(first.data, second.data)


def test_noise_makes_peaks_above_five_times_its_pixel_scatter_but_none_above_the_redraws(calibration):
    from photutils.detection import DAOStarFinder

    naive = found = 0
    for seed in range(6):
        pair = side_by_side(bicubic(observe(Scene(), np.random.default_rng(seed))))
        images = [brightness(pair, image.data) for image in bicubic_enhancer()(redrawn(pair))]
        width = calibration.level_at(3.0, 0.0).width
        found += len(candidates_out(pair, calibration, finder_noise(pair, images, width))[0])
        stars = DAOStarFinder(5.0 * pair.y.std(), width, min_separation=0.0).find_stars(pair.y)
        naive += 0 if stars is None else len(stars)
    assert found == 0
    assert naive > 10
