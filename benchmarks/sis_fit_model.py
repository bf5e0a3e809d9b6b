"""What the fit of a lens draws: mass, source with clumps, light of the lens, neighbours, sky."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from benchmarks.sis_fit_data import Array, Observed
from lensproc.simulate.psf import PSFModel
from lensproc.simulate.render import psf_on_pixels

Bounds = tuple[tuple[float, float, float], ...]
"""Lowest, first and highest value of each parameter of a part."""

MASS: Bounds = (
    (0.2, 1.2, 3.0),  # θ_E ["]
    (-0.45, 0.0, 0.45),  # e₁
    (-0.45, 0.0, 0.45),  # e₂
    (-0.6, 0.0, 0.6),  # centre ["]
    (-0.6, 0.0, 0.6),
    (-0.4, 0.0, 0.4),  # γ₁
    (-0.4, 0.0, 0.4),  # γ₂
)
SOURCE: Bounds = (
    (-0.9, 0.0, 0.9),  # place beside the lens ["]
    (-0.9, 0.0, 0.9),
    (0.02, 0.2, 1.5),  # half-light radius ["]
    (0.4, 1.0, 5.0),  # Sérsic index
    (-0.45, 0.0, 0.45),  # e₁
    (-0.45, 0.0, 0.45),  # e₂
)
CLUMP: Bounds = ((-1.4, 0.0, 1.4), (-1.4, 0.0, 1.4), (0.005, 0.02, 0.15))
"""Place beside the lens and σ of a Gaussian in the source plane ["]."""
LIGHT: Bounds = tuple(
    bounds
    for index in (4.0, 1.0)
    for bounds in ((0.05, 0.8 if index > 2 else 1.3, 6.0), (0.5, index, 8.0), *SOURCE[4:])
)
"""Half-light radius ["], index and ellipticity of two Sérsic profiles on the lens."""
NEIGHBOUR: Bounds = ((-4.0, 0.0, 4.0), (-4.0, 0.0, 4.0), (0.02, 0.2, 1.5), (0.3, 1.0, 6.0))
"""Place, half-light radius ["] and Sérsic index of a round galaxy or, where it is tiny, a star."""


@lru_cache(maxsize=4)
def _psf(psf: PSFModel, pixel_scale: float, supersampling: int) -> Array:
    return psf_on_pixels(psf, pixel_scale / supersampling, 4).astype(np.float64)


class Model:
    """Images of a lens, linear in their amplitudes, which are solved for.

    Parameters
    ----------
    observed : Observed
        The data.
    clumps, neighbours : int
        Number of Gaussians in the source plane, of round Sérsic profiles before it.
    supersampling : int
        Points per pixel side at which light is computed and blurred.
    light, source : bool
        Draw the light of the lens; that of the source.
    static : ndarray, shape (k, pixels in use)
        Further images, in σ, which depend on no parameter.
    """

    def __init__(
        self,
        observed: Observed,
        clumps: int = 0,
        neighbours: int = 0,
        supersampling: int = 1,
        light: bool = True,
        source: bool = True,
        static: Array | None = None,
    ) -> None:
        from lenstronomy.Data.imaging_data import ImageData
        from lenstronomy.Data.psf import PSF
        from lenstronomy.ImSim.image_linear_solve import ImageLinearFit
        from lenstronomy.LensModel.lens_model import LensModel
        from lenstronomy.LightModel.light_model import LightModel

        self.observed, self.clumps, self.neighbours = observed, clumps, neighbours
        self.light, self.source = light and observed.light, source
        self.supersampling = supersampling
        scale = observed.pixel_scale
        edge = -(len(observed.pixels) - 1) / 2 * scale
        kernel = _psf(observed.psf, scale, supersampling)
        self.drawing = ImageLinearFit(
            ImageData(
                observed.pixels,
                noise_map=observed.sigma,
                ra_at_xy_0=edge,
                dec_at_xy_0=edge,
                transform_pix2angle=scale * np.eye(2),
            ),
            PSF("PIXEL", kernel_point_source=kernel, point_source_supersampling_factor=supersampling),
            lens_model_class=LensModel(["SIE", "SHEAR"]),
            source_model_class=LightModel(["SERSIC_ELLIPSE"] * source + ["GAUSSIAN"] * clumps),
            lens_light_model_class=LightModel(
                ["SERSIC_ELLIPSE"] * (2 * self.light) + ["SERSIC"] * neighbours
            ),
            kwargs_numerics={
                "supersampling_factor": supersampling,
                "supersampling_convolution": supersampling > 1,
            },
            likelihood_mask=observed.use,
        )
        self.sigma = observed.sigma[observed.use]
        self.data = observed.pixels[observed.use] / self.sigma
        self.static = np.vstack([np.atleast_2d(1.0 / self.sigma), *([] if static is None else [static])])

    @property
    def bounds(self) -> Array:
        """Lowest, first and highest values, shape (3, parameters): mass, source, clumps, light, neighbours."""
        parts = [
            *MASS,
            *SOURCE * self.source,
            *CLUMP * self.clumps,
            *LIGHT * self.light,
            *NEIGHBOUR * self.neighbours,
        ]
        return np.array(parts).T

    def kwargs(self, p: Array) -> tuple[Any, Any, Any]:
        """Parameters of mass, source and other light in lenstronomy's form."""
        numbers = iter(p.tolist())

        def take(*names: str) -> dict[str, float]:
            return {name: next(numbers) for name in names}

        sie = take("theta_E", "e1", "e2", "center_x", "center_y")
        x, y = sie["center_x"], sie["center_y"]
        mass = [sie, {**take("gamma1", "gamma2"), "ra_0": x, "dec_0": y}]
        profile = ("R_sersic", "n_sersic", "e1", "e2")
        source = [take("center_x", "center_y", *profile) for _ in range(self.source)]
        source += [take("center_x", "center_y", "sigma") for _ in range(self.clumps)]
        for part in source:
            part["center_x"] += x
            part["center_y"] += y
        light = [{**take(*profile), "center_x": x, "center_y": y} for _ in range(2 * self.light)]
        light += [take("center_x", "center_y", *profile[:2]) for _ in range(self.neighbours)]
        return mass, [{**part, "amp": 1.0} for part in source], [{**part, "amp": 1.0} for part in light]

    def columns(self, p: Array) -> Array:
        """Images of the parts in σ, shape (parts, pixels in use)."""
        with np.errstate(over="ignore", under="ignore"):  # far out a profile of small index is 0
            return np.asarray(self.drawing.linear_response_matrix(*self.kwargs(p), []) / self.sigma)

    def solved(self, p: Array, soft: float = np.inf) -> tuple[Array, Array]:
        """Amplitudes, and residuals [σ].

        No part but the first static one, the sky, may be negative. Residuals beyond `soft` σ count as in a
        Cauchy distribution, so that light which the model does not have pulls little.
        """
        rows = np.vstack([self.static, self.columns(p)])
        rows /= (norm := np.sqrt(np.sum(rows**2, 1, keepdims=True)) + 1e-300)
        weight = np.ones_like(self.data)
        for _ in range(1 if np.isinf(soft) else 3):
            amplitudes = _positive(rows, weight, self.data)
            residual = self.data - amplitudes @ rows
            weight = 1.0 / (1.0 + (residual / soft) ** 2)
        return amplitudes / norm[:, 0], residual

    def image(self, values: Array) -> Array:
        """Put the pixels in use back into the frame, the others 0."""
        frame = np.zeros(self.observed.pixels.shape)
        frame[self.observed.use] = values
        return frame


def _positive(rows: Array, weight: Array, data: Array) -> Array:
    """Weighted least squares in which only the first row, the sky, may be negative."""
    from scipy.linalg import cholesky, solve_triangular
    from scipy.optimize import nnls

    signed = np.vstack([rows, -rows[:1]])
    weighted = signed * weight
    matrix = weighted @ signed.T
    matrix[np.diag_indices_from(matrix)] *= 1.0 + 1e-9
    matrix[np.diag_indices_from(matrix)] += 1e-12
    lower = cholesky(matrix, lower=True)
    found, _ = nnls(lower.T, solve_triangular(lower, weighted @ data, lower=True))
    found[0] -= found[-1]
    return np.asarray(found[:-1])


def gaussians(observed: Observed, center: Array, ellipticity: Array, sigmas: Array) -> Array:
    """Images in σ of Gaussians of `sigmas` ["] about a `center` ["], shape (sigmas, pixels in use)."""
    from lenstronomy.LightModel.light_model import LightModel

    model = Model(observed, light=False, source=False)
    model.drawing.LensLightModel = LightModel(["GAUSSIAN_ELLIPSE"] * len(sigmas))
    (e1, e2), (x, y) = ellipticity.tolist(), center.tolist()
    shape = {"amp": 1.0, "e1": e1, "e2": e2, "center_x": x, "center_y": y}
    light = [{"sigma": sigma, **shape} for sigma in sigmas]
    mass = model.kwargs(model.bounds[1])[0]
    return np.asarray(model.drawing.linear_response_matrix(mass, [], light, []) / model.sigma)
