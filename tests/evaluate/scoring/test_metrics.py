"""Figures of merit have the values that follow from their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lensproc.evaluate.scoring.metrics import affine_fit, agreements, flux_ratio, psnr, ssim_map

RNG = np.random.default_rng(1)
REFERENCE = RNG.random((32, 40))
ALL = {"all": np.ones(REFERENCE.shape, bool)}


def test_a_constant_offset_of_a_tenth_of_the_range_is_20_db():
    agreement = agreements(REFERENCE + 0.1, REFERENCE, ALL, 1.0)["all"]
    assert agreement.mse == pytest.approx(0.01, rel=1e-12)
    assert agreement.bias == pytest.approx(0.1, rel=1e-12)
    assert psnr(agreement.mse, 1.0) == pytest.approx(20.0, abs=1e-9)
    assert psnr(agreement.mse, 10.0) == pytest.approx(40.0, abs=1e-9)


def test_an_exact_image_has_an_infinite_psnr_and_an_ssim_of_1():
    agreement = agreements(REFERENCE, REFERENCE, ALL, 1.0)["all"]
    assert psnr(agreement.mse, 1.0) == math.inf
    assert agreement.ssim == pytest.approx(1.0)
    assert math.isnan(psnr(math.nan, 1.0))


def test_ssim_depends_on_the_range_that_is_given_and_not_on_the_type_of_the_pixels():
    noisy = REFERENCE + 0.2 * RNG.standard_normal(REFERENCE.shape)
    given = ssim_map(noisy, REFERENCE, 1.0).mean()
    as_bytes = ssim_map(noisy, REFERENCE, 255.0).mean()
    assert given < 0.9
    # the constants of a range of 255 drown every structure of images in [0, 1]
    assert as_bytes > 0.999


def test_ssim_of_two_constants_follows_the_formula():
    # variances are 0: (2ab + c1) / (a² + b² + c1) with c1 = (0.01 range)²
    a, b, c1 = 0.5, 0.4, 1e-4
    flat = np.full((16, 16), a)
    expected = (2 * a * b + c1) / (a * a + b * b + c1)
    np.testing.assert_allclose(ssim_map(flat - 0.1, flat, 1.0), expected, rtol=1e-9)


def test_an_image_smaller_than_the_window_has_no_ssim():
    small = np.ones((8, 8))
    assert math.isnan(agreements(small, small, {"all": small > 0}, 1.0)["all"].ssim)


def test_regions_count_their_own_pixels_and_missing_ones_are_left_out():
    left = np.zeros(REFERENCE.shape, bool)
    left[:, :20] = True
    image = REFERENCE + np.where(left, 0.3, 0.0)
    image[0, 0] = np.nan
    found = agreements(image, REFERENCE, {"left": left, "right": ~left, "none": left & ~left}, 1.0)
    assert found["left"].pixels == 32 * 20 - 1
    assert found["left"].mse == pytest.approx(0.09)
    assert found["right"].mse == 0.0
    assert found["none"].pixels == 0
    assert math.isnan(found["none"].mse)


def test_the_affine_fit_finds_offset_and_factor_and_gives_a_constant_the_factor_0():
    use = ALL["all"]
    offset, factor = affine_fit((REFERENCE - 3.0) / 2.0, REFERENCE, use)
    assert (offset, factor) == (pytest.approx(3.0), pytest.approx(2.0))
    offset, factor = affine_fit(np.full(REFERENCE.shape, 7.0), REFERENCE, use)
    assert (offset, factor) == (pytest.approx(REFERENCE.mean()), 0.0)


def test_the_flux_ratio_counts_light_above_each_background():
    light = np.zeros((20, 20))
    light[10, 10] = 5.0
    use = np.ones(light.shape, bool)
    assert flux_ratio(0.8 * light + 1.0, light + 2.0, (1.0, 2.0), use) == pytest.approx(0.8)
    assert math.isnan(flux_ratio(light, np.full(light.shape, 2.0), (0.0, 2.0), use))
