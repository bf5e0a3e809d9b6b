"""The sources of input and output, matched, measured on the input's pixels, and judged."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lensproc.nn.forward_error import H_ERROR
from lensproc.qc import thresholds as at
from lensproc.qc.calibration import Calibration
from lensproc.qc.candidates import candidates_in, candidates_out
from lensproc.qc.forced import ForcedFit, PointSpread
from lensproc.qc.matching import match_one_to_one
from lensproc.qc.pair import Pair
from lensproc.qc.pairs import delta_chi2
from lensproc.qc.redraws import FinderNoise
from lensproc.qc.sources import label_of
from lensproc.qc.verdict import UNMEASURED, Finding, is_lost, judge, verdict_of_new

Array = NDArray[np.float64]

MOST_PAIR_TESTS = 20
"""Pairs tested in one cutout; further claims stay AMBIG."""


@dataclass(frozen=True)
class Catalog:
    """Sources of one cutout.

    Parameters
    ----------
    columns : mapping of str to ndarray, shape (n,)
        As in the ``SOURCES`` table, less ra and dec; fluxes in units of the noise level, shifts in input pixels.
    findings : mapping of str to Finding
        The keywords that count and compare sources.
    """

    columns: Mapping[str, NDArray[np.generic]]
    findings: Mapping[str, Finding] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.columns["x"])


def catalogue(
    pair: Pair, calibration: Calibration | None, redrawn: FinderNoise | None = None
) -> Catalog | None:
    """Find, match, measure and judge the sources of a pair.

    Returns
    -------
    Catalog or None
        None where the PSF is not known, or the image too small for it.
    """
    if pair.psf is None or pair.psf_out is None or pair.hy is None:
        return None
    if min(pair.x.shape) < at.SMALLEST_SIDE * pair.psf.fwhm:
        return None
    found_in, noise_in = candidates_in(pair)
    found_out, noise_out = candidates_out(pair, calibration, redrawn)
    reach = at.SEPARATION * pair.psf.fwhm
    i, j = match_one_to_one((found_in.x, found_in.y), (found_out.x, found_out.y), reach)
    only_in = np.setdiff1d(np.arange(len(found_in)), i)
    only_out = np.setdiff1d(np.arange(len(found_out)), j)
    blank = np.full(only_in.size, np.nan), np.full(only_out.size, np.nan)
    x = np.concatenate([found_in.x[i], found_in.x[only_in], found_out.x[only_out]])
    y = np.concatenate([found_in.y[i], found_in.y[only_in], found_out.y[only_out]])
    snr_in = np.concatenate(
        [(found_in.response / noise_in)[i], (found_in.response / noise_in)[only_in], blank[1]]
    )
    ratio_out = found_out.response / noise_out
    snr_out = np.concatenate([ratio_out[j], blank[0], ratio_out[only_out]])
    blob = np.concatenate([found_out.blobness[j], found_in.blobness[only_in], found_out.blobness[only_out]])
    kind = np.repeat(["both", "in", "out"], [i.size, only_in.size, only_out.size])
    measured = _measure(pair, x, y)
    partner = _partners(pair, kind, x, y)
    measured["dchi2_pair"] = _pair_tests(pair, x, y, partner)
    verdicts = _verdicts(pair, kind, partner >= 0, measured)
    columns: dict[str, NDArray[np.generic]] = {
        "x": x,
        "y": y,
        "snr_in": snr_in,
        "snr_out": snr_out,
        "blobness": blob,
        "label": np.array([label_of(value) for value in blob], dtype="U5"),
        "verdict": verdicts,
        **measured,
    }
    return Catalog(columns, _findings(columns, kind, len(found_in), len(found_out)))


def _measure(pair: Pair, x: Array, y: Array) -> dict[str, NDArray[np.generic]]:
    """Measure forced fluxes on x and H y, and the shift between them, the lens's round light taken off both."""
    if x.size == 0:
        fluxes = ("snr_forced", "dchi2_pair", "flux_in", "flux_out", "flux_err", "change_err")
        return {name: np.zeros(0) for name in (*fluxes, "dx", "dy", "shift_err")}
    assert pair.psf is not None
    assert pair.hy is not None
    lens = pair.round_light
    fit = ForcedFit(PointSpread(pair.psf), x, y, pair.noise)
    before = fit.fluxes(pair.x - lens)
    after = fit.fluxes(pair.hy - lens)
    dx, dy, error = fit.offsets(pair.hy - pair.x, before.flux)
    with np.errstate(invalid="ignore"):
        snr = before.flux / before.error
    flux_err = np.where(np.isfinite(before.error), before.error, np.nan)
    return {
        "snr_forced": snr,
        "dchi2_pair": np.full(x.size, np.nan),
        "flux_in": before.flux,
        "flux_out": after.flux,
        "flux_err": flux_err,
        "change_err": np.hypot(fit.error_of(pair.spread), pair.h_error * np.abs(before.flux)),
        "dx": dx,
        "dy": dy,
        "shift_err": error,
    }


def _partners(pair: Pair, kind: NDArray[np.str_], x: Array, y: Array) -> NDArray[np.intp]:
    """Index of the matched source with which a new candidate of the output claims a pair, -1 for none."""
    assert pair.psf is not None
    partner = np.full(x.size, -1, np.intp)
    matched, new = np.flatnonzero(kind == "both"), np.flatnonzero(kind == "out")
    if matched.size and new.size:
        distance = np.hypot(x[new][:, None] - x[matched], y[new][:, None] - y[matched])
        nearest = distance.argmin(1)
        near = distance[np.arange(new.size), nearest] < at.PAIR_SEPARATION * pair.psf.fwhm
        partner[new[near]] = matched[nearest[near]]
    return partner


def _pair_tests(pair: Pair, x: Array, y: Array, partner: NDArray[np.intp]) -> Array:
    """Δχ² of two PSFs against one on the input, for the candidates that claim a pair; NaN for the others."""
    dchi2 = np.full(x.size, np.nan)
    claims = np.flatnonzero(partner >= 0)[:MOST_PAIR_TESTS]
    if claims.size == 0:
        return dchi2
    assert pair.psf is not None
    spread = PointSpread(pair.psf)
    error = H_ERROR["width" if pair.psf.image is None else "image"]
    light = pair.x - pair.round_light
    for k in claims:
        other = partner[k]
        places = (float(x[other]), float(y[other])), (float(x[k]), float(y[k]))
        dchi2[k] = delta_chi2(light, pair.noise, spread, *places, error)
    return dchi2


def _verdicts(
    pair: Pair, kind: NDArray[np.str_], claims: NDArray[np.bool_], measured: Mapping[str, NDArray[np.generic]]
) -> NDArray[np.str_]:
    assert pair.psf is not None
    words = []
    names = ("snr_forced", "flux_in", "flux_out", "flux_err", "change_err", "dchi2_pair")
    for k, where in enumerate(kind):
        snr, flux_in, flux_out, error, change, dchi2 = (float(measured[name][k]) for name in names)
        if where == "both":
            words.append("MATCHED")
        elif where == "in":
            words.append("LOST" if is_lost(snr, flux_in, flux_out, error) else "AMBIG")
        else:
            words.append(
                verdict_of_new(
                    snr, flux_in, flux_out, change, bool(claims[k]), dchi2, pair.psf.image is not None
                )
            )
    return np.array(words, dtype="U8")


def _findings(
    columns: Mapping[str, NDArray[np.generic]], kind: NDArray[np.str_], n_in: int, n_out: int
) -> dict[str, Finding]:
    verdict = columns["verdict"]
    lost = int(np.count_nonzero(verdict == "LOST"))
    invented = int(np.count_nonzero(verdict == "HALLUC"))
    bright = (verdict == "MATCHED") & (np.nan_to_num(columns["snr_forced"]) >= at.SUPPORTED_SNR)
    return {
        "QANIN": Finding(n_in),
        "QANOUT": Finding(n_out),
        "QANMAT": Finding(int(np.count_nonzero(kind == "both"))),
        "QANLOST": Finding(lost, None, "FAIL" if lost else "PASS"),
        "QANNEW": Finding(int(np.count_nonzero(verdict == "RESOLVED"))),
        "QANHAL": Finding(invented, None, "FAIL" if invented else "PASS"),
        "QADX": _offset(columns, bright),
        "QADMAG": _dimming(columns, bright),
    }


def _offset(columns: Mapping[str, NDArray[np.generic]], bright: NDArray[np.bool_]) -> Finding:
    """QADX: rms distance; its excess over a limit is judged on the squares, where noise adds up."""
    dx, dy, error = (np.asarray(columns[name], np.float64)[bright] for name in ("dx", "dy", "shift_err"))
    known = np.isfinite(dx) & np.isfinite(error)
    if not known.any():
        return UNMEASURED
    square = dx[known] ** 2 + dy[known] ** 2
    noise = 2.0 * error[known] ** 2
    count = square.size
    mean, expected = float(square.mean()), float(noise.mean())
    # variance of the sum of two squared normal deviates about a true offset of the limit's size
    limit = at.LIMITS["QADX"]
    rms = math.sqrt(mean)

    def broken(bound: float) -> bool:
        spread = math.sqrt(float((noise**2 + 2.0 * bound**2 * noise).sum())) / count
        return mean - bound**2 - expected > at.SIGNIFICANT * spread and rms > bound

    state = "FAIL" if broken(limit.fails) else "WARN" if broken(limit.passes) else "PASS"
    return Finding(rms, math.sqrt(expected / 2.0 / count), state)  # type: ignore[arg-type]


def _dimming(columns: Mapping[str, NDArray[np.generic]], bright: NDArray[np.bool_]) -> Finding:
    """QADMAG: median magnitude difference."""
    before, after, error = (
        np.asarray(columns[name], np.float64)[bright] for name in ("flux_in", "flux_out", "flux_err")
    )
    known = (before > 0) & (after > 0)
    if not known.any():
        return UNMEASURED
    change = -2.5 * np.log10(after[known] / before[known])
    # a source that is gone has no magnitude; it is counted by QANLOST
    middle = float(np.median(change))
    typical = float(np.median(error[known] / before[known]))
    spread = (
        1.0857 * typical * math.sqrt(math.pi / 2.0 / known.sum()) if known.sum() > 2 else 1.0857 * typical
    )
    return Finding(middle, spread, judge(abs(middle), spread, at.LIMITS["QADMAG"]))
