"""Least squares for the fit of a lens, on which light that the model lacks pulls little, and the error of θ_E."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.sis_fit_data import Array
from benchmarks.sis_fit_model import Model

SOFT = 3.0
"""Residual [σ] from which it counts as in a Cauchy distribution."""
STEP = 1e-4
"""Of finite differences, in the width of a parameter's range."""
LAGS = range(-2, 3)
"""Distances [px] at which noise is correlated."""


def loss(model: Model, p: Array) -> float:
    """−ln of the Cauchy likelihood, but for a constant."""
    return 0.5 * float(np.sum(_softened(model.solved(p, SOFT)[1]) ** 2))


def _softened(residual: Array) -> Array:
    return np.asarray(SOFT * np.sqrt(np.log1p((residual / SOFT) ** 2)) * np.sign(residual))


def improved(model: Model, p: Array, free: NDArray[np.int64] | None = None, evaluations: int = 10) -> Array:
    """Least squares with Cauchy loss in the parameters `free` (all), from `p`."""
    from scipy.optimize import least_squares

    free = np.arange(len(p)) if free is None else free
    low, _, high = model.bounds[:, free]
    width = high - low

    def residual(q: Array) -> Array:
        full = p.copy()
        full[free] = q
        return _softened(model.solved(full, SOFT)[1])

    start = np.clip(p[free], low + 1e-6 * width, high - 1e-6 * width)
    found = least_squares(
        residual, start, bounds=(low, high), x_scale=width, max_nfev=evaluations, diff_step=STEP, ftol=1e-5
    )
    result = p.copy()
    result[free] = found.x
    return result


def error_of_first(model: Model, p: Array) -> float:
    """1σ error of the first parameter, θ_E ["].

    Notes
    -----
    That of an M-estimator, A⁻¹ B A⁻¹ (Huber & Ronchetti 2009, *Robust Statistics*, ch. 6): A = Σ ψ' j jᵀ of the
    derivatives j of the residuals, and B = Σ j ⟨ψψ⟩ jᵀ with the correlation of ψ between pixels that the image
    shows, for resampled images have correlated noise.
    """
    low, _, high = model.bounds
    slopes = []
    for step in np.diag(STEP * (high - low)):
        after, before = np.clip(p + step, low, high), np.clip(p - step, low, high)
        change = model.solved(after, SOFT)[1] - model.solved(before, SOFT)[1]
        slopes.append(change / np.sum(after - before))
    jacobian = np.array(slopes)
    residual = model.solved(p, SOFT)[1]
    square = (residual / SOFT) ** 2
    curvature = np.linalg.pinv((jacobian * (1.0 - square) / (1.0 + square) ** 2) @ jacobian.T, rcond=1e-10)
    psi = model.image(residual / (1.0 + square))
    images = np.array([model.image(slope) for slope in jacobian])
    blurred = np.zeros_like(images)
    for dy in LAGS:
        for dx in LAGS:
            blurred += np.mean(psi * np.roll(psi, (dy, dx), (0, 1))) * np.roll(images, (dy, dx), (1, 2))
    spread = np.tensordot(images, blurred, ((1, 2), (1, 2)))
    return float(np.sqrt((curvature @ spread @ curvature)[0, 0]))
