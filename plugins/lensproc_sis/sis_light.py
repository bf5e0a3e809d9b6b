"""Light of the lens galaxy, fitted to what the arcs leave free."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

WIDTHS = 12
"""Gaussians of the fit, their widths even in the logarithm."""
REACH = 2.5
"""How far from the centre light is fitted [θ_E]."""
WIDEST = 1.5
"""Width of the widest Gaussian [θ_E]."""
NARROWEST = 0.6
"""Width of the narrowest Gaussian [px]."""
INNER = 0.7
"""Within this many θ_E some pixels have to be free of arcs, else nothing is fitted."""
FREE = 12
"""How many at least."""
FLAT_FIELD = 0.005
"""Error of a pixel that grows with its light, so that the brightest pixels do not decide alone."""


def lens_light(
    image: Array, sigma: Array, use: NDArray[np.bool_], dx: Array, dy: Array, radius: float
) -> Array:
    """Fit the light of a lens galaxy.

    Parameters
    ----------
    image, sigma : ndarray, shape (ny, nx)
        Pixels above the sky, and their 1σ errors.
    use : ndarray of bool, shape (ny, nx)
        Good pixels without light of the source.
    dx, dy : ndarray, shape (ny, nx)
        Positions from the centre of the lens [px].
    radius : float
        θ_E [px].

    Returns
    -------
    ndarray, shape (ny, nx)
        A sum of Gaussians about the centre, each with a part that is round and one that goes as the cosine and
        sine of twice the angle (cf. Cappellari 2002, MNRAS 333, 400, whose Gaussians are elliptical); 0 where too
        few pixels near the centre are free of arcs to tell.
    """
    r = np.hypot(dx, dy)
    near = use & (r < REACH * radius)
    if np.count_nonzero(near & (r < INNER * radius)) < FREE:
        return np.zeros_like(image)
    widths = np.geomspace(NARROWEST, max(WIDEST * radius, 2.0 * NARROWEST), WIDTHS)
    fields = gaussian_fields(dx, dy, widths)
    weight = 1.0 / np.hypot(sigma[near], FLAT_FIELD * np.abs(image[near]))
    matrix = fields[:, near] * weight
    peak = max(float(np.abs(image[near]).max()), float(sigma[near].min()))
    # amplitudes of the size of the brightest pixel are expected; what the pixels do not tell stays small
    normal = matrix @ matrix.T + np.eye(len(fields)) / peak**2
    amplitudes = np.linalg.solve(normal, matrix @ (image[near] * weight))
    light: Array = np.tensordot(amplitudes, fields, axes=1)
    return light


def gaussian_fields(dx: Array, dy: Array, widths: Array) -> Array:
    """Gaussians about a centre, round and with cos 2φ and sin 2φ; shape (3 widths, ny, nx)."""
    square, cosine, sine = dx**2 + dy**2, dx**2 - dy**2, 2.0 * dx * dy
    bells = [np.exp(-0.5 * square / width**2) for width in widths]
    return np.stack(
        [
            field
            for bell, width in zip(bells, widths, strict=True)
            for field in (bell, bell * cosine / width**2, bell * sine / width**2)
        ]
    )
