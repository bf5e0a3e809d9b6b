"""The full checks: the quick ones with a threshold from redraws, symmetries, and errors of the output's pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lensproc.enhanced import Enhanced
from lensproc.qc.calibration import Calibration
from lensproc.qc.conformal import Conformal
from lensproc.qc.copies import enhance_copies
from lensproc.qc.error_calibration import stage_error
from lensproc.qc.groups import pixel_groups
from lensproc.qc.pair import Pair, side_by_side
from lensproc.qc.quick import Checked, check_pair
from lensproc.qc.redraws import Enhancer, finder_noise
from lensproc.qc.symmetry import symmetry_finding
from lensproc.qc.uncertainty import GAUSSIAN, half_widths, scatter_error, width_finding

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FullyChecked:
    """What the full checks say of one cutout.

    Parameters
    ----------
    checked : Checked
        As of the quick checks, with QAUNC and QATTA.
    uncertainty : ndarray, shape of the output, float32, or None
        1σ in the unit of the output, made by the checks; None where the stage gives its own, which stays.
    basis : str
        In words: what the errors come from, and whether they are calibrated.
    """

    checked: Checked
    uncertainty: NDArray[np.float32] | None
    basis: str


def full_checks(enhanced: Enhanced, calibration: Calibration, enhance: Enhancer) -> FullyChecked:
    """Check an enhanced cutout with further passes of its copies through the enhancer.

    Parameters
    ----------
    enhanced : Enhanced
        Input and output.
    calibration : Calibration
        Of the chain.
    enhance : callable
        The chain: sequence of cutouts to enhanced cutouts in the same order. It gets eight redraws of the noise
        and seven flips and turns at once.

    Raises
    ------
    LensprocError
        Whatever the chain raises.
    ValueError
        Where the input has no noise to redraw, or shapes do not fit.
    """
    pair = side_by_side(enhanced)
    if pair is None:
        raise ValueError("the input has no noise that could be redrawn")
    copies = enhance_copies(pair, enhance)
    redrawn = None
    if pair.psf is not None:
        width = calibration.level_at(pair.psf.fwhm, pair.noise.lag1).width
        redrawn = finder_noise(pair, copies.redraws, width)
    groups = pixel_groups(pair)
    own = stage_error(pair, enhanced)
    error = scatter_error(pair, copies.redraws, copies.symmetry) if own is None else own
    basis = "scatter" if own is None else "stage"
    conformal = calibration.conformal
    if conformal is not None and conformal.basis != basis:
        conformal = None
    widths = half_widths(error, groups, conformal)
    widths[~np.isfinite(enhanced.image.data)] = np.nan
    more = {
        "QAUNC": width_finding(pair, widths),
        "QATTA": symmetry_finding(copies.symmetry, pair.noise.sigma, groups),
    }
    return FullyChecked(
        check_pair(pair, calibration, redrawn, more),
        _plane(pair, widths) if own is None else None,
        _in_words(basis, conformal),
    )


def _plane(pair: Pair, widths: Array) -> NDArray[np.float32]:
    per_pixel = pair.scale**2 if pair.cutout.amplitude.value != "surface brightness" else 1
    return (widths / GAUSSIAN * (pair.noise.level / per_pixel)).astype(np.float32)


def _in_words(basis: str, conformal: Conformal | None) -> str:
    what = "the stage's own" if basis == "stage" else "redraws and symmetries"
    if conformal is None:
        return f"{what}, not calibrated"
    return f"{what}, calibrated on {conformal.scenes} scenes"
