"""The width of stars in the field, for images that do not say what their PSF is."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lensproc.cutout import PSF, UNKNOWN, Resolved

EXCLUDED_ARCSEC = 4.0
"""Nothing nearer to the lens than this is taken for a field star: its own images are point-like too."""
EXCLUDED_SHARE = 0.2
"""The same, in units of the image's shorter side, where that is larger or the scale is not known."""
SIGNIFICANT = 25.0
MOST_ELLIPTIC = 0.2
AGREEMENT = 0.12
FEWEST = 3


def measure_psf(
    data: NDArray[np.float32],
    bad: NDArray[np.bool_],
    lens: tuple[float, float] | None,
    scale: float | None,
    typical: float | None,
) -> Resolved[PSF]:
    """Measure the full width at half maximum on isolated, unsaturated, round sources away from the lens.

    Parameters
    ----------
    data, bad : ndarray, shape (ny, nx)
        Pixels, and those not to be used.
    lens : (x, y) or None
        The lens [px]; the middle of the image where it is not known.
    scale : float or None
        Pixel scale [arcsec].
    typical : float or None
        What the survey usually has [px]; fewer than three stars count only where they agree with it.

    Returns
    -------
    Resolved[PSF]
        Its source says how many stars; unknown where there are too few.
    """
    widths = star_widths(data, bad, lens, scale)
    if len(widths) == 0:
        return UNKNOWN
    # stars are the narrowest sources, and of one width: the group about the first width that others agree with
    order = np.sort(widths)
    for first in order:
        group = order[(order >= first) & (order <= first * (1 + 2 * AGREEMENT))]
        fwhm = float(np.median(group))
        usual = typical is not None and 0.65 < fwhm / typical < 1.5
        if len(group) >= FEWEST or usual:
            return Resolved(PSF(fwhm), f"measured on {len(group)} field star{'s' if len(group) > 1 else ''}")
    return UNKNOWN


def star_widths(
    data: NDArray[np.float32],
    bad: NDArray[np.bool_],
    lens: tuple[float, float] | None,
    scale: float | None,
) -> NDArray[np.float64]:
    """Full widths at half maximum [px] of the sources that could be stars.

    Each is isolated (no second peak of a tenth of its height within three widths), not flat-topped, round to
    20 per cent, wider than a pixel's noise spike, and away from the lens, from bad pixels and from the edge.
    """
    from scipy.ndimage import maximum_filter

    ny, nx = data.shape
    if min(ny, nx) < 24:
        return np.empty(0)
    sample = data[~bad]
    if sample.size < 100:
        return np.empty(0)
    sky = float(np.median(sample))
    below = sample[sample < sky]
    noise = 1.4826 * float(np.median(sky - below)) if below.size else 0.0
    light = np.where(bad, 0.0, data - sky)
    top = float(light.max())
    if not top > SIGNIFICANT * noise:
        return np.empty(0)
    peaks = (maximum_filter(light, 5) == light) & (light > max(SIGNIFICANT * noise, 1e-3 * top)) & ~bad
    ys, xs = np.nonzero(peaks)
    if len(ys) > 2000:
        brightest = np.argsort(-light[ys, xs])[:2000]
        ys, xs = ys[brightest], xs[brightest]
    x0, y0 = lens if lens is not None else ((nx - 1) / 2, (ny - 1) / 2)
    radius = max(EXCLUDED_SHARE * min(ny, nx), EXCLUDED_ARCSEC / scale if scale else 0.0)
    away = np.hypot(xs - x0, ys - y0) > radius
    heights = light[ys, xs]
    widths = []
    for i in np.nonzero(away)[0]:
        width = _width(light, bad, int(xs[i]), int(ys[i]))
        if width is None:
            continue
        near = np.hypot(xs - xs[i], ys - ys[i])
        crowd = (near > 0) & (near < 3 * width + 2) & (heights > 0.1 * heights[i])
        if not crowd.any():
            widths.append(width)
    return np.array(widths)


def _width(light: NDArray[np.floating], bad: NDArray[np.bool_], x: int, y: int) -> float | None:
    """FWHM [px] of one source by adaptive Gaussian moments (Bernstein & Jarvis 2002, AJ 123, 583, section 3)."""
    reach = 12
    ny, nx = light.shape
    if not (reach <= x < nx - reach and reach <= y < ny - reach):
        reach = 7
    if not (reach <= x < nx - reach and reach <= y < ny - reach):
        return None
    window = (slice(y - reach, y + reach + 1), slice(x - reach, x + reach + 1))
    box = np.asarray(light[window], np.float64)
    core = bad[y - 3 : y + 4, x - 3 : x + 4]
    height = box[reach, reach]
    around = box[reach - 1 : reach + 2, reach - 1 : reach + 2]
    if core.any() or np.sum(around >= 0.98 * height) > 2 or around.mean() < 0.2 * height:
        return None  # saturated (flat-topped), or a single hot pixel
    rows, columns = np.indices(box.shape) - float(reach)
    mx = my = 0.0
    xx = yy = 2.0
    xy = 0.0
    for _ in range(30):
        determinant = xx * yy - xy * xy
        if determinant <= 0.05 or xx + yy > reach**2:
            return None
        dx, dy = columns - mx, rows - my
        weight = np.exp(-0.5 * (yy * dx * dx - 2 * xy * dx * dy + xx * dy * dy) / determinant)
        weighted = weight * box
        total = weighted.sum()
        if total <= 0:
            return None
        sx, sy = (weighted * dx).sum() / total, (weighted * dy).sum() / total
        new = [2 * (weighted * a * b).sum() / total for a, b in ((dx, dx), (dy, dy), (dx, dy))]
        moved = abs(new[0] - xx) + abs(new[1] - yy)
        mx, my, (xx, yy, xy) = mx + 2 * sx, my + 2 * sy, new
        if abs(mx) > 1.5 or abs(my) > 1.5:
            return None
        if moved < 1e-3 * (xx + yy):
            break
    spread = xx + yy
    ellipticity = math.hypot(xx - yy, 2 * xy) / spread
    if ellipticity > MOST_ELLIPTIC or xx * yy - xy * xy <= 0:
        return None
    return float(2.3548 * (xx * yy - xy * xy) ** 0.25)
