"""What becomes of a star that is put in: paired injection, E(x + star) - E(x), needs no model of the host."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lensproc.qc.forced import ForcedFit, PointSpread
from lensproc.qc.noise import Noise

Array = NDArray[np.float64]

STEPS = 6
"""Newton steps of the position; a shift of half a pixel needs three."""

APERTURE = 2.0
"""Radius [FWHM]."""

GONE = 0.05
"""Part of the flux below which a position means nothing."""


@dataclass(frozen=True)
class Response:
    """Flux and place of a star in the output over those put in.

    Parameters
    ----------
    flux_ratio : float
        By a fit of the input's PSF to H of the difference.
    aperture_ratio : float
        By the sum of H of the difference within 2 FWHM: the two differ where the PSF is not as declared.
    dx, dy : float
        Shift [input px]; NaN where hardly any flux is left.
    """

    flux_ratio: float
    aperture_ratio: float
    dx: float
    dy: float


def star_response(
    difference: Array, spread: PointSpread, x: float, y: float, flux: float, noise: Noise
) -> Response:
    """Fit a star to the difference that it made.

    Parameters
    ----------
    difference : ndarray, shape (ny, nx)
        H of E(x + star) - E(x), in the unit of the input.
    spread : PointSpread
        PSF of the input.
    x, y, flux : float
        Place [px] and flux that were put in.
    noise : Noise
        Of the input: bad pixels are left out.
    """
    px, py, ratio = x, y, math.nan
    rows, columns = (np.asarray(axis, np.float64) for axis in np.indices(difference.shape))
    star = spread.at(rows - y, columns - x)
    inside = np.hypot(columns - x, rows - y) <= APERTURE * spread.fwhm
    aperture = float(difference[inside].sum() / (flux * star[inside].sum()))
    for step in range(STEPS + 1):
        fit = ForcedFit(spread, np.array([px]), np.array([py]), noise)
        measured = float(fit.fluxes(difference).flux[0])
        ratio = measured / flux
        if not math.isfinite(ratio) or ratio < GONE:
            return Response(ratio, aperture, math.nan, math.nan)
        if step == STEPS:
            break
        rest = difference - measured * spread.at(rows - py, columns - px)
        dx, dy, _ = fit.offsets(rest, np.array([measured]))
        move = np.clip([float(dx[0]), float(dy[0])], -1.0, 1.0)
        if not np.isfinite(move).all():
            return Response(ratio, aperture, math.nan, math.nan)
        px, py = px + float(move[0]), py + float(move[1])
        if np.hypot(*move) < 1e-4:
            break
    return Response(ratio, aperture, px - x, py - y)
