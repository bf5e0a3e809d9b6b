"""How a panel lies on the sky: pixel scale, where north and east are, how long a scale bar."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lensproc.cutout import Cutout, Source
from lensproc.qc.sky import sky_positions
from lensproc.report.output import Output

_STEPS = (1.0, 2.0, 5.0)


@dataclass(frozen=True)
class Orientation:
    """A panel on the sky.

    Parameters
    ----------
    pixel_scale : float or None
        Side of an input pixel [arcsec].
    north, east : (float, float) or None
        Unit vectors (x, y) in pixels, y upwards; None without a WCS.
    """

    pixel_scale: float | None
    north: tuple[float, float] | None = None
    east: tuple[float, float] | None = None


def orientation_of(output: Output) -> Orientation:
    """Measure directions at the middle of the output, on positions of pixels a step apart."""
    ny, nx = output.image.shape
    recorded, _ = output.resolved("pixel_scale")
    grid = Cutout(
        data=np.zeros((ny, nx), np.float32),
        variance=None,
        mask=np.zeros((ny, nx), np.uint32),
        header=output.header,
        source=Source("output", "SCI", "", "lensproc"),
        distortion=output.distortion,
    )
    x, y = (nx - 1) / 2.0, (ny - 1) / 2.0
    ra, dec = sky_positions(grid, np.array([x - 1, x + 1, x, x]), np.array([y, y, y - 1, y + 1]))
    if not (np.isfinite(ra).all() and np.isfinite(dec).all()):
        return Orientation(recorded)
    ra = np.rad2deg(np.unwrap(np.deg2rad(ra)))
    shrink = math.cos(math.radians(float(dec.mean())))
    # rows: degrees towards east and north per output pixel along x and y
    jacobian = np.array(
        [
            [(ra[1] - ra[0]) * shrink / 2.0, (ra[3] - ra[2]) * shrink / 2.0],
            [(dec[1] - dec[0]) / 2.0, (dec[3] - dec[2]) / 2.0],
        ]
    )
    area = abs(float(np.linalg.det(jacobian)))
    if area == 0.0:
        return Orientation(recorded)
    inverse = np.linalg.inv(jacobian)
    east, north = inverse[:, 0] / np.hypot(*inverse[:, 0]), inverse[:, 1] / np.hypot(*inverse[:, 1])
    scale = recorded or math.sqrt(area) * 3600.0 * output.scale
    return Orientation(scale, (float(north[0]), float(north[1])), (float(east[0]), float(east[1])))


def bar_length(side: float) -> float:
    """Length of a scale bar: 1, 2 or 5 times a power of ten, nearest below a third of the side.

    Parameters
    ----------
    side : float
        Side of the panel [arcsec or px]; above 0.

    Examples
    --------
    >>> bar_length(12.8), bar_length(64), bar_length(3.0)
    (2.0, 20.0, 1.0)
    """
    goal = side / 3.0
    power = 10.0 ** math.floor(math.log10(goal))
    return max(step * power for step in _STEPS if step * power <= goal * 1.000001)


def bar_label(length: float, unit: str) -> str:
    """Label of a scale bar.

    Examples
    --------
    >>> bar_label(2.0, "″"), bar_label(0.5, "″"), bar_label(120.0, "″")
    ('2″', '0.5″', '2′')
    """
    if unit == "″" and length >= 60.0:
        return f"{length / 60.0:.3g}′"
    return f"{length:g}{unit}"
