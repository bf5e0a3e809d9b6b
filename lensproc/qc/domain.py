"""How unlike an image is to those that a stage was trained on: its features, and the range of its pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lensproc.cutout import Cutout
from lensproc.qc import thresholds as at
from lensproc.qc.noise import Noise, measure_noise
from lensproc.qc.verdict import UNMEASURED, Finding, judge, judge_domain

Array = NDArray[np.float64]

FEATURES = ("snr", "sky_ratio", "peak", "fwhm", "concentration", "lag1")

LIT = 3.0
"""Pixels above this many σ count as light."""


@dataclass(frozen=True)
class Domain:
    """Statistics of the images that a stage knows.

    Parameters
    ----------
    mean : tuple of float, length 6
        Mean of the features (see `features`).
    covariance : tuple of tuple of float, 6 × 6
        Their covariance.
    images : int
        Images they were measured on.
    low, high : float
        Faintest and brightest pixel in them, less the sky, in units of σ.
    """

    mean: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]
    images: int
    low: float
    high: float


def significance(cutout: Cutout, noise: Noise) -> Array:
    """Good pixels less the sky, over their σ, shape (n,)."""
    good = np.isfinite(noise.sigma)
    return np.asarray((cutout.data[good].astype(np.float64) - noise.sky) / noise.level / noise.sigma[good])


def features(cutout: Cutout, noise: Noise) -> Array | None:
    """Summarise an image in six numbers.

    Parameters
    ----------
    cutout : Cutout
        Input.
    noise : Noise
        Its noise.

    Returns
    -------
    ndarray, shape (6,), or None
        Logarithm of the SNR of all light above 3σ; of the sky's scatter over the σ that the file states; of the
        brightest pixel over σ; of the PSF's FWHM [px]; share of that light in the inner half of the image's sides;
        correlation of neighbouring sky pixels. None where the PSF or the sky's scatter is not known.
    """
    psf = cutout.psf.value
    sky = noise.sky_pixels
    if psf is None or np.count_nonzero(sky) < 16:
        return None
    values = np.where(np.isfinite(noise.sigma), (cutout.data - noise.sky) / noise.level / noise.sigma, 0.0)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    scatter = float(values[sky].std())
    if scatter <= 0.0:
        return None
    light = np.where(values > LIT, values, 0.0)
    ny, nx = light.shape
    inner = light[ny // 4 : ny - ny // 4, nx // 4 : nx - nx // 4].sum()
    total = float(light.sum())
    return np.array(
        [
            math.log(max(math.sqrt(float((light**2).sum())), 1.0)),
            math.log(scatter),
            math.log(max(float(values.max()), 1.0)),
            math.log(psf.fwhm),
            float(inner) / total if total else 0.0,
            noise.lag1,
        ]
    )


def measure_domain(cutouts: Sequence[Cutout]) -> Domain:
    """Gather the statistics of a set of images.

    Raises
    ------
    ValueError
        Where fewer than nine of them can be summarised.
    """
    rows, low, high = [], math.inf, -math.inf
    for cutout in cutouts:
        noise = measure_noise(cutout, cutout.psf.value.fwhm if cutout.psf.value else None)
        row = None if noise is None else features(cutout, noise)
        if noise is None or row is None:
            continue
        rows.append(row)
        values = significance(cutout, noise)
        low, high = min(low, float(values.min())), max(high, float(values.max()))
    if len(rows) < len(FEATURES) + 3:
        raise ValueError(f"{len(rows)} images are too few for the covariance of {len(FEATURES)} features")
    table = np.array(rows)
    covariance = np.cov(table, rowvar=False)
    return Domain(
        tuple(map(float, table.mean(0))),
        tuple(tuple(map(float, row)) for row in covariance),
        len(rows),
        low,
        high,
    )


def chance_in_domain(row: Array, domain: Domain) -> float:
    """Chance that an image of the domain lies as far from its middle as these features do.

    Notes
    -----
    Mahalanobis' distance d² of one more draw from a normal distribution of p dimensions whose mean and covariance
    were measured on n: d² n (n - p) / ((n² - 1) p) follows F(p, n - p) (Hotelling 1931, Ann. Math. Stat. 2, 360);
    for large n this is χ² with p degrees of freedom.
    """
    from scipy.stats import f

    p, n = len(FEATURES), domain.images
    covariance = np.array(domain.covariance)
    # a feature that never varied in the domain must not divide by zero
    covariance = covariance + np.diag(1e-6 + 1e-6 * np.diag(covariance))
    offset = row - np.array(domain.mean)
    distance = float(offset @ np.linalg.solve(covariance, offset))
    return float(f.sf(distance * n * (n - p) / ((n**2 - 1.0) * p), p, n - p))


def domain_findings(cutout: Cutout, noise: Noise, domain: Domain | None) -> dict[str, Finding]:
    """QAOOD and QARANG: chance of an image as unlike the domain; part of the pixels outside its range.

    Parameters
    ----------
    cutout : Cutout
        Input.
    noise : Noise
        Its noise.
    domain : Domain or None
        None where the stage has none: neither is measured.
    """
    if domain is None:
        return {"QAOOD": UNMEASURED, "QARANG": UNMEASURED}
    row = features(cutout, noise)
    unlike = UNMEASURED
    if row is not None:
        chance = chance_in_domain(row, domain)
        unlike = Finding(chance, None, judge_domain(chance))
    values = significance(cutout, noise)
    outside = float(np.mean((values < domain.low) | (values > domain.high)))
    return {
        "QAOOD": unlike,
        "QARANG": Finding(outside, None, judge(outside, 0.0, at.LIMITS["QARANG"])),
    }
