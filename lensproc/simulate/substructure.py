"""Substructure classes: none, point-mass subhalos, truncated NFW subhalos, and a vortex line."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensproc.errors import UsageError
from lensproc.simulate.cosmology import Geometry
from lensproc.simulate.distributions import draw
from lensproc.simulate.mass import Kwargs, Subhalos, import_lenstronomy

CLASSES = ("no", "sphere", "vortex", "cdm")
"""Names of the classes; the first three are those of the public data sets."""

FAR = 1e4
"""Distance in scale radii at which a truncated halo is a point."""


def power_law_masses(
    rng: np.random.Generator, count: int, low: float, high: float, slope: float
) -> NDArray[np.float64]:
    """Draw masses with dN/dm ∝ m^slope between `low` and `high` [M_sun] by inverting the cumulative function."""
    u = rng.uniform(size=count)
    k = slope + 1.0
    if abs(k) < 1e-9:
        return np.asarray(low * (high / low) ** u, np.float64)
    return np.asarray((low**k + (high**k - low**k) * u) ** (1.0 / k), np.float64)


def mean_mass(low: float, high: float, slope: float) -> float:
    """Mean [M_sun] of dN/dm ∝ m^slope between `low` and `high` (slope neither -1 nor -2)."""
    first = (high ** (slope + 2.0) - low ** (slope + 2.0)) / (slope + 2.0)
    return float(first / ((high ** (slope + 1.0) - low ** (slope + 1.0)) / (slope + 1.0)))


def point_masses(
    geometry: Geometry, x: NDArray[np.float64], y: NDArray[np.float64], mass: NDArray[np.float64]
) -> Subhalos:
    """Subhalos that are points."""
    unit = geometry.point_mass_radius(1.0)
    kwargs = tuple(
        {"theta_E": unit * math.sqrt(m), "center_x": float(a), "center_y": float(b)}
        for m, a, b in zip(mass, x, y, strict=True)
    )
    return Subhalos(x, y, mass, "POINT_MASS", kwargs)


def draw_none(
    options: Mapping[str, Any], geometry: Geometry, radius: float, rng: np.random.Generator
) -> Subhalos:
    """Class ``no``: a smooth lens."""
    return Subhalos()


def draw_sphere(
    options: Mapping[str, Any], geometry: Geometry, radius: float, rng: np.random.Generator
) -> Subhalos:
    """Class ``sphere``: point masses as the public DeepLense code draws them.

    By default 25 masses of 10⁶ to 10¹⁰ M_sun with dN/dm ∝ m^-0.9, at r ∈ U(.25, 2)″ and a random angle:
    3.8·10¹⁰ M_sun in the mean. With ``mass``, drawn last, they are scaled so that they sum to it.
    """
    count = int(options.get("number", 25))
    low, high = options.get("masses", (1e6, 1e10))
    mass = power_law_masses(rng, count, low, high, float(options.get("slope", -0.9)))
    nearest, farthest = options.get("radii", (0.25, 2.0))
    r = rng.uniform(nearest, farthest, size=count)
    angle = rng.uniform(0.0, 2.0 * math.pi, size=count)
    if "mass" in options:
        mass = mass * (draw(options["mass"], rng, "substructure.sphere.mass") / mass.sum())
    return point_masses(geometry, r * np.sin(angle), r * np.cos(angle), mass)


def draw_vortex(
    options: Mapping[str, Any], geometry: Geometry, radius: float, rng: np.random.Generator
) -> Subhalos:
    """Class ``vortex``: a line of axion dark matter as the public DeepLense code draws it.

    By default ``mass`` = 3·10¹⁰ M_sun as 100 equal points on a line through the centre, of half-length
    .03″ (10⁻²² eV/m) with m = 10^U(-24, -22) eV, at a random angle.
    """
    count = int(options.get("number", 100))
    lightest, heaviest = options.get("log_axion_mass", (-24.0, -22.0))
    exponent = rng.uniform(lightest, heaviest)
    half = 0.03 * 10.0 ** (-22.0 - exponent)
    angle = rng.uniform(0.0, 2.0 * math.pi)
    along = np.linspace(-half, half, count)
    mass = np.full(count, draw(options.get("mass", 3e10), rng, "substructure.vortex.mass") / count)
    return point_masses(geometry, along * math.cos(angle), along * math.sin(angle), mass)


def draw_cdm(
    options: Mapping[str, Any], geometry: Geometry, radius: float, rng: np.random.Generator
) -> Subhalos:
    """Class ``cdm``: truncated NFW halos with dN/dm ∝ m^-1.9.

    Their mean number is such that they hold ``fraction`` (default 1 %) of the mass inside θ_E; they are spread
    evenly over a disc of ``reach`` (default 1.5) θ_E about the lens, between ``masses`` (default 10⁷ to
    10¹⁰ M_sun; lighter ones move no pixel and cost most of the time). Concentrations follow Duffy et al. 2008
    (MNRAS 390, L64, table 1, full sample, M200) with .13 dex of scatter; the truncation radius is ``truncation``
    (default 5) scale radii. `Subhalos.mass` is the total mass of the truncated halo.
    """
    low, high = options.get("masses", (1e7, 1e10))
    slope = float(options.get("slope", -1.9))
    fraction = float(options.get("fraction", 0.01))
    reach = float(options.get("reach", 1.5))
    tau = float(options.get("truncation", 5.0))
    inside = math.pi * radius**2 * geometry.critical_density
    mean_number = fraction * inside * reach**2 / mean_mass(low, high, slope)
    count = int(rng.poisson(mean_number))
    mass = power_law_masses(rng, count, low, high, slope)
    r = reach * radius * np.sqrt(rng.uniform(size=count))
    angle = rng.uniform(0.0, 2.0 * math.pi, size=count)
    scatter = rng.normal(0.0, 0.13, size=count)
    x, y = r * np.cos(angle), r * np.sin(angle)
    kwargs = tuple(
        _tnfw_kwargs(geometry, float(m), float(s), tau, float(a), float(b))
        for m, s, a, b in zip(mass, scatter, x, y, strict=True)
    )
    return Subhalos(x, y, mass, "TNFW", kwargs)


def _tnfw_kwargs(geometry: Geometry, mass: float, scatter: float, tau: float, x: float, y: float) -> Kwargs:
    scale_radius = tnfw_scale(geometry.z_lens, mass, scatter, tau)
    scale_angle = scale_radius / (geometry.d_lens * 1e6) * 206264.806
    # Far away M = π Σ_c R α(R), and α scales with α_Rs at a fixed R/R_s.
    unit_mass = math.pi * geometry.critical_density * FAR * scale_angle * _far_deflection(tau)
    return {
        "Rs": scale_angle,
        "alpha_Rs": mass / unit_mass,
        "r_trunc": tau * scale_angle,
        "center_x": x,
        "center_y": y,
    }


@lru_cache(maxsize=16)
def _far_deflection(tau: float) -> float:
    """Deflection at `FAR` scale radii of a halo with α_Rs = 1."""
    import_lenstronomy()
    from lenstronomy.LensModel.Profiles.tnfw import TNFW

    alpha, _ = TNFW().derivatives(FAR, 0.0, Rs=1.0, alpha_Rs=1.0, r_trunc=tau)
    return float(alpha)


def tnfw_scale(z: float, mass: float, scatter: float, tau: float) -> float:
    """Scale radius [pc] of a subhalo of total mass `mass`.

    Parameters
    ----------
    z : float
        Redshift of the lens.
    mass : float
        Total mass of the truncated halo [M_sun].
    scatter : float
        Deviation of log10 concentration from the mean relation.
    tau : float
        Truncation radius over scale radius.

    Notes
    -----
    Total mass of a truncated NFW halo: 4π ρ_s r_s³ m(τ) with
    m(τ) = τ²/(τ²+1)² [(τ²-1) ln τ + τπ - (τ²+1)] (Baltz, Marshall & Oguri 2009, JCAP 01, 015, eq. A.3); the
    infall mass M200 follows by iterating the concentration.
    """
    t2 = tau * tau
    total = t2 / (t2 + 1.0) ** 2 * ((t2 - 1.0) * math.log(tau) + tau * math.pi - (t2 + 1.0))
    # Critical density [M_sun/pc³] of the flat ΛCDM used throughout, H0 = 70 km/s/Mpc, Ω_m = .3.
    critical = 1.3599e-7 * (0.3 * (1.0 + z) ** 3 + 0.7)
    m200 = mass
    for _ in range(20):
        c = 5.71 * (m200 * 0.7 / 2e12) ** -0.084 * (1.0 + z) ** -0.47 * 10.0**scatter
        enclosed = math.log(1.0 + c) - c / (1.0 + c)
        m200 = mass * enclosed / total
    r200 = (3.0 * m200 / (4.0 * math.pi * 200.0 * critical)) ** (1.0 / 3.0)
    return float(r200 / c)


def mass_inside(subhalos: Subhalos, radius: float, center: tuple[float, float], critical: float) -> float:
    """Projected mass [M_sun] of `subhalos` inside the circle of `radius` [arcsec] about `center`.

    Exact for points; for halos the flux of their deflection through the circle (Gauss's law), at 360 points.
    """
    if not subhalos.kwargs:
        return 0.0
    if subhalos.model == "POINT_MASS":
        inside = np.hypot(subhalos.x - center[0], subhalos.y - center[1]) < radius
        return float(subhalos.mass[inside].sum())
    from lensproc.simulate.mass import lens_model

    count = 360
    angle = (np.arange(count) + 0.5) * 2.0 * math.pi / count
    nx, ny = np.cos(angle), np.sin(angle)
    model = lens_model((subhalos.model,) * len(subhalos.kwargs))
    ax, ay = model.alpha(center[0] + radius * nx, center[1] + radius * ny, subhalos.kwargs)
    return float(np.mean(ax * nx + ay * ny) * math.pi * radius * critical)


DRAW: Mapping[str, Callable[[Mapping[str, Any], Geometry, float, np.random.Generator], Subhalos]] = {
    "no": draw_none,
    "sphere": draw_sphere,
    "vortex": draw_vortex,
    "cdm": draw_cdm,
}
"""Class name to what draws its substructure."""


def draw_substructure(
    kind: str, options: Mapping[str, Any], geometry: Geometry, radius: float, rng: np.random.Generator
) -> Subhalos:
    """Draw the substructure of class `kind` for a lens of Einstein radius `radius` [arcsec].

    Raises
    ------
    UsageError
        For an unknown class.
    """
    if kind not in DRAW:
        raise UsageError(f"no substructure class {kind!r}", remedy=f"there are {', '.join(CLASSES)}")
    return DRAW[kind](options, geometry, radius, rng)
