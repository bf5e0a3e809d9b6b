"""What the core does to pixels, errors and masks around a stage."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensproc.cutout import Cutout
from lensproc.nn.prepare import sky_and_noise

FILLED = "LP_FILLED"
NEAR_BAD = "LP_NEAR"


def noise_of(cutout: Cutout) -> float:
    """1σ noise of the sky: median of the variance plane, else the clipped deviation below the median."""
    if cutout.variance is not None:
        good = np.isfinite(cutout.variance) & (cutout.variance > 0)
        if good.any():
            return math.sqrt(float(np.median(cutout.variance[good])))
    return sky_and_noise(cutout.data, cutout.bad)[1]


def variance_for_stage(cutout: Cutout) -> NDArray[np.float32] | None:
    """Variance with "no data" (infinite, zero or negative) replaced by the largest measured value."""
    if cutout.variance is None:
        return None
    good = np.isfinite(cutout.variance) & (cutout.variance > 0)
    if good.all():
        return cutout.variance
    largest = float(cutout.variance[good].max()) if good.any() else 1.0
    return np.where(good, cutout.variance, np.float32(largest))


def conversion(amplitude: str | None, kept: str, scale: int) -> float:
    """Factor from what a stage gives to the unit of the cutout.

    Parameters
    ----------
    amplitude : str or None
        What a pixel value of the cutout is: ``flux`` or ``surface brightness``.
    kept : str
        What the stage's output keeps: ``surface brightness`` (values) or ``flux`` (sums).
    scale : int
        Output pixels per input pixel, along a side.
    """
    if amplitude == kept:
        return 1.0
    return scale**-2.0 if amplitude == "flux" else float(scale**2)


def variance_conversion(amplitude: str | None, scale: int) -> float:
    """Factor on the variance: aperture sums keep their variance, and so do means over an input pixel.

    Flux per pixel: s² independent parts whose sum has the old variance, ÷ s². Surface brightness: s² independent
    values whose mean has the old variance, × s².
    """
    return scale**-2.0 if amplitude == "flux" else float(scale**2)


def replicate(plane: NDArray[Any], scale: int) -> NDArray[Any]:
    """Repeat each pixel `scale` times along both axes."""
    return plane if scale == 1 else plane.repeat(scale, axis=-2).repeat(scale, axis=-1)


def mark_mask(cutout: Cutout, reach: int) -> tuple[NDArray[np.uint32], Mapping[str, int], int]:
    """Mask of a cutout with two bits added where they apply: filled pixels, and those a stage saw them from.

    Parameters
    ----------
    cutout : Cutout
        Input of the stage.
    reach : int
        Distance [px] up to which a bad pixel can be felt in the stage's output.

    Returns
    -------
    mask : ndarray, shape (ny, nx), uint32
        With ``LP_FILLED`` where the value was not finite, ``LP_NEAR`` where a bad pixel lies within `reach`.
    mask_bits : mapping of str to int
        With the numbers of these bits.
    bad_bits : int
        With ``LP_FILLED`` among the bad ones; ``LP_NEAR`` is a warning only.
    """
    bad = cutout.bad
    if not bad.any():
        return cutout.mask, cutout.mask_bits, cutout.bad_bits
    bits = dict(cutout.mask_bits)
    used = int(np.bitwise_or.reduce(cutout.mask, axis=None))
    for name in (FILLED, NEAR_BAD):
        if name not in bits:
            bits[name] = _free_bit(bits, used)
    from scipy.ndimage import maximum_filter

    near = maximum_filter(bad, size=2 * reach + 1) & ~bad if reach else np.zeros_like(bad)
    mask = cutout.mask.copy()
    mask[~np.isfinite(cutout.data)] |= np.uint32(1 << bits[FILLED])
    mask[near] |= np.uint32(1 << bits[NEAR_BAD])
    bad_bits = (cutout.bad_bits | (1 << bits[FILLED])) & ~(1 << bits[NEAR_BAD])
    return mask, bits, bad_bits


def _free_bit(bits: Mapping[str, int], used: int) -> int:
    taken = set(bits.values())
    for number in range(31, -1, -1):
        if number not in taken and not used >> number & 1:
            return number
    raise ValueError("all 32 bits of the mask are in use")


def reach_of(halo: int | str, fwhm: float | None) -> int:
    """Distance [px] at which a bad pixel matters: the halo, or two FWHM (5 px if unknown) for a global stage."""
    if isinstance(halo, int):
        return halo
    return math.ceil(2.0 * fwhm) if fwhm else 5
