"""Where the lens is: an option, a header position, or the brightest smooth peak of the central third."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lensproc.cutout import PSF, UNKNOWN, Resolved
from lensproc.fits.headers import number
from lensproc.nn.psf import SIGMA_PER_FWHM

if TYPE_CHECKING:
    from astropy.io.fits import Header

POINT_LIKE = 2.1
"""Height of a peak smoothed by the width of a star, over its height smoothed by twice that: 2.5 for a Gaussian
star, 2.2 for one with wings, 1.2 to 2.0 for a galaxy."""
POINT_LIKE_FOR_TYPICAL = 2.4
"""The same where the width of a star is only what the survey usually has: better a star taken for a lens than a
compact lens passed over."""
_PIXEL_CARDS = (("LENS_X", "LENS_Y"), ("TARGETX", "TARGETY"))
SIGNIFICANT = 5.0


def resolve_center(
    option: tuple[float, float] | None,
    header: Header,
    data: NDArray[np.float32],
    bad: NDArray[np.bool_],
    psf: Resolved[PSF],
) -> Resolved[tuple[float, float]]:
    """Return the zero-based (x, y) of the lens; unknown where nothing says it and no smooth peak stands out."""
    if option is not None:
        return Resolved(option, "option")
    ny, nx = data.shape
    for keys in _PIXEL_CARDS:
        x, y = (number(header, key) for key in keys)
        if x is not None and y is not None and 0 <= x < nx and 0 <= y < ny:
            return Resolved((x, y), f"header {keys[0]},{keys[1]}")
    limit = POINT_LIKE_FOR_TYPICAL if "typical" in psf.source else POINT_LIKE
    peak = brightest_smooth_peak(data, bad, psf.value.fwhm if psf.value else None, limit)
    return UNKNOWN if peak is None else Resolved(peak, "brightest smooth peak of the central third")


def brightest_smooth_peak(
    data: NDArray[np.float32], bad: NDArray[np.bool_], fwhm: float | None, point_like: float = POINT_LIKE
) -> tuple[float, float] | None:
    """Find the brightest extended peak within the central third of an image.

    Parameters
    ----------
    data, bad : ndarray, shape (ny, nx)
        Pixels, and those not to be used.
    fwhm : float or None
        Width of a star [px]; where it is known, a peak as narrow as one is passed over.
    point_like : float
        How sharp a peak is taken for a star (see `POINT_LIKE`).

    Returns
    -------
    (x, y) or None
        Zero-based; None where no peak is both significant and smooth.
    """
    from scipy.ndimage import gaussian_filter, maximum_filter

    ny, nx = data.shape
    if min(ny, nx) < 9 or bad.all():
        return None
    width = fwhm or 3.0
    smoothing = 0.6 * max(width, 2.0)
    margin = math.ceil(4 * width) + 4
    top, left = ny // 3, nx // 3
    rows = slice(max(0, top - margin), min(ny, ny - top + margin))
    columns = slice(max(0, left - margin), min(nx, nx - left + margin))
    good = ~bad[rows, columns]
    if not good.any():
        return None
    sample = data[~bad]
    sky = float(np.median(sample))
    below = sample[sample < sky]
    noise = 1.4826 * float(np.median(sky - below)) if below.size else 0.0
    light = np.where(good, data[rows, columns].astype(np.float64) - sky, 0.0)
    weight = gaussian_filter(good.astype(np.float64), smoothing, mode="constant", truncate=3.0)
    smooth = gaussian_filter(light, smoothing, mode="constant", truncate=3.0) / np.maximum(weight, 1e-3)
    central = np.zeros(smooth.shape, bool)
    central[top - rows.start : ny - top - rows.start, left - columns.start : nx - left - columns.start] = True
    step = 2 * math.ceil(smoothing) + 1
    peaks = central & (maximum_filter(smooth, step) == smooth) & (weight > 0.5)
    # noise of the smoothed map: a Gaussian averages 4 pi s^2 pixels
    threshold = SIGNIFICANT * noise / math.sqrt(4 * math.pi * smoothing**2)
    ys, xs = np.nonzero(peaks & (smooth > threshold) & (smooth > 0))
    if fwhm is not None and len(ys):
        matched, wide = (
            gaussian_filter(light, k * fwhm * SIGMA_PER_FWHM, mode="nearest", truncate=3.0)
            for k in (1.0, 2.0)
        )
        extended = matched[ys, xs] < point_like * wide[ys, xs]
        ys, xs = ys[extended], xs[extended]
    if not len(ys):
        return None
    best = np.argmax(smooth[ys, xs])
    y, x = int(ys[best]), int(xs[best])
    dx, dy = _vertex(smooth, x, y)
    return x + dx + columns.start, y + dy + rows.start


def _vertex(image: NDArray[np.float64], x: int, y: int) -> tuple[float, float]:
    """Offset of a peak from its pixel [px], by a parabola through it and its neighbours, per axis."""
    offsets = []
    for axis, place in ((1, x), (0, y)):
        line = image[y] if axis == 1 else image[:, x]
        if not 0 < place < line.size - 1:
            offsets.append(0.0)
            continue
        before, at, after = line[place - 1 : place + 2]
        bend = before - 2 * at + after
        offsets.append(float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < 0 else 0.0)
    return offsets[0], offsets[1]
