"""Checks of a bright star: its flux and its place."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lensproc.nn.psf import SIGMA_PER_FWHM
from lensproc.testing.result import CheckFailedError, NotApplicableError
from lensproc.testing.scenes import FWHM, single_star
from lensproc.testing.subject import Subject

RADIUS = 3.0 * FWHM
"""Of the aperture [input px]."""
PLACES = ((0.0, 0.0), (0.3, -0.2), (-0.45, 0.5))
"""Offsets of the star from the middle of a pixel [px]."""


def measure(image: NDArray[np.float32], x: float, y: float, scale: int) -> tuple[float, float, float]:
    """Flux and place of a star.

    Parameters
    ----------
    image : ndarray, shape (s ny, s nx)
        Image with one star.
    x, y : float
        Where it is, about [input px].
    scale : int
        Pixels per input pixel, s.

    Returns
    -------
    flux : float
        Sum in a circle of `RADIUS` less the median outside [unit of a pixel].
    x, y : float
        Centroid under a Gaussian window of the star's own width that follows it [input px].

    Notes
    -----
    The windowed centroid is that of SExtractor (XWIN_IMAGE): for a round star it has no bias.
    """
    ny, nx = image.shape
    across = (np.arange(nx) + 0.5) / scale - 0.5
    down = (np.arange(ny) + 0.5) / scale - 0.5
    gx, gy = np.meshgrid(across, down)
    inside = np.hypot(gx - x, gy - y) <= RADIUS
    light = image.astype(np.float64)
    light -= np.median(light[~inside])
    sigma = FWHM * SIGMA_PER_FWHM
    cx, cy = x, y
    for _ in range(30):
        window = inside * np.exp(-0.5 * ((gx - cx) ** 2 + (gy - cy) ** 2) / sigma**2) * light
        total = float(window.sum())
        if total == 0.0:
            return float(light[inside].sum()), math.nan, math.nan
        cx += 2.0 * float((window * (gx - cx)).sum()) / total
        cy += 2.0 * float((window * (gy - cy)).sum()) / total
    return float(light[inside].sum()), cx, cy


def _stars(subject: Subject) -> list[tuple[tuple[float, float, float], tuple[float, float, float]]]:
    """Measure each star and band in the input and in the output."""
    height, width = subject.shape(48, 56)
    scenes, places = [], []
    for seed, (dx, dy) in enumerate(PLACES):
        places.append((width // 2 - 3 + dx, height // 2 + 2 + dy))
        scenes.append(single_star((height, width), *places[-1], subject.bands, seed))
    pairs = []
    for scene, outcome, (x, y) in zip(scenes, subject.run(scenes), places, strict=True):
        if outcome.image is None:
            raise NotApplicableError("the stage gives no image")
        for band in range(subject.bands):
            before = measure(scene.data[band], x, y, 1)
            after = measure(outcome.image[band], x, y, subject.scale)
            pairs.append((before, after))
    return pairs


def star_keeps_flux(subject: Subject) -> None:
    """Change the flux of a bright Gaussian star by no more than the manifest's tolerance."""
    allowed, worst = subject.manifest.tolerance.flux, 0.0
    area = 1.0 if subject.manifest.amplitude == "flux" else 1.0 / subject.scale**2
    for (before, _, _), (after, _, _) in _stars(subject):
        error = after * area / before - 1.0
        worst = error if not abs(error) <= abs(worst) else worst
    if not abs(worst) <= allowed:
        raise CheckFailedError(
            f"the flux of a star changes by {100 * worst:+.3g} %, expected at most {100 * allowed:.3g} % "
            f"(its output counted as {subject.manifest.amplitude})"
        )


def star_keeps_centroid(subject: Subject) -> None:
    """Move the centroid of a bright Gaussian star by no more than the manifest's tolerance."""
    allowed, worst = subject.manifest.tolerance.centroid, (0.0, 0.0)
    for (_, x0, y0), (_, x1, y1) in _stars(subject):
        moved = (x1 - x0, y1 - y0)
        if not math.hypot(*moved) <= math.hypot(*worst):
            worst = moved
    if not math.hypot(*worst) <= allowed:
        raise CheckFailedError(
            f"the centroid of a star moves by ({worst[0]:+.3g}, {worst[1]:+.3g}) input px, expected at most "
            f"{allowed:g} (pixel edges aligned: x' = s (x + 1/2) - 1/2)"
        )
