"""The eight flips and quarter turns of an image: an enhancer should not care how the sky lies on the detector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lensproc.cutout import PSF, Cutout, Resolved
from lensproc.qc import thresholds as at
from lensproc.qc.verdict import UNMEASURED, Finding, judge

Array = NDArray[np.float64]
Number = TypeVar("Number", bound=np.generic)

SYMMETRIES = tuple((turns, mirrored) for mirrored in (False, True) for turns in range(4))
"""Quarter turns, and whether columns are mirrored before them; the first changes nothing."""

FEWEST_PIXELS = 16
"""Fewest input pixels of a group for its scatter to be judged."""


def turned(plane: NDArray[Number], turns: int, mirrored: bool) -> NDArray[Number]:
    """Flip and turn a plane (counter-clockwise, rows upwards to the end of the array)."""
    return np.ascontiguousarray(np.rot90(plane[:, ::-1] if mirrored else plane, turns))


def turned_back(plane: NDArray[Number], turns: int, mirrored: bool) -> NDArray[Number]:
    """Undo `turned`."""
    back = np.rot90(plane, -turns)
    return np.ascontiguousarray(back[:, ::-1] if mirrored else back)


def turned_place(
    place: tuple[float, float], shape: tuple[int, int], turns: int, mirrored: bool
) -> tuple[float, float]:
    """Zero-based (x, y) of a place after `turned`, which had it in an image of `shape` (ny, nx)."""
    (x, y), (ny, nx) = place, shape
    if mirrored:
        x = nx - 1 - x
    for _ in range(turns % 4):
        # rot90 puts pixel [row, column] at [nx - 1 - column, row]
        x, y = y, nx - 1 - x
        ny, nx = nx, ny
    return x, y


def turned_cutout(cutout: Cutout, turns: int, mirrored: bool) -> Cutout:
    """Cutout with pixels, errors, mask, PSF image and lens centre flipped and turned; its header stays.

    Parameters
    ----------
    cutout : Cutout
        Any.
    turns : int
        Quarter turns.
    mirrored : bool
        Whether columns are mirrored before.
    """
    psf, center = cutout.psf, cutout.lens_center
    if psf.value is not None and psf.value.image is not None:
        psf = Resolved(PSF(psf.value.fwhm, turned(psf.value.image, turns, mirrored)), psf.source)
    if center.value is not None:
        center = Resolved(turned_place(center.value, cutout.shape, turns, mirrored), center.source)
    return cutout.replace(
        data=turned(cutout.data, turns, mirrored),
        variance=None if cutout.variance is None else turned(cutout.variance, turns, mirrored),
        mask=turned(cutout.mask, turns, mirrored),
        distortion=(),
        psf=psf,
        lens_center=center,
    )


def symmetric_copies(cutout: Cutout) -> list[Cutout]:
    """Make the seven flipped and turned copies of a cutout; the eighth is itself."""
    return [turned_cutout(cutout, *symmetry) for symmetry in SYMMETRIES[1:]]


def symmetry_scatter(image: Array, copies: Sequence[Array]) -> Array:
    """1σ scatter of an enhanced image under flips and turns, shape of `image`.

    Parameters
    ----------
    image : ndarray
        Enhanced.
    copies : sequence of ndarray
        Enhanced copies of `symmetric_copies`, turned back.
    """
    return np.asarray(np.std(np.stack([image, *copies]), axis=0, ddof=1))


def symmetry_finding(scatter: Array, sigma: Array, groups: Mapping[str, NDArray[np.bool_]]) -> Finding:
    """QATTA: the scatter in units of the input's noise, rms over a group of pixels; the worst group speaks.

    Parameters
    ----------
    scatter : ndarray, shape (scale ny, scale nx)
        As surface brightness per input pixel.
    sigma : ndarray, shape (ny, nx)
        1σ of the input's pixels, in the same unit.
    groups : mapping of str to ndarray of bool, shape (ny, nx)
        Pixels of the sky, of arcs, of points, of the core.
    """
    scale = scatter.shape[0] // sigma.shape[0]
    blocks = scatter.reshape(sigma.shape[0], scale, sigma.shape[1], scale)
    relative = np.sqrt((blocks**2).mean((1, 3))) / sigma
    sizes = [
        float(np.sqrt((relative[pixels] ** 2).mean()))
        for pixels in groups.values()
        if np.count_nonzero(pixels) >= FEWEST_PIXELS
    ]
    if not sizes:
        return UNMEASURED
    return Finding(max(sizes), None, judge(max(sizes), 0.0, at.LIMITS["QATTA"]))
