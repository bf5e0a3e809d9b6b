"""Distances, and the masses and angles that follow from them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from lensproc.errors import UsageError

Distances = Literal["angular", "deeplense-public"]
"""``angular``: angular-diameter distances. ``deeplense-public``: luminosity distances with D_LS = D_S - D_L,
as the public DeepLense code takes them, so that its images can be matched."""

RADIANS = math.pi / 180.0 / 3600.0
"""One arcsecond [rad]."""

SOLAR_MASS_IN_MPC = 1.476625038 / 3.0856775815e19
"""G M_sun / c² [Mpc]: km (IAU 2015 nominal solar mass parameter) over km per Mpc."""


@dataclass(frozen=True)
class Geometry:
    """Distances between observer, lens and source.

    Parameters
    ----------
    z_lens, z_source : float
        Redshifts.
    d_lens, d_source, d_lens_source : float
        Distances [Mpc] of the kind that `distances` says.
    distances : str
        See `Distances`.
    """

    z_lens: float
    z_source: float
    d_lens: float
    d_source: float
    d_lens_source: float
    distances: Distances

    def point_mass_radius(self, mass: float) -> float:
        """Einstein radius [arcsec] of a point of `mass` [M_sun]: √(4GM/c² · D_LS/(D_L D_S)).

        (Narayan & Bartelmann 1996, eq. 20.)
        """
        lever = self.d_lens_source / (self.d_lens * self.d_source)
        return math.sqrt(4.0 * SOLAR_MASS_IN_MPC * mass * lever) / RADIANS

    @property
    def critical_density(self) -> float:
        """Critical surface density [M_sun/arcsec²]: π θ_E² times it is the mass inside θ_E."""
        return 1.0 / (math.pi * self.point_mass_radius(1.0) ** 2)


@lru_cache(maxsize=64)
def geometry(z_lens: float, z_source: float, distances: str = "angular") -> Geometry:
    """Distances in flat ΛCDM with H0 = 70 km/s/Mpc, Ω_m = .3, Ω_b = .05.

    Raises
    ------
    UsageError
        When the source is not behind the lens, or `distances` is not known.
    """
    if not 0 < z_lens < z_source:
        raise UsageError(f"the source (z = {z_source:g}) must lie behind the lens (z = {z_lens:g})")
    from astropy.cosmology import FlatLambdaCDM

    cosmology = FlatLambdaCDM(H0=70.0, Om0=0.3, Ob0=0.05)
    if distances == "angular":
        lens = cosmology.angular_diameter_distance(z_lens).value
        source = cosmology.angular_diameter_distance(z_source).value
        # Flat space: comoving distances subtract.
        comoving = cosmology.comoving_distance([z_lens, z_source]).value
        between = (comoving[1] - comoving[0]) / (1.0 + z_source)
        return Geometry(z_lens, z_source, float(lens), float(source), float(between), "angular")
    if distances == "deeplense-public":
        lens = cosmology.luminosity_distance(z_lens).value
        source = cosmology.luminosity_distance(z_source).value
        return Geometry(
            z_lens, z_source, float(lens), float(source), float(source - lens), "deeplense-public"
        )
    raise UsageError(f"distances {distances!r} are not angular or deeplense-public")
