"""What the core does to pixels before a stage sees them: filling, normalising and padding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

REACH_OF_FILL = 3
"""Distance [px] up to which a missing pixel takes its nearest neighbour's value; beyond, the sky level."""


@dataclass(frozen=True)
class Affine:
    """x' = (x - offset) / scale.

    Parameters
    ----------
    offset, scale : float
        In the unit of the cutout.
    """

    offset: float = 0.0
    scale: float = 1.0


def sky_and_noise(image: NDArray[np.float32], bad: NDArray[np.bool_] | None = None) -> tuple[float, float]:
    """Level and 1σ noise of the background, by iterative 3σ clipping about the median.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
        Pixel values.
    bad : ndarray of bool, shape (ny, nx), optional
        Pixels to leave out; non-finite ones always are.

    Returns
    -------
    (float, float)
        Median and 1.4826 × median absolute deviation; (0, 0) where no pixel is left.

    Notes
    -----
    The deviation is taken below the median only, so that light above the sky does not count as noise.
    """
    use = np.isfinite(image) if bad is None else np.isfinite(image) & ~bad
    values = image[use].astype(np.float64)
    if values.size == 0:
        return 0.0, 0.0
    sky = sigma = 0.0
    for _ in range(10):
        sky = float(np.median(values))
        below = sky - values[values < sky]
        sigma = 1.4826 * float(np.median(below)) if below.size else 0.0
        kept = values[np.abs(values - sky) <= 3.0 * sigma] if sigma > 0 else values
        if kept.size == values.size or kept.size < 16:
            break
        values = kept
    return sky, sigma


def fill_missing(data: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fill non-finite pixels for a network: nearby ones by the nearest value, holes by the sky level.

    Parameters
    ----------
    data : ndarray, shape (ny, nx), float32
        Pixel values. Returned as it is where nothing is missing.
    """
    missing = ~np.isfinite(data)
    if not missing.any():
        return data
    from scipy.ndimage import distance_transform_edt

    filled = data.copy()
    if missing.all():
        filled[:] = 0.0
        return filled
    distance, (rows, columns) = distance_transform_edt(missing, return_indices=True)
    filled[missing] = data[rows[missing], columns[missing]]
    filled[missing & (distance > REACH_OF_FILL)] = sky_and_noise(data)[0]
    return filled


def affine_for(kind: str, image: NDArray[np.float32], bad: NDArray[np.bool_]) -> Affine:
    """Normalisation of one image (all its bands together).

    Parameters
    ----------
    kind : str
        ``none``, ``noise`` ((x - sky)/σ), ``peak`` (x / largest good value) or ``range``
        ((x - min)/(max - min)).
    image, bad : ndarray, shape (..., ny, nx)
        Pixel values, and which not to use.

    Returns
    -------
    Affine
        With scale 1 where the image is constant, so that nothing is divided by zero.

    Raises
    ------
    ValueError
        For another `kind`.
    """
    good = image[~bad & np.isfinite(image)].astype(np.float64)
    if kind == "none" or good.size == 0:
        return Affine()
    if kind == "noise":
        sky, sigma = sky_and_noise(image, bad)
        return Affine(sky, sigma if sigma > 0 else 1.0)
    if kind == "peak":
        peak = float(good.max())
        return Affine(0.0, peak if peak > 0 else 1.0)
    if kind == "range":
        low, high = float(good.min()), float(good.max())
        return Affine(low, high - low if high > low else 1.0)
    raise ValueError(f"normalisation {kind!r} is not none, noise, peak or range")


def pad_to(images: torch.Tensor, minimum: int, multiple_of: int) -> torch.Tensor:
    """Pad at the right and the bottom, by reflection as far as that reaches, to the sizes a stage takes.

    Parameters
    ----------
    images : torch.Tensor, shape (N, C, H, W)
        Images; cropping the first H × W pixels undoes the padding.
    minimum, multiple_of : int
        Smallest side, and what sides must be a multiple of [px].
    """
    height, width = images.shape[-2:]
    below = _target(height, minimum, multiple_of)
    right = _target(width, minimum, multiple_of)
    if (below, right) == (height, width):
        return images
    return images[..., _mirror(height, below), :][..., _mirror(width, right)]


def _target(side: int, minimum: int, multiple_of: int) -> int:
    return -(-max(side, minimum) // multiple_of) * multiple_of


def _mirror(side: int, target: int) -> list[int]:
    period = max(1, 2 * (side - 1))
    return [min(i % period, period - i % period) if side > 1 else 0 for i in range(target)]
