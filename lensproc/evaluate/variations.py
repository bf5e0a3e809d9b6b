"""Harmless changes of an input, each with what undoes it on the output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lensproc.cutout import PSF, Cutout, Resolved
from lensproc.nn.psf import fwhm_of, resample_psf

Array = NDArray[np.float64]
Change = Callable[[Cutout, float, tuple[int, int]], Cutout]
Undo = Callable[[Array, float], Array]

PEDESTAL, HOT = 5.0, 100.0
"""[σ of the sky]"""

BLOCK = 1
"""Half-width of the block of missing pixels."""


@dataclass(frozen=True)
class Variation:
    """A change of the input.

    Parameters
    ----------
    name, kind : str
        What it is, and which family it belongs to.
    change : callable
        ``(cutout, sigma, defect)`` to the changed cutout; `sigma` is the noise of the sky, `defect` the (x, y) of
        the pixel that a defect hits.
    undo : callable
        ``(output, pedestal)`` to the output as it should be without the change, where `pedestal` is what a
        shift of the sky by one `PEDESTAL` means in an output pixel.
    local : bool
        True where only pixels far from `defect` must stay as they are.
    """

    name: str
    kind: str
    change: Change
    undo: Undo
    local: bool = False


def _as_is(image: Array, pedestal: float) -> Array:
    return image


def turned(cutout: Cutout, quarters: int, mirrored: bool) -> Cutout:
    """Turn a cutout counter-clockwise by quarters of a circle, after mirroring its columns if asked for."""

    def turn(plane: NDArray[np.generic]) -> NDArray[np.generic]:
        return np.ascontiguousarray(np.rot90(plane[:, ::-1] if mirrored else plane, quarters))

    center, side = cutout.lens_center.value, cutout.shape[1]
    if center is not None:
        x, y = center
        x = side - 1 - x if mirrored else x
        for _ in range(quarters):
            x, y = y, side - 1 - x
        center = (x, y)
    psf = cutout.psf.value
    if psf is not None and psf.image is not None:
        psf = PSF(psf.fwhm, turn(psf.image))  # type: ignore[arg-type]
    return cutout.replace(
        data=turn(cutout.data),
        variance=None if cutout.variance is None else turn(cutout.variance),
        mask=turn(cutout.mask),
        lens_center=Resolved(center, cutout.lens_center.source),
        psf=Resolved(psf, cutout.psf.source),
    )


def _turn(quarters: int, mirrored: bool) -> Variation:
    def undo(image: Array, pedestal: float) -> Array:
        back = np.rot90(image, -quarters)
        return back[:, ::-1] if mirrored else back

    words = ["mirrored"] * mirrored + [f"turned by {90 * quarters}°"] * (quarters > 0)
    name = ", ".join(words)
    return Variation(name, "D4", lambda cutout, sigma, defect: turned(cutout, quarters, mirrored), undo)


def _brighter(factor: float) -> Variation:
    def change(cutout: Cutout, sigma: float, defect: tuple[int, int]) -> Cutout:
        variance = None if cutout.variance is None else np.float32(factor**2) * cutout.variance
        return cutout.replace(data=np.float32(factor) * cutout.data, variance=variance)

    return Variation(f"flux × {factor:g}", "flux", change, lambda image, pedestal: image / factor)


def _wider(factor: float) -> Variation:
    def change(cutout: Cutout, sigma: float, defect: tuple[int, int]) -> Cutout:
        psf = cutout.psf.value
        if psf is None:
            return cutout
        image = resample_psf(psf, factor)
        return cutout.replace(psf=Resolved(PSF(fwhm_of(image), image), cutout.psf.source))

    return Variation(f"PSF given {100 * (factor - 1):+.0f} %", "PSF", change, _as_is)


def _lifted(cutout: Cutout, sigma: float, defect: tuple[int, int]) -> Cutout:
    return cutout.replace(data=np.asarray(cutout.data + PEDESTAL * sigma, np.float32))


def _holed(cutout: Cutout, sigma: float, defect: tuple[int, int]) -> Cutout:
    data, (x, y) = cutout.data.copy(), defect
    data[y - BLOCK : y + BLOCK + 1, x - BLOCK : x + BLOCK + 1] = np.nan
    return cutout.replace(data=data)


def _heated(cutout: Cutout, sigma: float, defect: tuple[int, int]) -> Cutout:
    data, (x, y) = cutout.data.copy(), defect
    data[y, x] += HOT * sigma
    return cutout.replace(data=data)


VARIATIONS = (
    *(
        _turn(quarters, mirrored)
        for mirrored in (False, True)
        for quarters in range(4)
        if quarters or mirrored
    ),
    _wider(0.8),
    _wider(1.2),
    _brighter(0.3),
    _brighter(3.0),
    Variation("pedestal of 5 σ", "pedestal", _lifted, lambda image, pedestal: image - pedestal),
    Variation("3 × 3 pixels NaN", "NaN", _holed, _as_is, local=True),
    Variation("hot pixel of 100 σ", "hot pixel", _heated, _as_is, local=True),
)
