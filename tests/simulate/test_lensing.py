import sys

import numpy as np
import pytest

from lensproc.errors import UsageError
from lensproc.simulate.image import simulate
from lensproc.simulate.light import join, sersic
from lensproc.simulate.mass import import_lenstronomy, main_lens
from lensproc.simulate.points import solve_lens_equation
from lensproc.simulate.recipe import load_recipe
from lensproc.simulate.render import Frame, grid, lensed_source, unlensed
from lensproc.simulate.scene import noise_free_image


@pytest.mark.parametrize("radius", [0.9, 1.3])
def test_the_ring_of_a_circular_isothermal_lens_lies_at_its_einstein_radius(radius):
    frame = Frame(400, 0.02)
    lens = main_lens(radius, 0.0, 0.0, 0.0, 0.0, (0.0, 0.0))
    image = lensed_source(frame, lens, join([sersic(1.0, 0.05, 1.0, 0.0, 0.0, (0.0, 0.0))]))
    x, y = grid(frame)
    r = np.hypot(x, y)
    # The ring of a source behind the lens is bounded by θ_E ± its size, with equal brightness on both sides.
    bins = np.arange(0.0, 3.0, 0.02)
    profile = np.histogram(r, bins, weights=image)[0] / np.maximum(np.histogram(r, bins)[0], 1)
    middle = 0.5 * (bins[1:] + bins[:-1])
    assert np.sum(profile * middle) / np.sum(profile) == pytest.approx(radius, rel=0.01)


def test_without_lenstronomy_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "lenstronomy.LensModel.lens_model", None)
    with pytest.raises(UsageError, match=r"lensproc\[simulate\]"):
        import_lenstronomy()


def test_a_circular_lens_deflects_by_its_einstein_radius_everywhere():
    lens = main_lens(1.1, 0.0, 0.0, 0.0, 0.0, (0.0, 0.0))
    x, y = np.array([0.5, -2.0, 0.3]), np.array([0.1, 1.0, -0.9])
    ax, ay = lens.deflection(x, y)
    np.testing.assert_allclose(np.hypot(ax, ay), 1.1, rtol=1e-6)


@pytest.mark.parametrize("classes", [("no",), ("sphere",)])
def test_quasar_images_satisfy_the_lens_equation(classes):
    from dataclasses import replace

    recipe = replace(load_recipe("quasars"), classes=classes)
    counts = set()
    for index in range(6 if classes == ("no",) else 2):
        scene = simulate(recipe, 2, "train", index).scene
        images = [p for p in scene.points if p.kind == "quasar"]
        counts.add(len(images))
        bx, by = scene.deflector.ray_shooting(
            np.array([p.x for p in images]), np.array([p.y for p in images])
        )
        source = scene.source.kwargs[0]
        assert np.all(np.hypot(bx - source["center_x"], by - source["center_y"]) < 1e-6)
    assert counts == {2, 4} or classes != ("no",)


def test_the_solver_finds_the_two_images_of_an_isothermal_sphere_where_theory_puts_them():
    lens = main_lens(1.0, 0.0, 0.0, 0.0, 0.0, (0.0, 0.0))
    images = solve_lens_equation(lens, (0.3, 0.0), 6.0)
    assert sorted(x for x, _, _ in images) == pytest.approx([-0.7, 1.3], abs=1e-7)
    # μ = 1 / (1 - θ_E/|θ|) (Narayan & Bartelmann 1996, eq. 38).
    magnifications = sorted(mu for _, _, mu in images)
    assert magnifications == pytest.approx([1 / (1 - 1 / 0.7), 1 / (1 - 1 / 1.3)], rel=1e-5)


def test_an_unlensed_galaxy_keeps_its_flux():
    image = unlensed(Frame(600, 0.05), join([sersic(7.0, 0.6, 1.0, 0.1, -0.1, (0.012, 0.02))]))
    assert image.sum() == pytest.approx(7.0, rel=1e-3)


def test_half_the_light_of_a_bulge_lies_inside_its_half_light_radius():
    frame = Frame(1200, 0.005)
    image = unlensed(frame, join([sersic(7.0, 0.6, 4.0, 0.0, 0.0, (0.0, 0.0))]))
    x, y = grid(frame)
    # b = 1.9992 n - .3271 is good to 1e-3 in the enclosed light at n = 4.
    assert image[np.hypot(x, y) < 0.6].sum() == pytest.approx(3.5, rel=2e-3)


def test_an_unlensed_source_keeps_its_flux_through_psf_and_pixels():
    from dataclasses import replace

    recipe = load_recipe("hsc")
    tables = {"source": {"magnitude": 22.0, "radius": 0.3, "sersic_index": 1.0}}
    plain = replace(recipe, tables=tables, instrument=replace(recipe.instrument, size=128), defects=0.0)
    sim = simulate(plain, 0, "train", 0)
    flux = recipe.instrument.flux(22.0)
    for scale in (1, 2, 4):
        assert sim.truth(scale).sum(dtype=np.float64) == pytest.approx(flux, rel=1e-3)
    assert sim.truth(2, sharper=2.0).sum(dtype=np.float64) == pytest.approx(flux, rel=1e-3)


def test_truth_images_are_the_same_sky_at_every_scale():
    sim = simulate(load_recipe("quasars"), 1, "train", 0)
    coarse = sim.truth(1)
    for scale in (2, 4):
        fine = sim.truth(scale)
        n = coarse.shape[0]
        summed = fine.reshape(n, scale, n, scale).sum(axis=(1, 3))
        np.testing.assert_allclose(summed, coarse, atol=1e-4 * coarse.max())


def test_truth_of_surface_brightness_keeps_its_values():
    sim = simulate(load_recipe("quasars@jwst-nircam"), 1, "train", 0)
    n = sim.truth(1).shape[0]
    averaged = sim.truth(2).reshape(n, 2, n, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(averaged, sim.truth(1), atol=1e-4 * sim.truth(1).max())


def test_magnified_flux_ratio_of_an_isothermal_pair():
    recipe = load_recipe("quasars")
    sim = simulate(recipe, 2, "train", 0)
    images = [p for p in sim.scene.points if p.kind == "quasar"]
    intrinsic = [p.flux / abs(p.magnification) for p in images]
    np.testing.assert_allclose(intrinsic, intrinsic[0], rtol=1e-9)


def test_a_star_has_its_flux_and_place():
    from dataclasses import replace

    recipe = replace(load_recipe("pairs"), tables={"pair": {"separation": [0.0], "snr": [50.0]}})
    sim = simulate(recipe, 3, "train", 0)
    (star,) = sim.scene.points
    image = noise_free_image(sim.scene, sim.scene.frame.finer(4), sim.scene.psf)
    # A Moffat of β = 3 has 0.3 % of its light beyond 5″ from its centre at .65″ FWHM.
    assert image.sum() == pytest.approx(star.flux, rel=1e-3)
    x, y = grid(sim.scene.frame.finer(4))
    assert np.sum(image * x) / image.sum() == pytest.approx(star.x, abs=0.003)
    assert np.sum(image * y) / image.sum() == pytest.approx(star.y, abs=0.003)
