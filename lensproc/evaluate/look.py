"""The finder's view of one enhanced image, and the forced fit's view of what it found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lensproc.enhanced import Enhanced
from lensproc.nn.forward import forward_image
from lensproc.nn.psf import matching_kernel
from lensproc.qc.calibration import Calibration
from lensproc.qc.candidates import candidates_out
from lensproc.qc.forced import ForcedFit, PointSpread
from lensproc.qc.light import azimuthal_median
from lensproc.qc.pair import Pair, side_by_side
from lensproc.qc.sources import Candidates

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Look:
    """One image and the candidates found on it.

    Parameters
    ----------
    pair : Pair
        Input and output side by side.
    found : Candidates
        Of the output, positions in input pixels.
    """

    pair: Pair
    found: Candidates

    def distance(self, x: float, y: float) -> Array:
        """Distance of every candidate from a place [input px]."""
        return np.asarray(np.hypot(self.found.x - x, self.found.y - y))


def look_at(enhanced: Enhanced, calibration: Calibration) -> Look:
    """Find the point sources of an enhanced image with the finder of the quality checks."""
    pair = side_by_side(enhanced)
    if pair is None:
        raise ValueError(f"{enhanced.original.source.file} has no noise to measure against")
    return Look(pair, candidates_out(pair, calibration)[0])


def forced_snr(look: Look) -> Array:
    """SNR of a forced fit on the *input* at every candidate, the lens's round light taken off."""
    pair, found = look.pair, look.found
    if len(found) == 0:
        return np.zeros(0)
    assert pair.psf is not None
    lens = 0.0 if pair.lens is None else azimuthal_median(pair.x, pair.lens)
    fluxes = ForcedFit(PointSpread(pair.psf), found.x, found.y, pair.noise).fluxes(pair.x - lens)
    return np.nan_to_num(fluxes.flux / fluxes.error)


def brought_back(difference: Array, enhanced: Enhanced) -> Array:
    """H of a difference of two outputs, on the input's grid and in its unit; what is not finite counts as 0."""
    cutout = enhanced.original
    scale = round(enhanced.scale)
    kernel = matching_kernel(cutout.psf.value, enhanced.output_psf, scale)
    amplitude = cutout.amplitude.value or "flux"
    image = np.nan_to_num(difference, nan=0.0, posinf=0.0, neginf=0.0)
    return forward_image(image, kernel, scale, amplitude).astype(np.float64)
