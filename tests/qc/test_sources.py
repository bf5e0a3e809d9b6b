"""The finder: complete, pure, blind to blank sky; and the traps it must not fall into."""

import dataclasses
import inspect

import numpy as np
import pytest

from lensproc.qc.candidates import candidates_in, candidates_out
from lensproc.qc.light import azimuthal_median, ring_median
from lensproc.qc.matching import match_one_to_one
from lensproc.qc.pair import side_by_side
from lensproc.qc.sources import blobness, find_sources, finder_kernel, label_of, recipe_kernel
from tests.qc.scenes import Scene, bicubic, flux_of_snr, observe, quasar_scene


def test_photutils_still_has_the_defaults_that_the_recipe_overrides():
    from photutils.detection import DAOStarFinder

    parameters = inspect.signature(DAOStarFinder.__init__).parameters
    assert {"min_separation", "sigma_radius", "scale_threshold", "sharpness_range"} <= set(parameters)


def test_two_quasars_on_a_ring_are_found(calibration):
    """SNR uniform between 5 and 100, lens and ring of varied brightness."""
    rng = np.random.default_rng(11)
    counts = {"input": [0, 0, 0], "bicubic": [0, 0, 0]}
    for _ in range(30):
        scene = quasar_scene(rng, tuple(rng.uniform(5, 100, 2)))
        scene = dataclasses.replace(scene, lens_peak=rng.uniform(20, 60), ring_peak=rng.uniform(2, 8))
        pair = side_by_side(bicubic(observe(scene, rng)))
        truth = tuple(np.array([star[i] for star in scene.stars]) for i in (0, 1))
        for name, found in (
            ("input", candidates_in(pair)[0]),
            ("bicubic", candidates_out(pair, calibration)[0]),
        ):
            hits = match_one_to_one(truth, (found.x, found.y), 0.5 * scene.fwhm)[0].size
            counts[name] = [a + b for a, b in zip(counts[name], (hits, 2, len(found)), strict=True)]
    for hits, sources, candidates in counts.values():
        assert hits / sources >= 0.90
        assert hits / candidates >= 0.85


@pytest.mark.parametrize("lag1", [0.0, 0.4])
def test_blank_sky_holds_no_sources(lag1, calibration):
    rng = np.random.default_rng(12)
    for _ in range(15):
        pair = side_by_side(bicubic(observe(Scene(), rng, lag1=lag1)))
        assert len(candidates_in(pair)[0]) == 0
        assert len(candidates_out(pair, calibration)[0]) == 0


def test_a_close_pair_is_not_merged():
    """The library's default separation of 2.5 FWHM would keep one of them."""
    flux = flux_of_snr(100, 3.0)
    scene = Scene(stars=((30.0, 32.0, flux), (34.0, 32.0, flux)))
    pair = side_by_side(bicubic(observe(scene, np.random.default_rng(13))))
    assert len(candidates_in(pair)[0]) == 2


def test_candidates_are_where_the_stars_are_on_both_grids(calibration):
    scene = Scene(stars=((20.3, 25.1, 900.0), (44.8, 40.6, 500.0)))
    pair = side_by_side(bicubic(observe(scene, np.random.default_rng(14))))
    for found in (candidates_in(pair)[0], candidates_out(pair, calibration)[0]):
        order = np.argsort(found.x)
        assert found.x[order] == pytest.approx([20.3, 44.8], abs=0.15)
        assert found.y[order] == pytest.approx([25.1, 40.6], abs=0.15)


def test_noise_of_the_recipe_is_that_of_its_kernel():
    from scipy.signal import fftconvolve

    rng = np.random.default_rng(15)
    seen = []
    for _ in range(10):
        image = rng.normal(size=(80, 80))
        image -= ring_median(image, 3.0, 4.8)
        seen.append(fftconvolve(image, finder_kernel(3.0), mode="valid")[8:-8, 8:-8].std())
    predicted = np.sqrt((recipe_kernel(3.0) ** 2).sum())
    assert np.mean(seen) == pytest.approx(predicted, rel=0.03)
    assert predicted > 1.1 * np.sqrt((finder_kernel(3.0) ** 2).sum())


def test_azimuthal_median_is_the_round_light_and_ignores_a_star():
    scene = Scene(lens_peak=100.0)
    light = scene.render()
    with_star = dataclasses.replace(scene, stars=((45.0, 31.5, 500.0),)).render()
    y, x = np.indices(light.shape)
    radius = np.hypot(x - 31.5, y - 31.5)
    outside = radius > 3.0
    assert np.abs(azimuthal_median(light, scene.center) - light)[outside].max() < 4.0
    assert np.abs(azimuthal_median(with_star, scene.center) - light)[outside].max() < 4.0
    assert azimuthal_median(np.full((5, 5), 2.0), (2.0, 2.0)) == pytest.approx(2.0)


def test_ring_median_of_a_slope_is_the_slope():
    y, x = np.indices((60, 60)).astype(float)
    image = 2.0 * x - 3.0 * y
    inner = ring_median(image, 6.0, 9.6)[12:-12, 12:-12]
    assert inner == pytest.approx(image[12:-12, 12:-12], abs=8.0)
    assert (inner - image[12:-12, 12:-12]).std() < 2.0


def test_blobness_tells_points_from_arcs():
    star = Scene(stars=((30.0, 30.0, 100.0),)).render()
    x = np.indices(star.shape)[1]
    ridge = np.exp(-0.5 * ((x - 30.0) / 1.6) ** 2)
    at = np.array([30.0])
    assert blobness(star, at, at, 3.0)[0] > 0.95
    assert blobness(ridge, at, at, 3.0)[0] < 0.02
    assert blobness(-star, at, at, 3.0)[0] == 0.0
    assert [label_of(v) for v in (0.5, 0.2, 0.05)] == ["POINT", "KNOT", "ARC"]


def test_matching_is_one_to_one_and_never_beyond_reach():
    first = np.array([0.0, 1.0, 50.0]), np.zeros(3)
    second = np.array([0.6, 1.4, 49.0]), np.zeros(3)
    i, j = match_one_to_one(first, second, 1.0)
    assert list(zip(i.tolist(), j.tolist(), strict=True)) == [(0, 0), (1, 1), (2, 2)]
    i, j = match_one_to_one(first, second, 0.5)
    assert list(zip(i.tolist(), j.tolist(), strict=True)) == [(1, 0)] or (1, 1) in zip(i, j, strict=True)
    assert match_one_to_one((np.zeros(0), np.zeros(0)), second, 1.0)[0].size == 0


def test_nothing_found_is_no_warning_and_no_rows():
    found = find_sources(np.zeros((40, 40)), 3.0, np.full((40, 40), 5.0))
    assert len(found) == 0
