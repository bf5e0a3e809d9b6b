"""Groups of pixels of an input: sky, arcs, points, the lens's core."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lensproc.qc import thresholds as at
from lensproc.qc.candidates import candidates_in
from lensproc.qc.pair import Pair

GROUPS = ("sky", "arc", "point", "core")

POINT_RADIUS, CORE_RADIUS = 1.0, 1.5
"""[FWHM of the input]"""


def pixel_groups(pair: Pair) -> dict[str, NDArray[np.bool_]]:
    """Sort the clean pixels of an input by what its own pixels show; no truth is needed.

    Parameters
    ----------
    pair : Pair
        Input and output.

    Returns
    -------
    dict of str to ndarray of bool, shape (ny, nx)
        ``core``: within 1.5 FWHM of the lens; ``point``: else within 1 FWHM of a candidate labelled POINT;
        ``sky``: else without visible light; ``arc``: what is left.
    """
    ny, nx = pair.x.shape
    columns, rows = np.arange(nx), np.arange(ny)[:, None]
    fwhm = pair.psf.fwhm if pair.psf else 3.0
    core, point = np.zeros((ny, nx), bool), np.zeros((ny, nx), bool)
    if pair.lens is not None:
        core = np.hypot(columns - pair.lens[0], rows - pair.lens[1]) <= CORE_RADIUS * fwhm
    if pair.psf is not None and min(ny, nx) >= at.SMALLEST_SIDE * fwhm:
        found, _ = candidates_in(pair)
        for x, y, blobness in zip(found.x, found.y, found.blobness, strict=True):
            if blobness >= at.POINT_BLOBNESS:
                point |= np.hypot(columns - x, rows - y) <= POINT_RADIUS * fwhm
    sky = pair.noise.sky_pixels
    return {
        "sky": sky & ~point & ~core & pair.clean,
        "arc": ~sky & ~point & ~core & pair.clean,
        "point": point & ~core & pair.clean,
        "core": core & pair.clean,
    }
