"""How unlike an image is to those of a training: a few plain features, and the range of their pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensproc.cutout import Cutout
from lensproc.nn.prepare import sky_and_noise
from lensproc.qc import thresholds as at
from lensproc.qc.noise import Noise, measure_noise
from lensproc.qc.verdict import UNMEASURED, Finding, judge, judge_domain

Array = NDArray[np.float64]

FEATURES = {
    "fwhm": "log10 of the FWHM of the PSF [px]",
    "peak": "log10 of the brightest pixel [σ]",
    "depth": "log10 of how far the darkest thousandth of the pixels lies below the sky [σ]",
    "extent": "log10 of the area that the light would fill if it were as bright as its peak [PSF areas]",
    "correlation": "correlation of neighbouring pixels of the sky",
}
"""What is compared, with the sky and its robust σ taken from the pixels, so that no unit matters."""

LIT = 3.0
"""Pixels above this many σ count as light."""

FEWEST = 20
"""Images that a domain needs; with n of them the least chance that can be said is 1 / (n + 1)."""

NEIGHBOURS = 5
"""The distance to a domain is that to its 5th nearest image: one freak among the training images is no domain."""

FINEST = 0.1
"""Differences of a feature below this count as small even where the images of a training hardly differ in it."""

MARGIN = 0.1
"""The range of pixels is taken to go on by this part of its limits: they are those of a sample."""

DIGITS = 4
"""Decimals that are kept of a feature."""


@dataclass(frozen=True)
class Domain:
    """What the images that a stage knows are like.

    Parameters
    ----------
    features : mapping of str to tuple of float
        Every feature of `FEATURES` of each image.
    low : float
        Faintest pixel that is no extrapolation, less the sky [σ of the sky].
    high : float or None
        Brightest one; None where the stage scales with the light, so that no brightness is new to it.
    source : str
        Which images, in words.
    """

    features: Mapping[str, tuple[float, ...]]
    low: float
    high: float | None
    source: str = ""

    @property
    def images(self) -> int:
        """Number of images."""
        return len(next(iter(self.features.values())))

    @cached_property
    def table(self) -> Array:
        """Features, shape (images, features)."""
        return np.array([self.features[name] for name in FEATURES]).T

    @cached_property
    def scatter(self) -> Array:
        """Standard deviation of the features, at least `FINEST`, shape (features,)."""
        return np.asarray(np.maximum(self.table.std(0), FINEST))

    @cached_property
    def strangeness(self) -> Array:
        """Distance of each image to the `NEIGHBOURS`-th nearest other one, in units of `scatter`, ascending."""
        distances = np.linalg.norm(self.offsets(self.table), axis=2)
        # the nearest of each image is itself
        return np.sort(np.sort(distances, axis=1)[:, NEIGHBOURS])

    def offsets(self, rows: Array) -> Array:
        """Differences of images to each of the domain, in units of `scatter`.

        Parameters
        ----------
        rows : ndarray, shape (m, features)
            Features of the images.

        Returns
        -------
        ndarray, shape (m, images, features)
            Where no brightness is new to the stage, to be brighter is no difference.
        """
        offsets = (rows[:, None] - self.table) / self.scatter
        if self.high is None:
            peak = list(FEATURES).index("peak")
            offsets[..., peak] = np.minimum(offsets[..., peak], 0.0)
        return np.asarray(offsets)

    def to_json(self) -> dict[str, Any]:
        """Return a dictionary of JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Domain:
        """Rebuild a domain from `to_json`."""
        features = {name: tuple(values) for name, values in record["features"].items()}
        return cls(**{**record, "features": features})


def significance(cutout: Cutout) -> tuple[Array, NDArray[np.bool_]]:
    """Pixels less the sky in units of its robust σ, 0 where they are bad; and which are good."""
    good = ~cutout.bad
    sky, sigma = sky_and_noise(cutout.data, ~good)
    values = np.zeros(cutout.shape)
    if sigma > 0.0:
        values[good] = (cutout.data[good].astype(np.float64) - sky) / sigma
    return values, good


def features(values: Array, good: NDArray[np.bool_], fwhm: float, lag1: float) -> Array:
    """Summarise an image by the numbers that `FEATURES` names, in their order.

    Parameters
    ----------
    values : ndarray, shape (ny, nx)
        Pixels less the sky [σ of the sky], 0 where they are bad.
    good : ndarray of bool, shape (ny, nx)
        Which are good.
    fwhm : float
        FWHM of the PSF [px].
    lag1 : float
        Correlation of neighbouring pixels of the sky.

    Returns
    -------
    ndarray, shape (5,)
        The features.
    """
    peak = max(float(values.max()), 1.0)
    light = float(values[values > LIT].sum())
    area_of_psf = math.pi / (4.0 * math.log(2.0)) * fwhm**2
    return np.array(
        [
            math.log10(fwhm),
            math.log10(peak),
            math.log10(max(-float(np.quantile(values[good], 1e-3)), 1.0)),
            math.log10(max(light / peak, 1.0) / area_of_psf),
            lag1,
        ]
    )


def measure_domain(cutouts: Sequence[Cutout], *, scales_with_light: bool = False, source: str = "") -> Domain:
    """Gather the features and the range of the images of a training.

    Parameters
    ----------
    cutouts : sequence of Cutout
        The images, with their PSF.
    scales_with_light : bool
        True for a stage to which no brightness is new.
    source : str
        Which images they are, in words.

    Raises
    ------
    ValueError
        Where fewer than `FEWEST` of them can be summarised.
    """
    rows, darkest, brightest = [], [], []
    for cutout in cutouts:
        psf = cutout.psf.value
        noise = None if psf is None else measure_noise(cutout, psf.fwhm)
        if psf is None or noise is None:
            continue
        values, good = significance(cutout)
        rows.append(features(values, good, psf.fwhm, noise.lag1))
        darkest.append(float(values[good].min()))
        brightest.append(float(values[good].max()))
    if len(rows) < FEWEST:
        raise ValueError(f"{len(rows)} images are too few for a domain")
    columns = np.round(np.array(rows).T, DIGITS)
    low, high = float(np.quantile(darkest, 1e-3)), float(np.quantile(brightest, 0.999))
    return Domain(
        {name: tuple(map(float, column)) for name, column in zip(FEATURES, columns, strict=True)},
        float(f"{(1.0 + MARGIN) * low:.{DIGITS}g}"),
        None if scales_with_light else float(f"{(1.0 + MARGIN) * high:.{DIGITS}g}"),
        source,
    )


def chance_in_domain(row: Array, domain: Domain) -> float:
    """Chance that an image of the domain is as far from the others as this one.

    Parameters
    ----------
    row : ndarray, shape (5,)
        Features of the image.
    domain : Domain
        What it is compared with.

    Returns
    -------
    float
        (1 + number of images of the domain that lie as far from the rest) / (n + 1): the conformal p-value (Vovk,
        Gammerman & Shafer 2005, "Algorithmic Learning in a Random World", ch. 2) with the distance to the
        `NEIGHBOURS`-th nearest image as the measure of strangeness, in features of equal scatter.

    Notes
    -----
    A training is a mixture of surveys, each with its own PSF, depth and noise. A mean and a covariance of all of
    them would call what lies between two surveys typical; the nearest images do not.
    """
    distance = np.sort(np.linalg.norm(domain.offsets(row[None])[0], axis=1))[NEIGHBOURS - 1]
    nearer = int(np.searchsorted(domain.strangeness, distance))
    return (1 + domain.images - nearer) / (domain.images + 1)


def strangest_feature(row: Array, domain: Domain) -> str:
    """Name of the feature in which an image differs most from the images of the domain that are nearest to it."""
    offsets = domain.offsets(row[None])[0]
    nearest = np.argsort(np.linalg.norm(offsets, axis=1))[:NEIGHBOURS]
    return list(FEATURES)[int(np.argmax(np.abs(offsets[nearest].mean(0))))]


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
    values, good = significance(cutout)
    unlike, psf = UNMEASURED, cutout.psf.value
    if psf is not None:
        row = features(values, good, psf.fwhm, noise.lag1)
        chance = chance_in_domain(row, domain)
        state = judge_domain(chance)
        remark = "" if state == "PASS" else f"chance of so unlike training: {strangest_feature(row, domain)}"
        unlike = Finding(chance, None, state, remark)
    beyond = values < domain.low
    if domain.high is not None:
        beyond |= values > domain.high
    outside = float(np.mean(beyond[good]))
    return {
        "QAOOD": unlike,
        "QARANG": Finding(outside, None, judge(outside, 0.0, at.LIMITS["QARANG"])),
    }
