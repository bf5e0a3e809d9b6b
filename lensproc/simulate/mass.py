"""The mass that bends the light, handed to lenstronomy."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensproc.errors import UsageError

Kwargs = Mapping[str, float]

RAYS_AT_ONCE = 16384
"""Rays traced in one call: few enough that the arrays of a hundred masses stay in the processor's cache."""


def import_lenstronomy() -> None:
    """Import lenstronomy once, quietly.

    Raises
    ------
    UsageError
        When it is not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import lenstronomy.LensModel.lens_model
            import lenstronomy.LightModel.light_model  # noqa: F401
        except ImportError:
            raise UsageError(
                "simulating lenses needs lenstronomy, which is not installed",
                remedy="pip install 'lensproc[simulate]'",
            ) from None


@lru_cache(maxsize=256)
def lens_model(models: tuple[str, ...]) -> Any:
    """Build the lenstronomy ``LensModel`` of these profiles, once: it costs more than a small image."""
    import_lenstronomy()
    from lenstronomy.LensModel.lens_model import LensModel

    return LensModel(list(models))


@dataclass(frozen=True)
class Subhalos:
    """Masses beside the main lens.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        Positions [arcsec from the centre of the cutout].
    mass : ndarray, shape (n,)
        M_sun: of the point, or inside the truncation (the total) for halos.
    model : str
        lenstronomy profile: POINT_MASS or TNFW.
    kwargs : tuple of mapping
        Its parameters, one mapping per mass.
    """

    x: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    y: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    mass: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    model: str = "POINT_MASS"
    kwargs: tuple[Kwargs, ...] = ()


@dataclass(frozen=True)
class Deflector:
    """All masses of a lens.

    Parameters
    ----------
    models : tuple of str
        lenstronomy profiles, the main lens first.
    kwargs : tuple of mapping
        Their parameters.
    """

    models: tuple[str, ...]
    kwargs: tuple[Kwargs, ...]

    def ray_shooting(
        self, x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Source-plane position [arcsec] of image-plane positions `x`, `y` (same shape)."""
        model = lens_model(self.models)
        bx, by = np.empty(x.size), np.empty(y.size)
        flat_x, flat_y = x.ravel(), y.ravel()
        for start in range(0, x.size, RAYS_AT_ONCE):
            rays = slice(start, start + RAYS_AT_ONCE)
            bx[rays], by[rays] = model.ray_shooting(flat_x[rays], flat_y[rays], self.kwargs)
        return bx.reshape(x.shape), by.reshape(y.shape)

    def deflection(
        self, x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Deflection angle α [arcsec] at `x`, `y`; the lens equation is β = θ - α."""
        bx, by = self.ray_shooting(x, y)
        return x - bx, y - by

    def convergence(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Convergence κ at `x`, `y`; point masses, whose κ is zero except on the point, are left out."""
        extended = [i for i, name in enumerate(self.models) if name != "POINT_MASS"]
        model = lens_model(tuple(self.models[i] for i in extended))
        kappa = model.kappa(x.ravel(), y.ravel(), [self.kwargs[i] for i in extended])
        return np.asarray(np.reshape(kappa, x.shape), np.float64)

    def magnification(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Signed magnification at `x`, `y`."""
        return np.asarray(lens_model(self.models).magnification(x, y, self.kwargs), np.float64)


def main_lens(
    einstein_radius: float, e1: float, e2: float, gamma1: float, gamma2: float, center: tuple[float, float]
) -> Deflector:
    """Singular isothermal ellipsoid with external shear.

    Parameters
    ----------
    einstein_radius : float
        θ_E [arcsec] in lenstronomy's convention, the geometric mean of the axes of the critical curve.
    e1, e2 : float
        Ellipticity (1 - q)/(1 + q) (cos 2φ, sin 2φ).
    gamma1, gamma2 : float
        External shear.
    center : (float, float)
        x, y of the lens [arcsec].
    """
    x, y = center
    sie = {"theta_E": einstein_radius, "e1": e1, "e2": e2, "center_x": x, "center_y": y}
    shear = {"gamma1": gamma1, "gamma2": gamma2, "ra_0": x, "dec_0": y}
    return Deflector(("SIE", "SHEAR"), (sie, shear))


def with_subhalos(
    deflector: Deflector, subhalos: Subhalos, mass_removed: float, critical: float
) -> Deflector:
    """Add `subhalos`, taking `mass_removed` inside θ_E away from the main lens.

    An isothermal lens holds π Σ_c θ_main R inside the radius R, so that the sum of both holds π Σ_c R² at
    R = θ_E when θ_main = θ_E - M_removed/(π Σ_c θ_E).

    Parameters
    ----------
    deflector : Deflector
        The main lens.
    subhalos : Subhalos
        What is added.
    mass_removed : float
        Mass of the subhalos inside θ_E [M_sun], or 0 to add without taking away.
    critical : float
        Critical surface density [M_sun/arcsec²].
    """
    if not subhalos.kwargs:
        return deflector
    main = dict(deflector.kwargs[0])
    radius = main["theta_E"]
    main["theta_E"] = radius - mass_removed / (math.pi * critical * radius)
    if main["theta_E"] <= 0:
        raise UsageError(
            f"the substructure holds {mass_removed:.3g} M_sun inside θ_E, more than the lens itself",
            remedy="use fewer or lighter subhalos, or --mass-sheet naive",
        )
    models = deflector.models + (subhalos.model,) * len(subhalos.kwargs)
    return Deflector(models, (main, *deflector.kwargs[1:], *subhalos.kwargs))
