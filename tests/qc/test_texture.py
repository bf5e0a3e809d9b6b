"""Deep images: the texture of the light about a place holds no candidates, and no quasar is lost to it."""

import dataclasses

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from lensproc.qc import candidates, thresholds
from lensproc.qc.candidates import candidates_in, candidates_out
from lensproc.qc.matching import match_one_to_one
from lensproc.qc.pair import side_by_side
from tests.qc.scenes import Scene, bicubic, enhanced, flux_of_snr, ideal_calibration, observe


def quad(radius, snr, lens_peak=0.0, turn=0.4):
    """Four stars on a circle of `radius` FWHM."""
    angles = turn + np.arange(4) * np.pi / 2 + np.array([0.0, 0.2, -0.1, 0.1])
    flux = flux_of_snr(snr, 3.0)
    stars = tuple((31.5 + 3 * radius * np.cos(a), 31.5 + 3 * radius * np.sin(a), flux) for a in angles)
    return Scene(stars=stars, lens_peak=lens_peak)


def places(scene):
    return tuple(np.array([star[i] for star in scene.stars]) for i in (0, 1))


def spiral_host(rng, height):
    """Clumps as small as the PSF on a bright disc, in σ of the sky."""
    y, x = np.indices((64, 64)) - 31.5
    clumps = gaussian_filter(rng.normal(size=(64, 64)), 1.3)
    return height * (1.0 + 0.3 * clumps / clumps.std()) * np.exp(-0.5 * (x**2 + y**2) / 20.0**2)


@pytest.mark.parametrize("lag1", [0.0, 0.4])
def test_blank_sky_has_no_texture(lag1):
    rng = np.random.default_rng(1)
    for _ in range(6):
        pair = side_by_side(bicubic(observe(Scene(), rng, lag1=lag1)))
        assert (8 * pair.texture).max() < 5.0 * 0.74
        assert np.median(pair.texture) == 0.0


@pytest.mark.parametrize("radius", [1.5, 2.0, 3.0, 4.0])
def test_the_images_of_a_quad_are_no_texture_to_each_other(radius, monkeypatch):
    rng = np.random.default_rng(2)
    found = {}
    pairs = [(scene, side_by_side(bicubic(observe(scene, rng)))) for scene in [quad(radius, 40.0)] * 6]
    for factor in (0.0, 8.0):
        monkeypatch.setattr(thresholds, "TEXTURE_SNR", factor)
        hits = 0
        for scene, pair in pairs:
            seen = candidates_in(pair)[0]
            hits += match_one_to_one(places(scene), (seen.x, seen.y), 1.5)[0].size
        found[factor] = hits
    assert found[8.0] >= found[0.0] - 1
    assert found[8.0] >= 22


def test_four_quasars_in_a_clumpy_host_are_found_and_few_clumps(monkeypatch):
    """The quasars are 40 to 100 times the texture, the clumps hundreds of times the noise of the sky."""
    rng = np.random.default_rng(3)
    scene = quad(4.0, 4000.0)
    calibration = ideal_calibration(1.0)
    for _ in range(3):
        cutout = observe(scene, rng)
        deep = cutout.replace(data=cutout.data + spiral_host(rng, 300.0).astype(np.float32))
        pair = side_by_side(bicubic(deep))
        counts = {}
        for factor in (0.0, thresholds.TEXTURE_SNR):
            monkeypatch.setattr(candidates.at, "TEXTURE_SNR", factor)
            for name, seen in (
                ("in", candidates_in(pair)[0]),
                ("out", candidates_out(pair, calibration)[0]),
            ):
                assert match_one_to_one(places(scene), (seen.x, seen.y), 1.5)[0].size == 4
                counts[name, factor > 0] = len(seen)
        for name in ("in", "out"):
            assert counts[name, False] > 30
            assert counts[name, True] <= 8


def test_what_the_enhancer_draws_does_not_raise_the_threshold_it_is_held_against():
    rng = np.random.default_rng(4)
    cutout = observe(Scene(), rng)
    drawn = gaussian_filter(rng.normal(size=(128, 128)), 2.6)
    pair = side_by_side(enhanced(cutout, 10.0 * drawn / drawn.std(), 2))
    assert pair.texture.max() < 0.5
    assert len(candidates_out(pair, ideal_calibration(1.0))[0]) > 30


def test_a_cosmic_ray_on_a_star_does_not_cost_the_star_and_one_on_the_sky_is_no_star():
    rng = np.random.default_rng(5)
    scene = Scene(stars=((20.2, 25.1, 2000.0), (44.0, 40.3, 2000.0)))
    cutout = observe(scene, rng)
    data = cutout.data.copy()
    data[25, 21] += 1500.0
    data[50, 15] += 1500.0
    pair = side_by_side(bicubic(dataclasses.replace(cutout, data=data)))
    seen = candidates_in(pair)[0]
    order = np.argsort(seen.x)
    # the hit is seven times the star's peak, and one pixel beside it: it draws the position to itself
    assert seen.x[order] == pytest.approx([20.2, 44.0], abs=0.8)
    assert seen.y[order] == pytest.approx([25.1, 40.3], abs=0.8)
