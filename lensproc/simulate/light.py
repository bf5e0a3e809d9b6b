"""Light of galaxies: Sérsic profiles, clumps, double-Sérsic lenses, neighbours, handed to lenstronomy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensproc.simulate.distributions import draw, draw_all
from lensproc.simulate.mass import Kwargs, import_lenstronomy


@lru_cache(maxsize=64)
def light_model(models: tuple[str, ...]) -> Any:
    """Build the lenstronomy ``LightModel`` of these profiles."""
    import_lenstronomy()
    from lenstronomy.LightModel.light_model import LightModel

    return LightModel(list(models))


@dataclass(frozen=True)
class Light:
    """Surface brightness as a sum of lenstronomy profiles.

    Parameters
    ----------
    models : tuple of str
        Profile names.
    kwargs : tuple of mapping
        Their parameters; ``amp`` scales each.
    """

    models: tuple[str, ...] = ()
    kwargs: tuple[Kwargs, ...] = ()

    def surface_brightness(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Flux per arcsec² at `x`, `y` [arcsec], same shape."""
        if not self.models:
            return np.zeros_like(x)
        values = light_model(self.models).surface_brightness(x.ravel(), y.ravel(), self.kwargs)
        return np.asarray(np.reshape(values, x.shape), np.float64)

    def scaled(self, factor: float) -> Light:
        """Return the same light, `factor` times as bright."""
        return Light(self.models, tuple({**kw, "amp": kw["amp"] * factor} for kw in self.kwargs))

    def plus(self, other: Light) -> Light:
        """Sum of two lights."""
        return Light(self.models + other.models, self.kwargs + other.kwargs)


def sersic(
    flux: float, radius: float, n: float, e1: float, e2: float, center: tuple[float, float]
) -> tuple[str, Kwargs]:
    """Sérsic profile of total flux `flux` and half-light radius `radius` [arcsec].

    Notes
    -----
    Total flux of an elliptical Sérsic profile whose radius is the geometric mean of the axes:
    2π n R² I_e e^b b^(-2n) Γ(2n) (Graham & Driver 2005, PASA 22, 118, eq. 4), with b as lenstronomy takes it,
    b = 1.9992 n - .3271, so that its profile integrates to `flux`.
    """
    b = 1.9992 * n - 0.3271
    at_radius = flux / (2.0 * math.pi * n * radius**2 * math.exp(b) * b ** (-2.0 * n) * math.gamma(2.0 * n))
    x, y = center
    kwargs = {"amp": at_radius, "R_sersic": radius, "n_sersic": n, "e1": e1, "e2": e2}
    return "SERSIC_ELLIPSE", {**kwargs, "center_x": x, "center_y": y}


def gaussian(flux: float, sigma: float, center: tuple[float, float]) -> tuple[str, Kwargs]:
    """Round Gaussian of total flux `flux`, a knot of star formation; `sigma` [arcsec]."""
    return "GAUSSIAN", {"amp": flux, "sigma": sigma, "center_x": center[0], "center_y": center[1]}


def join(parts: list[tuple[str, Kwargs]]) -> Light:
    """Light of several profiles."""
    return Light(tuple(name for name, _ in parts), tuple(kwargs for _, kwargs in parts))


def ellipticity(table: Mapping[str, Any], rng: np.random.Generator) -> tuple[float, float]:
    """Ellipticity (e1, e2) of a recipe's table: from ``e1`` and ``e2``, or ``axis_ratio`` and ``angle`` [deg]."""
    if "axis_ratio" in table:
        q = draw(table["axis_ratio"], rng, "axis_ratio")
        phi = math.radians(draw(table.get("angle", {"uniform": [0.0, 180.0]}), rng, "angle"))
        e = (1.0 - q) / (1.0 + q)
        return e * math.cos(2.0 * phi), e * math.sin(2.0 * phi)
    return draw(table.get("e1", 0.0), rng, "e1"), draw(table.get("e2", 0.0), rng, "e2")


SERSIC_DEFAULTS: Mapping[str, Any] = {"sersic_index": 1.0, "radius": 0.25, "center_x": 0.0, "center_y": 0.0}
"""Sérsic index, half-light radius [arcsec] and centre [arcsec] where a recipe gives none."""


def draw_source(table: Mapping[str, Any], rng: np.random.Generator) -> tuple[Light, dict[str, float]]:
    """Source galaxy of total flux 1 in its plane, and its parameters for the catalogue.

    ``clumps`` puts a share of the flux into knots: ``number``, ``flux_fraction``, ``size`` [arcsec, σ].
    Their places follow the exponential disc of the galaxy out to two half-light radii.
    """
    p = draw_all(table, rng, SERSIC_DEFAULTS)
    e1, e2 = ellipticity(table, rng)
    center = (p["center_x"], p["center_y"])
    clumps = table.get("clumps")
    number = 0
    share = 0.0
    parts: list[tuple[str, Kwargs]] = []
    if clumps is not None:
        number = int(draw(clumps.get("number", 5), rng, "clumps.number"))
        share = draw(clumps.get("flux_fraction", 0.4), rng, "clumps.flux_fraction") if number else 0.0
        weights = rng.uniform(0.3, 1.0, size=number)
        for weight in weights:
            r = 2.0 * p["radius"] * math.sqrt(rng.uniform())
            angle = rng.uniform(0.0, 2.0 * math.pi)
            size = draw(clumps.get("size", 0.02), rng, "clumps.size")
            place = (center[0] + r * math.cos(angle), center[1] + r * math.sin(angle))
            parts.append(gaussian(share * weight / weights.sum(), size, place))
    parts.insert(0, sersic(1.0 - share, p["radius"], p["sersic_index"], e1, e2, center))
    named = {f"source_{key}": value for key, value in p.items()}
    named.update(source_e1=e1, source_e2=e2, source_clumps=float(number), source_clump_fraction=share)
    return join(parts), named


def draw_lens_light(
    table: Mapping[str, Any], center: tuple[float, float], e1: float, e2: float, rng: np.random.Generator
) -> tuple[Light, dict[str, float]]:
    """Double Sérsic of total flux 1 on the lens: an n = 4 bulge and an n = 1 envelope, aligned with the mass."""
    defaults = {"radius": {"uniform": [0.5, 1.2]}, "bulge_fraction": {"uniform": [0.4, 0.8]}}
    p = draw_all(table, rng, {**defaults, "bulge_index": 4.0, "envelope_radius": {"uniform": [1.2, 2.0]}})
    share = p["bulge_fraction"]
    bulge = sersic(share, p["radius"], p["bulge_index"], e1, e2, center)
    envelope = sersic(1.0 - share, p["radius"] * p["envelope_radius"], 1.0, 0.7 * e1, 0.7 * e2, center)
    return join([bulge, envelope]), {f"lens_light_{key}": value for key, value in p.items()}
