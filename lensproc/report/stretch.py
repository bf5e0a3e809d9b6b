"""One stretch for all panels of a cutout, and pixels as PNG."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensproc.errors import UsageError
from lensproc.nn.prepare import sky_and_noise

Array = NDArray[np.float64]

LARGEST_SIDE = 400
"""Larger panels are binned for the page [px]."""

BRIGHTEST = 20
"""At most this many pixels are saturated on the page."""

FIDELITY_LIMIT = 5.0
"""The fidelity plane is drawn from minus to plus this [σ]."""

BRIGHT, DIVERGING = "gray", "RdBu_r"
_MISSING = {BRIGHT: (52, 44, 84), DIVERGING: (150, 150, 150)}
"""Colour of pixels without a value."""


@dataclass(frozen=True)
class Stretch:
    """asinh stretch about the sky (Lupton et al. 2004, PASP 116, 133), in surface brightness per input pixel.

    Parameters
    ----------
    sky : float
        Level that zero of the stretch stands for.
    softening : float
        Where it turns from linear to logarithmic, above the sky.
    low, high : float
        Black and white.
    """

    sky: float
    softening: float
    low: float
    high: float

    def image(self, values: Array) -> Array:
        """Values from 0 (black) to 1 (white)."""
        bottom, top = self._bend(self.low - self.sky), self._bend(self.high - self.sky)
        result: Array = np.clip((self._bend(values - self.sky) - bottom) / (top - bottom), 0.0, 1.0)
        return result

    def difference(self, values: Array) -> Array:
        """Apply the same stretch on both sides of zero: 0 is -(high - sky), ½ zero, 1 is high - sky."""
        result: Array = np.clip(0.5 + 0.5 * self._bend(values) / self._bend(self.high - self.sky), 0.0, 1.0)
        return result

    def _bend(self, values: Array | float) -> Array:
        return np.asarray(np.arcsinh(np.asarray(values) / self.softening))


def stretch_of(reference: Array) -> Stretch:
    """Choose a stretch: from 3σ below the sky to the 99.9th percentile, linear up to 2σ.

    In a large field white is nearer to the peak, so that a few stars keep their shapes.

    Parameters
    ----------
    reference : ndarray, shape (ny, nx)
        The input, or the output where there is none.
    """
    finite = reference[np.isfinite(reference)]
    if finite.size == 0:
        return Stretch(0.0, 1.0, -1.0, 1.0)
    sky, sigma = sky_and_noise(reference.astype(np.float32))
    high = float(np.percentile(finite, 100.0 * (1.0 - min(1e-3, BRIGHTEST / finite.size))))
    if sigma <= 0.0:
        sigma = max(high - sky, float(np.ptp(finite)), 1e-3 * abs(sky), 1e-30) / 100.0
    # a blank field is not blown up to look like a source
    return Stretch(sky, 2.0 * sigma, sky - 3.0 * sigma, max(high, sky + 8.0 * sigma))


def fidelity_levels(values: Array) -> Array:
    """Linear from -5σ (0) to +5σ (1)."""
    result: Array = np.clip(0.5 + 0.5 * values / FIDELITY_LIMIT, 0.0, 1.0)
    return result


def binning_of(shape: tuple[int, ...], largest: int = LARGEST_SIDE) -> int:
    """Pixels to be averaged along each axis so that no side is above `largest`."""
    return math.ceil(max(shape) / largest)


def binned(image: Array, largest: int = LARGEST_SIDE) -> Array:
    """Mean over n×n pixels, n from `binning_of`, of those that have a value.

    Notes
    -----
    Where n does not divide a side some blocks are a pixel smaller, so that the whole image stays in the frame.
    """
    n = binning_of(image.shape, largest)
    if n == 1:
        return image
    good = np.isfinite(image)
    total, count = np.where(good, image, 0.0), good.astype(np.float64)
    for axis, side in enumerate(image.shape):
        blocks = math.ceil(side / n)
        edges = np.arange(blocks) * side // blocks
        total, count = np.add.reduceat(total, edges, axis), np.add.reduceat(count, edges, axis)
    return np.where(count > 0, total / np.maximum(count, 1.0), np.nan)


@lru_cache(maxsize=4)
def palette_of(colours: str) -> NDArray[np.uint8]:
    """255 colours from low to high, and as the last one that of pixels without a value; shape (256, 3).

    Raises
    ------
    UsageError
        Where matplotlib is not installed.
    """
    colormaps = require_matplotlib().colormaps
    rgb = colormaps[colours](np.linspace(0.0, 1.0, 255))[:, :3]
    table = np.empty((256, 3), np.uint8)
    table[:255] = np.rint(rgb * 255.0)
    table[255] = _MISSING[colours]
    return table


def require_matplotlib() -> Any:
    """Import matplotlib.

    Raises
    ------
    UsageError
        Where it is not installed.
    """
    try:
        import matplotlib
    except ImportError:
        raise UsageError(
            "the page needs matplotlib, which is not installed", remedy="pip install 'lensproc[plot]'"
        ) from None
    return matplotlib


def png_uri(levels: Array, colours: str) -> str:
    """Encode a PNG with one byte per pixel as a data URI, row 0 at the bottom as FITS viewers show it.

    Parameters
    ----------
    levels : ndarray, shape (ny, nx)
        0 to 1; NaN gets the colour of missing pixels.
    colours : str
        Name of a matplotlib colour map.
    """
    palette = palette_of(colours)
    from PIL import Image  # comes with matplotlib

    finite = np.isfinite(levels)
    index = np.where(finite, np.rint(np.where(finite, levels, 0.0) * 254.0), 255).astype(np.uint8)
    picture = Image.fromarray(np.ascontiguousarray(index[::-1]))
    picture.putpalette(palette.tobytes())
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return data_uri(buffer.getvalue())


def data_uri(png: bytes) -> str:
    """Encode the bytes of a PNG as a data URI."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def gradient(colours: str) -> str:
    """CSS gradient of a colour map, left to right."""
    stops = palette_of(colours)[np.linspace(0, 254, 13).astype(int)]
    return "linear-gradient(to right," + ",".join(f"#{r:02x}{g:02x}{b:02x}" for r, g, b in stops) + ")"
