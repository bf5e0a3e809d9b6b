import math

import pytest

from lensproc.errors import UsageError
from lensproc.simulate.cosmology import geometry


def test_einstein_radius_of_the_public_recipe_in_both_conventions():
    assert geometry(0.5, 1.0).point_mass_radius(1e12) == pytest.approx(1.665, abs=0.001)
    assert geometry(0.5, 1.0, "deeplense-public").point_mass_radius(1e12) == pytest.approx(1.281, abs=0.001)


def test_mass_inside_the_einstein_radius_is_pi_theta_squared_times_the_critical_density():
    geo = geometry(0.5, 1.0)
    radius = geo.point_mass_radius(3e11)
    assert math.pi * radius**2 * geo.critical_density == pytest.approx(3e11, rel=1e-12)


def test_angular_distances_agree_with_astropy():
    from astropy.cosmology import FlatLambdaCDM

    geo = geometry(0.5, 1.0)
    cosmology = FlatLambdaCDM(H0=70, Om0=0.3, Ob0=0.05)
    assert geo.d_lens == pytest.approx(cosmology.angular_diameter_distance(0.5).value, rel=1e-12)
    # Flat space: (1 + z_s) D_LS = (1 + z_s) D_S - (1 + z_l) D_L.
    assert 2.0 * geo.d_lens_source == pytest.approx(2.0 * geo.d_source - 1.5 * geo.d_lens, rel=1e-9)


def test_a_source_before_the_lens_is_refused():
    with pytest.raises(UsageError, match="behind the lens"):
        geometry(1.0, 0.5)
