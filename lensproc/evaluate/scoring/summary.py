"""Scores of a set: both averages of the PSNR, intervals, and the gain over the yardstick."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lensproc.evaluate.intervals import BOOTSTRAPS, LEVEL, Measured, mean, median
from lensproc.evaluate.scoring.metrics import psnr
from lensproc.evaluate.scoring.score import Score

Array = NDArray[np.float64]

REGIONS = ("all", "point", "arc", "core", "sky")

FALLS_BACK = {"matched_psf": "direct", "matched_affine": "affine"}
"""Where the yardstick has no convolved image, its output as it is stands against that of the others."""


@dataclass(frozen=True)
class Summary:
    """One row of the scores.

    Parameters
    ----------
    method, reference, variant, region : str
        What was compared with what, how and where.
    images : int
        Images with pixels in that region.
    exact : int
        Images without any error: their PSNR is infinite.
    psnr_mean : Measured
        Mean of the PSNR of the images [dB].
    psnr_of_mean : Measured
        PSNR of the mean of their MSE [dB].
    ssim, mse, bias : Measured
        Means over images; bias and the root of the MSE in the unit of the input.
    rmse : Measured
        Root of the mean MSE.
    bias_sigma, rmse_sigma : Measured
        The same in units of the noise of each input.
    flux : Measured
        Median ratio of the total light; of the region ``all``.
    gain_mean, gain_of_mean : Measured
        Difference of both PSNR to the yardstick on the same images [dB], paired.
    missing : int
        Pixels without a value.
    """

    method: str
    reference: str
    variant: str
    region: str
    images: int
    exact: int
    psnr_mean: Measured
    psnr_of_mean: Measured
    ssim: Measured
    mse: Measured
    bias: Measured
    rmse: Measured
    bias_sigma: Measured
    rmse_sigma: Measured
    flux: Measured
    gain_mean: Measured
    gain_of_mean: Measured
    missing: int


MEASURES = {
    "psnr_mean": "mean of the PSNR of the images [dB]",
    "psnr_of_mean": "PSNR of the mean MSE [dB]",
    "ssim": "structural similarity, mean over images",
    "mse": "mean squared error, mean over images [unit^2]",
    "bias": "mean of output - reference [unit]",
    "rmse": "root of the mean squared error [unit]",
    "bias_sigma": "bias over the noise of the input",
    "rmse_sigma": "root mean squared error over the noise of the input",
    "flux": "total light over that of the reference, median",
    "gain_mean": "mean of the differences of PSNR to the yardstick, image by image [dB]",
    "gain_of_mean": "difference of the PSNR of the mean MSE to that of the yardstick [dB]",
}
"""Fields of `Summary` with an interval."""


def summarise(scores: Sequence[Score], data_range: float, yardstick: str) -> list[Summary]:
    """Sum up the scores of a set, in the order in which methods, references and variants first come.

    Parameters
    ----------
    scores : sequence of Score
        Of all images.
    data_range : float
        Of the set.
    yardstick : str
        Method that the others are compared with.
    """
    groups: dict[tuple[str, str, str], dict[int, Score]] = {}
    for one in scores:
        groups.setdefault((one.reference, one.method, one.variant), {})[one.index] = one
    rows = []
    for (reference, method, variant), those in groups.items():
        against = groups.get((reference, yardstick, variant)) or groups.get(
            (reference, yardstick, FALLS_BACK.get(variant, variant)), {}
        )
        rows += [_row(method, reference, variant, region, those, against, data_range) for region in REGIONS]
    return rows


def _row(
    method: str,
    reference: str,
    variant: str,
    region: str,
    those: dict[int, Score],
    against: dict[int, Score],
    data_range: float,
) -> Summary:
    indices = [i for i, one in sorted(those.items()) if one.regions[region].pixels]
    parts = [those[i].regions[region] for i in indices]
    mse, bias, ssim = (np.array([getattr(part, name) for part in parts]) for name in ("mse", "bias", "ssim"))
    sigma = np.array([those[i].sigma for i in indices])
    sigma = np.where(sigma > 0, sigma, math.nan)
    decibels = np.array([psnr(value, data_range) for value in mse])
    other = np.array([against[i].regions[region].mse if i in against else math.nan for i in indices])
    flux = np.array([those[i].flux for i in indices]) if region == "all" else np.zeros(0)
    squared = mean(mse)
    return Summary(
        method,
        reference,
        variant,
        region,
        len(indices),
        int(np.count_nonzero(mse == 0.0)),
        _mean_of_psnr(decibels),
        Measured(
            psnr(squared.value, data_range),
            psnr(squared.high, data_range),
            psnr(squared.low, data_range),
            squared.n,
        ),
        mean(ssim),
        squared,
        mean(bias),
        _root(squared),
        mean(bias / sigma),
        _root(mean(mse / sigma**2)),
        median(flux),
        *_gains(mse, other, data_range),
        sum(those[i].missing for i in indices) if region == "all" else 0,
    )


def _mean_of_psnr(decibels: Array) -> Measured:
    """Mean over images; infinite, without an interval, as soon as one of them is exact."""
    if np.isinf(decibels).any():
        return Measured(math.inf, math.nan, math.nan, decibels.size)
    return mean(decibels)


def _root(squared: Measured) -> Measured:
    return Measured(math.sqrt(squared.value), math.sqrt(squared.low), math.sqrt(squared.high), squared.n)


def _gains(mse: Array, other: Array, data_range: float) -> tuple[Measured, Measured]:
    """Gain over the yardstick by both averages; images are drawn together with those of the yardstick."""
    both = np.isfinite(mse) & np.isfinite(other)
    mine, theirs = mse[both], other[both]
    if mine.size == 0:
        unknown = Measured(math.nan, math.nan, math.nan, 0)
        return unknown, unknown
    if (mine == 0.0).any() or (theirs == 0.0).any():
        # an exact image has no finite gain; equal ones none at all
        value = 0.0 if np.array_equal(mine, theirs) else math.nan
        undefined = Measured(value, math.nan, math.nan, mine.size)
        return undefined, undefined
    difference = 10.0 * np.log10(theirs / mine)
    value = 10.0 * math.log10(theirs.mean() / mine.mean())
    if mine.size < 5:
        return mean(difference), Measured(value, math.nan, math.nan, mine.size)
    drawn = np.random.default_rng([0, mine.size]).integers(0, mine.size, (BOOTSTRAPS, mine.size))
    draws = 10.0 * np.log10(theirs[drawn].mean(1) / mine[drawn].mean(1))
    low, high = np.quantile(draws, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    return mean(difference), Measured(value, float(low), float(high), mine.size)


def quoted(rows: Sequence[Summary], method: str, reference: str, *, baseline: bool) -> Summary | None:
    """Pick the row that a method is quoted with against a reference, over all pixels.

    A stage is quoted with its output convolved to the PSF of the reference where the PSF it declares is sharper,
    else with its output as it is; a baseline with the better of the two. Where the reference has a scale of its
    own the same holds after the affine fit.
    """
    of = {
        row.variant: row
        for row in rows
        if (row.method, row.reference, row.region) == (method, reference, "all")
    }
    if "direct" not in of:
        return None
    own_scale = math.isnan(of["direct"].rmse_sigma.value)
    names = ("affine", "matched_affine") if own_scale else ("direct", "matched_psf")
    candidates = [of[name] for name in names if name in of]
    return max(candidates, key=lambda row: row.psnr_of_mean.value) if baseline else candidates[-1]


def best_of(rows: Sequence[Summary], methods: Sequence[str], reference: str) -> str | None:
    """Name the best of several settings of a baseline against a reference, by the value each is quoted with."""
    found = {name: quoted(rows, name, reference, baseline=True) for name in methods}
    known = {name: row.psnr_of_mean.value for name, row in found.items() if row is not None}
    return max(known, key=lambda name: known[name]) if known else None
