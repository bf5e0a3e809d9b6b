"""A lens fitted by lenstronomy: a particle swarm, then least squares from where it ends."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensproc.nn.prepare import sky_and_noise
from lensproc.simulate.image import Simulated
from lensproc.simulate.samples import effective_psf

Array = NDArray[np.float64]

PARTICLES, GENERATIONS = 60, 80
POLISH = 60
"""Evaluations of least squares per parameter, at most."""
LOWEST = (0.2, -0.5, -0.5, -0.5, -0.5, -0.4, -0.4, -0.8, -0.8, 0.03, 0.5, 0.3, 0.3)
HIGHEST = (4.0, 0.5, 0.5, 0.5, 0.5, 0.4, 0.4, 0.8, 0.8, 1.0, 4.0, 2.0, 4.0)
"""θ_E, e₁, e₂ and centre of the mass, shear, place, radius and Sérsic index of the source, radii of the lens's
bulge (n = 4) and envelope (n = 1) [arcsec]."""


def fit(sim: Simulated) -> tuple[float, float]:
    """Fit an ellipsoid with shear, a Sérsic source and a double Sérsic lens whose shape and place the mass has.

    Returns
    -------
    (float, float)
        θ_E and its 1σ error from the curvature at the best fit [arcsec].

    Notes
    -----
    lenstronomy (Birrer & Amara 2018) draws the image behind the PSF and solves for the amplitudes. The swarm
    starts from all of the ranges above, θ_E up to .6 of half the side, and knows nothing of the truth.
    """
    from lenstronomy.Sampling.Samplers.pso import ParticleSwarmOptimizer
    from scipy.optimize import least_squares

    residual = _Residual(sim)
    number = len(LOWEST) if residual.galaxy else len(LOWEST) - 2
    low, high = np.array(LOWEST[:number]), np.array(HIGHEST[:number])
    high[0] = min(high[0], 0.6 * sim.exposure.frame.half_width)
    np.random.seed(1)  # noqa: NPY002  (the swarm draws from the global generator)
    with contextlib.redirect_stdout(io.StringIO()):
        swarm = ParticleSwarmOptimizer(residual.log_likelihood, low, high, PARTICLES)
        best, _ = swarm.optimize(max_iter=GENERATIONS, verbose=False)
    start = np.clip(best, low + 1e-6, high - 1e-6)
    found = least_squares(residual, start, bounds=(low, high), x_scale=high - low, max_nfev=POLISH)
    covariance = np.linalg.pinv(found.jac.T @ found.jac)
    return float(found.x[0]), float(np.sqrt(covariance[0, 0]))


class _Residual:
    """Residuals [σ] of an image under a lens model."""

    def __init__(self, sim: Simulated) -> None:
        from lenstronomy.Data.imaging_data import ImageData
        from lenstronomy.Data.psf import PSF
        from lenstronomy.ImSim.image_linear_solve import ImageLinearFit
        from lenstronomy.LensModel.lens_model import LensModel
        from lenstronomy.LightModel.light_model import LightModel

        frame, pixels = sim.exposure.frame, sim.exposure.data.astype(np.float64)
        sky, noise = sky_and_noise(sim.exposure.data)
        variance = sim.exposure.variance
        sigma = np.full(pixels.shape, noise) if variance is None else np.sqrt(variance.astype(np.float64))
        bad = ~np.isfinite(pixels) | ~np.isfinite(sigma) | (sigma <= 0)
        self.sigma, self.use = np.where(bad, 1.0, sigma), ~bad
        edge = -(frame.size - 1) / 2 * frame.pixel_scale
        data = ImageData(
            np.where(bad, 0.0, pixels - sky),
            noise_map=self.sigma,
            ra_at_xy_0=edge,
            dec_at_xy_0=edge,
            transform_pix2angle=frame.pixel_scale * np.eye(2),
        )
        psf = PSF("PIXEL", kernel_point_source=effective_psf(sim).astype(np.float64))
        self.galaxy = bool(sim.scene.foreground.models)
        light = LightModel(["SERSIC_ELLIPSE", "SERSIC_ELLIPSE"] if self.galaxy else [])
        self.model = ImageLinearFit(
            data,
            psf,
            lens_model_class=LensModel(["SIE", "SHEAR"]),
            source_model_class=LightModel(["SERSIC_ELLIPSE"]),
            lens_light_model_class=light,
            kwargs_numerics={"supersampling_factor": 1},
            likelihood_mask=self.use,
        )

    def kwargs(self, p: Array) -> tuple[Any, Any, Any]:
        """Parameters of mass, source and lens light in lenstronomy's form."""
        theta, e1, e2, x, y, g1, g2, sx, sy, radius, index = (float(value) for value in p[:11])
        mass = [
            {"theta_E": theta, "e1": e1, "e2": e2, "center_x": x, "center_y": y},
            {"gamma1": g1, "gamma2": g2, "ra_0": x, "dec_0": y},
        ]
        place = {"e1": 0.0, "e2": 0.0, "center_x": x + sx, "center_y": y + sy}
        source = [{"R_sersic": radius, "n_sersic": index, **place}]
        if not self.galaxy:
            return mass, source, []
        shape = {"e1": e1, "e2": e2, "center_x": x, "center_y": y}
        bulge, envelope = float(p[11]), float(p[12])
        light = [
            {"R_sersic": bulge, "n_sersic": 4.0, **shape},
            {"R_sersic": envelope, "n_sersic": 1.0, **shape},
        ]
        return mass, source, light

    def __call__(self, p: Array) -> Array:
        """Residuals of the good pixels [σ], the amplitudes solved for."""
        mass, source, light = self.kwargs(p)
        with np.errstate(over="ignore"):  # far out a profile of small index is 0
            image, _, _, _ = self.model.image_linear_solve(mass, source, light, [])
        return np.asarray(((self.model.Data.data - image) / self.sigma)[self.use])

    def log_likelihood(self, p: Array) -> float:
        """−χ²/2, what the swarm makes large."""
        chi2 = float(np.sum(self(np.asarray(p)) ** 2))
        return -0.5 * chi2 if np.isfinite(chi2) else -1e18
