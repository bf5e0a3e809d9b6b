from dataclasses import replace

import numpy as np
import pytest

from lensproc.simulate.image import simulate
from lensproc.simulate.noise import Conditions, coadd_weights, observe, stated_variance
from lensproc.simulate.recipe import load_recipe

CAMERAS = ("hsc", "lsst", "des", "euclid-vis", "hst-acs", "jwst-nircam")


def lag_one(noise):
    """Mean of the correlations of horizontal and vertical neighbours."""
    centred = noise - noise.mean()
    variance = np.mean(centred**2)
    across = np.mean(centred[:, 1:] * centred[:, :-1])
    return 0.5 * (across + np.mean(centred[1:] * centred[:-1])) / variance


def white(camera, base="blanks", size=96):
    recipe = load_recipe(f"{base}@{camera}")
    return replace(recipe, instrument=replace(recipe.instrument, correlation=0.0, size=size))


@pytest.mark.parametrize("camera", CAMERAS)
def test_sky_noise_has_the_variance_that_the_file_states(camera):
    exposure = simulate(white(camera), 11, "test", 0).exposure
    chi2 = (exposure.data - exposure.noise_free).astype(np.float64) ** 2 / exposure.variance
    # A variance from observed counts V + d biases χ² by 2/V (V in electrons), far below the scatter here.
    assert abs(chi2.mean() - 1.0) < 3.0 * np.sqrt(2.0 / chi2.size) + 2.5 / exposure.conditions.sky


@pytest.mark.parametrize("camera", ["hsc", "lsst", "hst-acs", "jwst-nircam"])
def test_noise_of_sources_has_the_variance_that_the_file_states(camera):
    # These cameras state the whole variance, counts of the source included.
    recipe = white(camera, "quasars", 128)
    chi2 = []
    for index in range(3):
        exposure = simulate(recipe, 12, "test", index).exposure
        bright = exposure.noise_free > 3.0 * exposure.conditions.background_sigma
        assert bright.sum() > 100
        residual = (exposure.data - exposure.noise_free).astype(np.float64)
        chi2.append((residual**2 / exposure.variance)[bright])
    values = np.concatenate(chi2)
    lowest = exposure.conditions.sky + exposure.conditions.read_variance
    assert abs(values.mean() - 1.0) < 3.0 * np.sqrt(2.0 / values.size) + 2.5 / lowest


def test_photon_noise_is_drawn_with_the_expected_variance():
    exposure = simulate(load_recipe("common-test"), 3, "test", 0).exposure
    chi2 = (exposure.data - exposure.noise_free).astype(np.float64) ** 2 / exposure.expected_variance
    # Poisson of mean m: Var((N-m)²/m) = 2 + 1/m, with the sky of 6.5 counts.
    assert abs(chi2.mean() - 1.0) < 3.0 * np.sqrt((2.0 + 1.0 / 6.5) / chi2.size)


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.5])
def test_a_coadd_correlates_neighbours_and_keeps_the_variance(correlation):
    conditions = Conditions(1000.0, 100.0, 2.0, correlation)
    observed, variance = observe(np.zeros((400, 400)), conditions, np.random.default_rng(0))
    assert lag_one(observed) == pytest.approx(correlation, abs=0.012)
    assert observed.var() == pytest.approx(1100.0 / 4.0, rel=0.02)
    np.testing.assert_allclose(variance, 1100.0 / 4.0, rtol=1e-9)


@pytest.mark.parametrize("camera", ["hsc", "lsst", "hst-acs"])
def test_coadds_of_surveys_have_the_correlation_of_real_ones(camera):
    recipe = load_recipe(f"blanks@{camera}")
    values = [lag_one(simulate(recipe, 1, "test", i).exposure.data.astype(np.float64)) for i in range(8)]
    assert 0.3 <= np.mean(values) <= 0.5


def test_weights_of_the_coadd_sum_to_one_in_squares():
    for correlation in (0.0, 0.2, 0.45, 0.7):
        assert np.sum(coadd_weights(correlation) ** 2) == pytest.approx(1.0)
    with pytest.raises(ValueError, match=r"\.707"):
        coadd_weights(0.75)


def test_the_stated_variance_does_not_know_the_truth():
    # Of two exposures of one scene the stated variances differ by their own noise.
    recipe = load_recipe("hsc")
    conditions = Conditions(500.0, 50.0, 1.0)
    model = np.full((32, 32), 400.0)
    first, _ = observe(model, conditions, np.random.default_rng(1))
    second, _ = observe(model, conditions, np.random.default_rng(2))
    stated = [stated_variance(recipe.instrument, conditions, image) for image in (first, second)]
    np.testing.assert_allclose(stated[0] - stated[1], first - second, rtol=1e-9)
    assert np.std(stated[0]) > 0


def test_a_background_variance_is_flat():
    recipe = load_recipe("quasars@des")
    variance = simulate(recipe, 1, "test", 0).exposure.variance
    assert variance.min() == variance.max()


def test_the_sky_stays_where_the_recipe_says_so():
    recipe = replace(load_recipe("common-test"), normalise="none")
    exposure = simulate(recipe, 1, "test", 0).exposure
    lowest = exposure.noise_free.min()
    assert 6.5 < lowest < 7.0
    # 22,500 counts of Poisson mean m average to m within √(m/22,500).
    error = np.sqrt(exposure.noise_free.mean() / exposure.data.size)
    assert abs(exposure.data.mean() - exposure.noise_free.mean()) < 4.0 * error


def test_depth_of_the_hsc_camera_is_that_of_the_survey():
    # 5σ for a point source of .6″ FWHM in white noise: 26.2 mag in i (Aihara et al. 2022).
    recipe = white("hsc", "pairs", 64)
    camera = replace(recipe.instrument, psf={"profile": "moffat", "beta": 3.0, "fwhm": 0.6})
    tables = {"pair": {"separation": [0.0], "snr": [5.0]}}
    scene = simulate(replace(recipe, instrument=camera, tables=tables), 0, "test", 0).scene
    magnitude = camera.zeropoint - 2.5 * np.log10(scene.points[0].flux)
    assert magnitude == pytest.approx(26.2, abs=0.3)
