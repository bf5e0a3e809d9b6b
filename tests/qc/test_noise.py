"""Noise is measured with its correlation, and predicts the scatter of what is measured on it."""

import dataclasses

import numpy as np
import pytest

from lensproc.qc.noise import MAX_LAG, measure_noise
from tests.qc.scenes import Scene, noise_field, observe

BLANK = Scene(size=96)
LENS = Scene(size=96, lens_peak=40.0, ring_peak=8.0, center=(47.5, 47.5))


@pytest.mark.parametrize("lag1", [0.0, 0.3, 0.5])
def test_lag_one_correlation_is_the_one_put_in(lag1):
    noises = [
        measure_noise(observe(BLANK, np.random.default_rng(i), lag1=lag1, sigma=3.0, sky=7.0), 3.0)
        for i in range(4)
    ]
    assert np.mean([n.lag1 for n in noises]) == pytest.approx(lag1, abs=0.02)
    assert noises[0].level == pytest.approx(3.0)
    assert np.mean([n.sky for n in noises]) == pytest.approx(7.0, abs=0.2)


@pytest.mark.parametrize("lag1", [0.0, 0.45])
@pytest.mark.parametrize("scene", [BLANK, LENS])
def test_predicted_scatter_of_a_filter_is_the_one_seen(lag1, scene):
    from scipy.signal import fftconvolve

    at = np.arange(-5, 6)
    kernel = np.exp(-(at**2 + at[:, None] ** 2) / 4.0)
    rng = np.random.default_rng(1)
    predicted = [measure_noise(observe(scene, rng, lag1=lag1), 3.0).response(kernel) for _ in range(8)]
    seen = [fftconvolve(noise_field(rng, 96, lag1), kernel, mode="valid").std() for _ in range(20)]
    assert np.mean(predicted) == pytest.approx(np.mean(seen), rel=0.05)


def test_white_noise_is_called_white():
    noise = measure_noise(observe(BLANK, np.random.default_rng(2)), 3.0)
    assert np.count_nonzero(noise.correlation) <= 3
    assert noise.excess == pytest.approx(1.0, abs=0.15)


def test_light_is_not_sky():
    noise = measure_noise(observe(LENS, np.random.default_rng(3)), 3.0)
    y, x = np.indices((96, 96))
    radius = np.hypot(x - 47.5, y - 47.5)
    assert not noise.sky_pixels[radius < 10].any()
    assert noise.sky_pixels[radius > 25].mean() > 0.95


def test_without_variance_the_scatter_is_used():
    cutout = observe(LENS, np.random.default_rng(4), variance=False, sigma=1e-11, sky=-3e-10)
    noise = measure_noise(cutout, 3.0)
    assert not noise.from_variance
    assert noise.level == pytest.approx(1e-11, rel=0.05)


def test_variance_of_zero_or_infinity_is_no_measurement():
    cutout = observe(BLANK, np.random.default_rng(5), sigma=2.0)
    variance = cutout.variance.copy()
    variance[:10] = 0.0
    variance[10:20] = np.inf
    noise = measure_noise(cutout.replace(variance=variance), 3.0)
    assert np.isinf(noise.sigma[:20]).all()
    assert noise.level == pytest.approx(2.0)
    none = measure_noise(cutout.replace(variance=np.zeros_like(variance)), 3.0)
    assert none.level == pytest.approx(2.0, rel=0.05)


def test_images_without_noise_have_none():
    cutout = observe(BLANK, np.random.default_rng(6))
    for value in (0.0, 5.0, np.nan):
        flat = np.full(cutout.shape, value, np.float32)
        assert measure_noise(cutout.replace(data=flat), 3.0) is None
        assert measure_noise(cutout.replace(data=flat, variance=None), 3.0) is None


def test_too_little_sky_counts_as_white():
    cutout = observe(dataclasses.replace(BLANK, size=12), np.random.default_rng(7), lag1=0.5)
    noise = measure_noise(cutout, 3.0)
    assert noise.correlation.shape == (2 * MAX_LAG + 1, 2 * MAX_LAG + 1)
    assert np.count_nonzero(noise.correlation) == 1
    assert np.isinf(noise.lag1_error)
