"""Point sources: quasar images from the lens equation, field stars, pairs on a grid."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from lensproc.errors import UsageError
from lensproc.simulate.distributions import draw
from lensproc.simulate.mass import Deflector, lens_model

ATTEMPTS = 120
"""Source positions tried for each wished number of images."""


@dataclass(frozen=True)
class Point:
    """One point source.

    Parameters
    ----------
    kind : str
        quasar, star or pair.
    x, y : float
        Position [arcsec from the centre of the cutout].
    weight : float
        Relative flux before the brightness is known (for a quasar image its magnification).
    flux : float
        Flux [unit].
    snr : float
        Signal-to-noise ratio of a fit of the PSF, against all noise but its own photons.
    magnification : float
        Signed magnification; NaN where nothing is lensed.
    """

    kind: str
    x: float
    y: float
    weight: float = 1.0
    flux: float = math.nan
    snr: float = math.nan
    magnification: float = math.nan

    def with_flux(self, flux: float, snr: float) -> Point:
        """Return the same point with its flux and signal-to-noise ratio known."""
        return replace(self, flux=flux, snr=snr)


def solve_lens_equation(
    deflector: Deflector, source: tuple[float, float], window: float, smooth: Deflector | None = None
) -> list[tuple[float, float, float]]:
    """Images of a point at `source` [arcsec]: x, y, magnification, brightest first.

    Parameters
    ----------
    deflector : Deflector
        The lens.
    source : (float, float)
        Position in the source plane [arcsec].
    window : float
        Side of the square searched [arcsec].
    smooth : Deflector, optional
        The lens without substructure, whose images are where the search starts; by default `deflector`.

    Notes
    -----
    lenstronomy's semi-analytic solver finds the images of `smooth`; where that finds fewer than two (it knows
    neither a lens without shear nor a source on an axis), its grid search does. Newton steps on the lens equation
    of the whole lens then bring them to 1e-11″; an image that does not come to rest within .3″ is not there. The
    faint additional image beside each point mass is left out: its magnification is that of the mass ratio.
    """
    base = smooth or deflector
    starts = _macro_images(base, source, window)
    images = []
    for x, y in starts:
        found = _polished(deflector, source, x, y)
        if found is not None and math.hypot(found[0] - x, found[1] - y) < 0.3:
            mu = float(deflector.magnification(np.array([found[0]]), np.array([found[1]]))[0])
            images.append((*found, mu))
    return sorted(images, key=lambda image: -abs(image[2]))


def _macro_images(
    deflector: Deflector, source: tuple[float, float], window: float
) -> list[tuple[float, float]]:
    from lenstronomy.LensModel.Solver.lens_equation_solver import LensEquationSolver

    solver = LensEquationSolver(lens_model(deflector.models))
    x: Sequence[float] = ()
    y: Sequence[float] = ()
    with warnings.catch_warnings():
        # Without shear the semi-analytic solver divides by zero and finds nothing.
        warnings.simplefilter("ignore", RuntimeWarning)
        if deflector.models == ("SIE", "SHEAR"):
            limit = {"magnification_limit": 1e-3}
            x, y = solver.image_position_from_source(*source, deflector.kwargs, solver="analytical", **limit)
        if len(x) < 2:
            # A grid off the centre, since one symmetric about the lens sees no single smallest distance.
            grid = {"min_distance": 0.05, "search_window": window, "x_center": 0.0173, "y_center": 0.0119}
            x, y = solver.image_position_from_source(*source, deflector.kwargs, solver="lenstronomy", **grid)
    return [(float(a), float(b)) for a, b in zip(x, y, strict=True)]


def _polished(
    deflector: Deflector, source: tuple[float, float], x: float, y: float
) -> tuple[float, float] | None:
    model = lens_model(deflector.models)
    for _ in range(50):
        bx, by = model.ray_shooting(np.array([x]), np.array([y]), deflector.kwargs)
        dx, dy = source[0] - float(bx[0]), source[1] - float(by[0])
        if math.hypot(dx, dy) < 1e-11:
            return x, y
        fxx, fxy, fyx, fyy = (
            float(h[0]) for h in model.hessian(np.array([x]), np.array([y]), deflector.kwargs)
        )
        jacobian = np.array([[1.0 - fxx, -fxy], [-fyx, 1.0 - fyy]])
        step = np.linalg.solve(jacobian, np.array([dx, dy]))
        length = float(np.hypot(*step))
        scale = min(1.0, 0.02 / length) if length > 0 else 1.0
        x, y = x + scale * float(step[0]), y + scale * float(step[1])
    return None


def draw_quasar(
    table: Mapping[str, Any],
    deflector: Deflector,
    smooth: Deflector,
    window: float,
    rng: np.random.Generator,
) -> tuple[tuple[float, float], list[Point]]:
    """Source position with as many images as the recipe asks for, and the images.

    ``images`` is a list of the numbers wished (default [2, 4]): one is drawn, and where the lens has no such
    position the next is taken. Positions are drawn
    evenly over the disc of half an Einstein radius about the lens (a quarter for four images, and less where the
    caustic is small) until one has that many images, all of them well inside the frame.
    """
    radius = float(smooth.kwargs[0]["theta_E"])
    center = deflector.kwargs[0]["center_x"], deflector.kwargs[0]["center_y"]
    choices = [int(n) for n in rng.permutation(np.asarray(table.get("images", [2, 4])))]
    for wanted, attempt in itertools.product(choices, range(ATTEMPTS)):
        reach = (0.25 if wanted == 4 else 0.5) * radius * 0.6 ** (attempt // 20)
        r = reach * math.sqrt(rng.uniform())
        angle = rng.uniform(0.0, 2.0 * math.pi)
        source = (center[0] + r * math.cos(angle), center[1] + r * math.sin(angle))
        images = solve_lens_equation(deflector, source, window, smooth)
        inside = all(max(abs(x), abs(y)) < 0.45 * window for x, y, _ in images)
        if len(images) == wanted and inside and 1.05 < abs(images[0][2]) < 100.0:
            return source, [Point("quasar", x, y, abs(mu), magnification=mu) for x, y, mu in images]
    raise UsageError(
        f"no source position with {' or '.join(map(str, choices))} images in {ATTEMPTS} tries each",
        remedy="give the lens more ellipticity or shear, a smaller Einstein radius, or allow two images",
    )


def draw_stars(
    table: Mapping[str, Any], half_width: float, keep_clear: float, rng: np.random.Generator
) -> tuple[list[Point], list[float]]:
    """Field stars and the SNR each shall have.

    ``number`` and ``snr`` are distributions; no star lies within `keep_clear` [arcsec] of the centre or within
    8 % of the border.
    """
    number = int(draw(table.get("number", 0), rng, "stars.number"))
    limit = 0.92 * half_width
    points: list[Point] = []
    wanted: list[float] = []
    for _ in range(number):
        while True:
            x, y = rng.uniform(-limit, limit, size=2)
            if math.hypot(x, y) >= min(keep_clear, 0.8 * limit):
                break
        points.append(Point("star", float(x), float(y)))
        wanted.append(draw(table.get("snr", {"log_uniform": [5.0, 100.0]}), rng, "stars.snr"))
    return points, wanted


def pair_grid(table: Mapping[str, Any]) -> list[tuple[float, float, float]]:
    """All (separation [FWHM], flux ratio, SNR of the brighter) of a recipe's ``[pair]``; separation 0 is one star.

    A single star needs no ratio, so separation 0 appears once per SNR.
    """
    separations = table.get("separation", [0.0, 0.3, 0.5, 0.7, 0.85, 1.0, 1.4, 2.0])
    ratios = table.get("ratio", [1.0, 3.0, 10.0])
    snrs = table.get("snr", [30.0, 100.0])
    cells = [(0.0, 1.0, float(s)) for s in snrs] if 0.0 in separations else []
    cells += [
        (float(d), float(q), float(s)) for d, q, s in itertools.product(separations, ratios, snrs) if d > 0
    ]
    return cells


def draw_pair(
    table: Mapping[str, Any], index: int, fwhm: float, pixel_scale: float, rng: np.random.Generator
) -> tuple[list[Point], float, dict[str, float]]:
    """Cell ``index`` of the grid (cyclic), at a random angle and a random place within the middle pixel."""
    cells = pair_grid(table)
    separation, ratio, snr = cells[index % len(cells)]
    angle = rng.uniform(0.0, 2.0 * math.pi)
    cx, cy = rng.uniform(-0.5, 0.5, size=2) * pixel_scale
    dx, dy = 0.5 * separation * fwhm * math.cos(angle), 0.5 * separation * fwhm * math.sin(angle)
    points = [Point("pair", float(cx + dx), float(cy + dy), 1.0)]
    if separation > 0:
        points.append(Point("pair", float(cx - dx), float(cy - dy), 1.0 / ratio))
    named = {
        "pair_separation": separation,
        "pair_ratio": ratio,
        "pair_snr": snr,
        "pair_angle": math.degrees(angle),
    }
    return points, snr, named
