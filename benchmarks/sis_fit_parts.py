"""Parts that the fit of a lens lacks: clumps of the source, neighbours and stars, found in what is left."""

from __future__ import annotations

import numpy as np

from benchmarks.sis_fit_data import Array
from benchmarks.sis_fit_model import CLUMP, MASS, SOURCE, Model
from benchmarks.sis_fit_polish import SOFT, improved, loss

PARTS, SCORE = 8, 8.0
"""Clumps and neighbours at most, and the σ one has to stand out by."""
WIDTHS = (0.06, 0.15, 0.3)
"""σ of the blobs that are looked for in the image ["]."""
SPOT = 0.04
"""σ of those in the source plane ["]."""

Candidate = tuple[float, Array]
"""How much it stands out [σ], and the parameters of the part."""


def parts_added(model: Model, p: Array) -> tuple[Model, Array]:
    """Add what stands out most, as a clump or as a neighbour, whichever explains more once it is fitted."""
    while model.clumps + model.neighbours < PARTS:
        residual = np.clip(model.solved(p, SOFT)[1], -2.0 * SOFT, 2.0 * SOFT)
        clump, neighbour = _clump(model, p, residual), _neighbour(model, residual)
        if max(clump[0], neighbour[0]) < SCORE:
            break
        choices = [_with(model, p, clump[1], lensed=True), _with(model, p, neighbour[1], lensed=False)]
        model, p = min(choices, key=lambda choice: loss(*choice))
    return model, p


def _with(model: Model, p: Array, part: Array, *, lensed: bool) -> tuple[Model, Array]:
    """Add one part and fit it, all else held."""
    place = len(MASS) + len(SOURCE) + len(CLUMP) * model.clumps if lensed else len(p)
    clumps, neighbours = model.clumps + lensed, model.neighbours + (not lensed)
    larger = Model(model.observed, clumps, neighbours, model.supersampling)
    return larger, improved(larger, np.insert(p, place, part), place + np.arange(len(part)))


def _clump(model: Model, p: Array, residual: Array) -> Candidate:
    """Place in the source plane all of whose images together stand out most."""
    axis, use = model.observed.axis, model.observed.use
    x, y = (coordinate[use] for coordinate in np.meshgrid(axis, axis))
    bx, by = model.drawing.LensModel.ray_shooting(x, y, model.kwargs(p)[0])
    reach = np.arange(-2.0, 2.01, 0.2) * max(p[9], 0.1)
    best = (-np.inf, np.zeros(3))
    for sx in p[7] + reach:
        for sy in p[8] + reach:
            r2 = (bx - p[3] - sx) ** 2 + (by - p[4] - sy) ** 2
            near = r2 < (3.5 * SPOT) ** 2
            shape = np.exp(-0.5 * r2[near] / SPOT**2)
            score = float(shape @ residual[near] / np.sqrt(shape @ shape + 1e-9))
            if score > best[0]:
                best = (score, np.array([sx, sy, 0.03]))
    return best


def _neighbour(model: Model, residual: Array) -> Candidate:
    """Blob of the image that stands out most."""
    from scipy.ndimage import gaussian_filter

    axis = model.observed.axis
    best = (-np.inf, np.zeros(4))
    for width in WIDTHS:
        sigma = width / model.observed.pixel_scale
        blobs = gaussian_filter(model.image(residual), sigma) * 2.0 * np.sqrt(np.pi) * sigma
        row, column = np.unravel_index(int(blobs.argmax()), blobs.shape)
        if blobs[row, column] > best[0]:
            best = (float(blobs[row, column]), np.array([axis[column], axis[row], 1.2 * width, 1.0]))
    return best
