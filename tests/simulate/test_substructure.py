import math

import numpy as np
import pytest

from lensproc.simulate.cosmology import geometry
from lensproc.simulate.mass import main_lens, with_subhalos
from lensproc.simulate.substructure import (
    draw_substructure,
    mass_inside,
    mean_mass,
    point_masses,
    power_law_masses,
)

GEO = geometry(0.5, 1.0)


@pytest.mark.parametrize("slope", [-0.9, -1.9])
def test_masses_follow_their_power_law(slope):
    masses = power_law_masses(np.random.default_rng(0), 200_000, 1e6, 1e10, slope)
    counts, edges = np.histogram(np.log(masses), bins=np.log([1e6, 1e7, 1e8, 1e9, 1e10]))
    k = slope + 1.0
    expected = np.diff(np.exp(k * edges)) / (np.exp(k * edges[-1]) - np.exp(k * edges[0])) * masses.size
    assert np.all(np.abs(counts - expected) < 5.0 * np.sqrt(expected))


def test_the_sphere_class_holds_on_average_3_8e10_solar_masses():
    assert 25 * mean_mass(1e6, 1e10, -0.9) == pytest.approx(3.8e10, rel=0.01)
    rng = np.random.default_rng(1)
    total = [draw_substructure("sphere", {}, GEO, 1.665, rng).mass.sum() for _ in range(2000)]
    assert np.mean(total) == pytest.approx(3.8e10, rel=0.05)


def test_twenty_five_masses_of_slope_minus_1_9_weigh_a_hundredth_of_that():
    assert 25 * mean_mass(1e6, 1e10, -1.9) == pytest.approx(3.4e8, rel=0.02)


def test_the_vortex_is_a_line_through_the_centre_of_3e10_solar_masses():
    halos = draw_substructure("vortex", {}, GEO, 1.665, np.random.default_rng(2))
    assert halos.mass.sum() == pytest.approx(3e10)
    assert halos.mass.size == 100
    assert abs(halos.x.sum()) < 1e-12
    np.testing.assert_allclose(halos.x * halos.y[0], halos.y * halos.x[0], atol=1e-12)
    assert 0.03 <= np.hypot(halos.x, halos.y).max() <= 3.0


def test_truncated_halos_hold_the_wished_share_of_the_mass_inside_the_ring():
    rng = np.random.default_rng(3)
    radius = 1.0
    inside = math.pi * radius**2 * GEO.critical_density
    shares = []
    for _ in range(40):
        halos = draw_substructure("cdm", {"fraction": 0.01}, GEO, radius, rng)
        shares.append(halos.mass[np.hypot(halos.x, halos.y) < radius].sum() / inside)
    assert np.mean(shares) == pytest.approx(0.01, rel=0.2)


def test_a_truncated_halo_deflects_far_away_like_its_mass_as_a_point():
    halos = draw_substructure("cdm", {"fraction": 0.01}, GEO, 1.0, np.random.default_rng(4))
    one = type(halos)(halos.x[:1], halos.y[:1], halos.mass[:1], "TNFW", halos.kwargs[:1])
    assert mass_inside(one, 500.0, (0.0, 0.0), GEO.critical_density) == pytest.approx(one.mass[0], rel=0.01)


@pytest.mark.parametrize("kind", ["sphere", "vortex", "cdm"])
def test_the_mass_inside_the_ring_is_held_fixed(kind):
    radius = 1.2
    halos = draw_substructure(kind, {}, GEO, radius, np.random.default_rng(5))
    smooth = main_lens(radius, 0.0, 0.0, 0.0, 0.0, (0.0, 0.0))
    removed = mass_inside(halos, radius, (0.0, 0.0), GEO.critical_density)
    assert removed > 0
    fixed = with_subhalos(smooth, halos, removed, GEO.critical_density)
    naive = with_subhalos(smooth, halos, 0.0, GEO.critical_density)
    angle = (np.arange(200_000) + 0.5) * 2.0 * np.pi / 200_000
    x, y = radius * np.cos(angle), radius * np.sin(angle)

    def enclosed(lens):
        ax, ay = lens.deflection(x, y)
        return np.mean(ax * np.cos(angle) + ay * np.sin(angle)) * math.pi * radius * GEO.critical_density

    total = math.pi * radius**2 * GEO.critical_density
    assert enclosed(fixed) == pytest.approx(total, rel=1e-4)
    assert enclosed(naive) == pytest.approx(total + removed, rel=1e-4)


def test_a_point_mass_deflects_by_its_einstein_radius_on_it():
    halos = point_masses(GEO, np.zeros(1), np.zeros(1), np.array([1e10]))
    assert halos.kwargs[0]["theta_E"] == pytest.approx(GEO.point_mass_radius(1e10), rel=1e-12)
