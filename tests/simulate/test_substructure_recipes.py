"""Recipes that judge classifiers of substructure: what differs between the classes, and what does not."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ks_2samp, kstest

from lensproc.simulate.cosmology import geometry
from lensproc.simulate.drawing import draw_scene
from lensproc.simulate.recipe import load_recipe
from lensproc.simulate.seeds import generator

LOWEST, HIGHEST = 1e8, 3.98e10
NUMBER = 240


def scenes_of(recipe, number=NUMBER):
    """Scenes without light: to draw it is what takes time."""
    recipe = replace(recipe, tables={k: v for k, v in recipe.tables.items() if k != "source"})
    found = []
    for index in range(number):
        scene_rng, camera_rng, *_ = generator(recipe.stream, 4, "test", index).spawn(4)
        found.append(draw_scene(recipe, index, scene_rng, camera_rng)[0])
    return found


@pytest.fixture(scope="module", params=["substructure-mass", "substructure-ring"])
def drawn(request):
    return load_recipe(request.param), scenes_of(load_recipe(request.param))


def enclosed(scene):
    """Mass inside θ_E about the lens [M_sun], from the deflection through the circle (Gauss's law)."""
    geo = geometry(0.5, 1.0)
    main, radius = scene.deflector.kwargs[0], scene.einstein_radius
    angle = (np.arange(20_000) + 0.5) * 2.0 * np.pi / 20_000
    x, y = main["center_x"] + radius * np.cos(angle), main["center_y"] + radius * np.sin(angle)
    ax, ay = scene.deflector.deflection(x, y)
    return float(np.mean(ax * np.cos(angle) + ay * np.sin(angle)) * math.pi * radius * geo.critical_density)


@pytest.mark.parametrize("kind", ["sphere", "vortex"])
def test_total_masses_are_even_in_their_logarithm_over_the_range(drawn, kind):
    masses = np.array([scene.substructure_mass for scene in drawn[1] if scene.class_name == kind])
    assert masses.size > NUMBER / 5
    assert masses.min() >= LOWEST * (1 - 1e-9)
    assert masses.max() <= HIGHEST * (1 + 1e-9)
    place = np.log(masses / LOWEST) / np.log(HIGHEST / LOWEST)
    assert kstest(place, "uniform").pvalue > 1e-3


def test_the_catalogue_says_the_mass_and_a_smooth_lens_has_none(drawn):
    for scene in drawn[1]:
        assert scene.parameters["subhalo_mass"] == scene.substructure_mass
        assert scene.parameters["einstein_radius"] == scene.einstein_radius
        assert (scene.substructure_mass == 0.0) == (scene.class_name == "no")


def test_einstein_radii_are_alike_in_all_classes(drawn):
    recipe, scenes = drawn
    low, high = recipe.tables["lens"]["einstein_radius"]["uniform"]
    radii = {name: [s.einstein_radius for s in scenes if s.class_name == name] for name in recipe.classes}
    assert min(map(min, radii.values())) >= low
    assert max(map(max, radii.values())) <= high
    for values in radii.values():
        assert kstest((np.array(values) - low) / (high - low), "uniform").pvalue > 1e-3
    assert ks_2samp(radii["no"], radii["sphere"]).pvalue > 1e-3
    assert ks_2samp(radii["no"], radii["vortex"]).pvalue > 1e-3


def test_the_mass_inside_the_ring_is_held_fixed_unless_it_is_added_naively(drawn):
    """Round lenses: then the mass of a smooth one inside θ_E is π Σ_c θ_E² to all digits."""
    recipe, _ = drawn
    still = {"e1": 0.0, "e2": 0.0, "gamma1": 0.0, "gamma2": 0.0}
    lens = {"einstein_radius": recipe.tables["lens"]["einstein_radius"], **still}
    recipe = replace(recipe, tables={**recipe.tables, "lens": lens})
    critical = geometry(0.5, 1.0).critical_density
    fixed, naive = (scenes_of(recipe.with_options(mass_sheet=sheet), 12) for sheet in ("fixed", "naive"))
    assert [scene.einstein_radius for scene in fixed] == [scene.einstein_radius for scene in naive]
    for kept, added in zip(fixed, naive, strict=True):
        smooth = math.pi * kept.einstein_radius**2 * critical
        assert enclosed(kept) == pytest.approx(smooth, rel=1e-3)
        more = smooth + kept.parameters["subhalo_mass_inside"]
        assert enclosed(added) == pytest.approx(more, rel=1e-3)
    assert max(scene.parameters["subhalo_mass_inside"] for scene in fixed) > 1e9


def test_a_mass_for_the_sphere_changes_its_masses_and_nothing_else():
    """The relative masses and the places are those without it."""
    from lensproc.simulate.substructure import draw_substructure

    geo = geometry(0.5, 1.0)
    free = draw_substructure("sphere", {}, geo, 1.2, np.random.default_rng(3))
    held = draw_substructure("sphere", {"mass": 5e9}, geo, 1.2, np.random.default_rng(3))
    assert held.mass.sum() == pytest.approx(5e9, rel=1e-12)
    np.testing.assert_allclose(held.mass / held.mass.sum(), free.mass / free.mass.sum(), rtol=1e-12)
    np.testing.assert_array_equal(held.x, free.x)
