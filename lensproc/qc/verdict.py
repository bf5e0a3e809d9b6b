"""From numbers to words: does a quantity pass, and what became of a source."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from lensproc.qc import thresholds as at
from lensproc.qc.thresholds import Limit

State = Literal["PASS", "WARN", "FAIL", "NONE"]
"""NONE: not measured, or only told."""

Verdict = Literal["MATCHED", "RESOLVED", "AMBIG", "HALLUC", "LOST"]


@dataclass(frozen=True)
class Finding:
    """A measured quantity and whether it passes.

    Parameters
    ----------
    value : float, int or None
        None where it could not be measured.
    error : float or None
        1σ photon error that the input allows.
    state : str
        ``PASS``, ``WARN``, ``FAIL`` or ``NONE``.
    remark : str
        Comment of its header card, in place of the keyword's general meaning.
    """

    value: float | int | None
    error: float | None = None
    state: State = "NONE"
    remark: str = ""


UNMEASURED = Finding(None)


def judge(size: float, error: float, limit: Limit) -> State:
    """Judge the size of a quantity.

    Parameters
    ----------
    size : float
        Its absolute value, or its excess where only that counts.
    error : float
        Its 1σ photon error.
    limit : Limit
        A limit counts as broken only where the excess over it is above 3σ.
    """
    if size > limit.fails and size - limit.fails > at.SIGNIFICANT * error:
        return "FAIL"
    if size > limit.passes and size - limit.passes > at.SIGNIFICANT * error:
        return "WARN"
    return "PASS"


def judge_flux(percent: float, error: float) -> State:
    """Judge QAFLX, whose limits count from zero: below 1 % or 2σ passes, above 3 % and 3σ fails."""
    limit, size = at.LIMITS["QAFLX"], abs(percent)
    if size < limit.passes or size < 2.0 * error:
        return "PASS"
    return "FAIL" if size > limit.fails and size > at.SIGNIFICANT * error else "WARN"


def judge_chi2(chi2: float, error: float) -> State:
    """Judge QACHI2: two-sided, but noise that was copied is a warning only."""
    low, high = at.CHI2_PASSES
    if chi2 > at.CHI2_FAILS and chi2 - at.CHI2_FAILS > at.SIGNIFICANT * error:
        return "FAIL"
    outside = max(chi2 - high, low - chi2)
    return "WARN" if chi2 < at.CHI2_COPIED or outside > at.SIGNIFICANT * error else "PASS"


def judge_chance(chance: float) -> State:
    """Judge QACHIP by the chance of its peak."""
    if chance < at.CHIP_FAILS:
        return "FAIL"
    return "PASS" if chance > at.CHIP_PASSES else "WARN"


def judge_domain(chance: float) -> State:
    """Judge QAOOD by the chance that an image of the training data is as unlike them."""
    if chance < at.DOMAIN_FAILS:
        return "FAIL"
    return "PASS" if chance > at.DOMAIN_PASSES else "WARN"


def verdict_of_new(
    snr_forced: float,
    flux_in: float,
    flux_out: float,
    change_error: float,
    claims_pair: bool,
    dchi2_pair: float,
    has_psf_image: bool,
) -> Verdict:
    """Judge a candidate of the output that the input's candidates do not hold.

    Parameters
    ----------
    snr_forced : float
        Forced flux on the input over its error; NaN where it cannot be measured.
    flux_in, flux_out, change_error : float
        Forced flux on x and on H y, and the 1σ error of their difference: photons, and what H may be wrong by.
    claims_pair : bool
        True where it stands so near to another source that two are claimed where the input shows one.
    dchi2_pair : float
        Δχ² of two PSFs against one on the input; NaN where not measured.
    has_psf_image : bool
        True where the PSF is an image, and not a width only.

    Notes
    -----
    HALLUC needs three things: the input shows no source (SNR below 3), H y shows one (its flux, too, is above
    3σ), and the difference is above 3σ. The second is what tells an invention from a place that cannot be judged.
    A star takes no light away, so a forced flux far below zero means that the model (PSFs and a constant) does not
    describe the light there: the wings of a bright star with a PSF that has none, the edge of an arc. A structure
    that x and H y share is misjudged in both alike and cancels in the difference; where H y is as negative as x,
    neither shows a source and the pixels do not decide. Where y did draw a source into such wings, its flux is in
    H y and not in x, and it is denied as elsewhere, once it is brighter than what the model misses.

    RESOLVED needs, besides support in the input, that what is claimed is what the input holds: a source made twice
    as bright, or a ring drawn about its neighbour, is no measurement of what stands there.
    """
    if math.isnan(snr_forced):
        return "AMBIG"
    margin = at.SIGNIFICANT * change_error
    if snr_forced < at.UNSUPPORTED_SNR and flux_out > margin and flux_out - flux_in > margin:
        return "HALLUC"
    if snr_forced < at.SUPPORTED_SNR or not abs(flux_out - flux_in) <= margin:
        return "AMBIG"
    if claims_pair and not (has_psf_image and dchi2_pair > at.PAIR_DCHI2):
        return "AMBIG"
    return "RESOLVED"


def is_lost(snr_in: float, flux_in: float, flux_out: float, flux_error: float) -> bool:
    """Tell whether a source of the input is gone: SNR of 7 or more, and its forced flux missing in H y."""
    missing = flux_in - flux_out
    return snr_in >= at.LOST_SNR and missing > max(at.LOST_FLUX * flux_in, at.SIGNIFICANT * flux_error)


def overall(states: Iterable[State], n_sources: int | None) -> str:
    """QASTAT: FAIL, WARN, UNKNOWN, NOSRC (no source in the field), PASS: the first that applies.

    Parameters
    ----------
    states : iterable of str
        Of all findings.
    n_sources : int or None
        Rows of the ``SOURCES`` table; None where sources or H y could not be judged (no PSF to be had, no noise
        to measure against, too few pixels): UNKNOWN.
    """
    seen = set(states)
    if "FAIL" in seen:
        return "FAIL"
    if "WARN" in seen:
        return "WARN"
    if n_sources is None:
        return "UNKNOWN"
    return "PASS" if n_sources else "NOSRC"
