"""A lens fitted by lenstronomy: particle swarms, parts added to the model as they show, least squares."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass

import numpy as np

from benchmarks.sis_fit_data import Array, Observed
from benchmarks.sis_fit_model import MASS, NEIGHBOUR, Model, gaussians
from benchmarks.sis_fit_parts import parts_added
from benchmarks.sis_fit_polish import SOFT, error_of_first, improved, loss

PARTICLES, GENERATIONS = 64, 40
BINNED = 50
"""Side [px] at least that the image is binned to for the swarms."""
ATTEMPTS, WORST = 3, 3.0
"""Fits of one lens at most, and the χ² per pixel above which a fit is not good."""
FIELD = 0.9
"""Radius of the circle that is looked at first, in half the side."""
LARGEST = 0.9
"""Largest θ_E of a swarm, in the radius of that circle."""
NEAR = (1.35, 0.45)
"""Radius of the circle that is fitted in the end, in θ_E, and what is added to it ["]."""
LIGHT_SIGMAS = np.geomspace(0.02, 3.0, 9)
"""Of the Gaussians that stand for the lens's light in the swarms ["]."""


@dataclass(frozen=True)
class Fit:
    """What was found. Whether it is `good` shows without the truth.

    Parameters
    ----------
    theta_e, error : float
        Einstein radius and its 1σ error ["].
    chi2 : float
        χ² per pixel.
    clumps, neighbours : int
        Parts that were added.
    bounded : bool
        Whether a parameter of the mass ended at a bound.
    model, p
        The model as drawn last, and its parameters, those of the neighbours at the end.
    """

    theta_e: float
    error: float
    chi2: float
    clumps: int
    neighbours: int
    bounded: bool
    model: Model
    p: Array

    @property
    def good(self) -> bool:
        """Neither at a bound nor far from the pixels."""
        return not self.bounded and self.chi2 <= WORST


def fit(observed: Observed, particles: int = PARTICLES, generations: int = GENERATIONS) -> Fit:
    """Fit a lens of which nothing but `observed` is known, with swarms of so many `particles` and `generations`.

    Notes
    -----
    lenstronomy (Birrer & Amara 2018) draws the images, and amplitudes are solved for.

    1. Light of the lens, with the arcs as outliers: where the lens is.
    2. Swarms over ellipsoid, shear and a round exponential source, one each for small, middle and large θ_E, on
       binned pixels. They know nothing but that the lens is where its light is (without light: near the middle).
    3. Least squares of each with all parameters, Cauchy loss; the best stays.
    4. What stands out of the residual becomes a clump of the source or a neighbour, whichever explains more.
    5. Least squares of everything; at the end at two points per pixel side, where neighbours keep their shape.

    A fit that is not good is begun again, with other swarms of twice, then three times as many particles.
    """
    attempts: list[Fit] = []
    while len(attempts) < ATTEMPTS and not (attempts and attempts[-1].good):
        attempts.append(_fit(observed, particles * (1 + len(attempts)), generations, len(attempts)))
    return min(attempts, key=lambda found: (not found.good, found.chi2))


def _fit(observed: Observed, particles: int, generations: int, attempt: int) -> Fit:
    whole = Model(observed.within(FIELD * observed.axis[-1]))
    starts = _swarms(whole.observed, particles, generations, attempt)
    p = min((improved(whole, start) for start in starts), key=lambda end: loss(whole, end))
    model, p = parts_added(Model(whole.observed.within(NEAR[0] * p[0] + NEAR[1], p[3:5])), p)
    p = improved(model, p, evaluations=8)
    model, p = parts_added(model, p)
    fine, q = _finer(model, p)
    q = improved(fine, q, evaluations=8)
    low, _, high = fine.bounds[:, : len(MASS)]
    edge = 1e-3 * (high - low)
    mass = q[: len(MASS)]
    return Fit(
        float(q[0]),
        error_of_first(fine, q),
        float(np.mean(fine.solved(q, SOFT)[1] ** 2)),
        model.clumps,
        model.neighbours,
        bool(np.any((mass < low + edge) | (mass > high - edge))),
        fine,
        np.r_[q, p[len(q) :]],
    )


def _finer(model: Model, p: Array) -> tuple[Model, Array]:
    """Draw the model at two points per pixel side, of the neighbours only the brightness still free."""
    fine = Model(model.observed, model.clumps, model.neighbours, supersampling=2)
    rows, numbers = fine.columns(p), len(NEIGHBOUR) * model.neighbours
    static = rows[len(rows) - model.neighbours :]
    return Model(model.observed, model.clumps, supersampling=2, static=static), p[: len(p) - numbers]


def _swarms(observed: Observed, particles: int, generations: int, attempt: int) -> list[Array]:
    """Where three swarms ended, as parameters of a model without clumps and neighbours."""
    from lenstronomy.Sampling.Samplers.pso import ParticleSwarmOptimizer

    lens = Model(observed, source=False)
    light = lens.bounds[1]
    if observed.light:
        light[3:5] = _brightest(observed)
        light = improved(lens, light, np.array([3, 4, *range(7, 15)]), 30)
    binned = observed.binned(max(1, len(observed.pixels) // BINNED))
    static = gaussians(binned, light[3:5], light[9:11], LIGHT_SIGMAS) if observed.light else None
    model = Model(binned, light=False, static=static)
    first = model.bounds[1]
    first[3:5] = light[3:5]
    # e₁, e₂, γ₁, γ₂, place and radius of the source, place of the lens.
    free = np.array([0, 1, 2, 5, 6, 7, 8, 9, 3, 4][: 8 if observed.light else 10])
    reach = np.array([0.3, 0.3, 0.3, 0.3, 0.5, 0.5])
    edges = np.linspace(0.3, LARGEST * observed.axis[-1], 4)
    ends = []

    def likelihood(q: Array) -> float:
        if np.any(q < low) or np.any(q > high):
            return -1e18
        full = first.copy()
        full[free] = q
        return -loss(model, full)

    for part in range(3):
        low = np.r_[edges[part], -reach, 0.05, -0.4, -0.4][: len(free)]
        high = np.r_[edges[part + 1], reach, 0.4, 0.4, 0.4][: len(free)]
        np.random.seed(3 * attempt + part)  # noqa: NPY002  (the swarm draws from the global generator)
        with contextlib.redirect_stdout(io.StringIO()):
            swarm = ParticleSwarmOptimizer(likelihood, low, high, particles)
            best, _ = swarm.optimize(max_iter=generations, verbose=False)
        found = first.copy()
        found[free] = best
        ends.append(np.r_[found, light[7:]])
    return ends


def _brightest(observed: Observed) -> Array:
    """Place of the brightest light in the middle third ["]."""
    from scipy.ndimage import gaussian_filter

    side = len(observed.pixels)
    third = side // 3
    middle = gaussian_filter(observed.pixels, 1.5)[third : side - third, third : side - third]
    y, x = np.unravel_index(int(middle.argmax()), middle.shape)
    return (np.array([x, y]) + third - (side - 1) / 2) * observed.pixel_scale
