"""Photons, read-out and resampling: from a noise-free image to what a camera delivers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lensproc.simulate.distributions import draw
from lensproc.simulate.instrument import Instrument


@dataclass(frozen=True)
class Conditions:
    """What one exposure met.

    Parameters
    ----------
    sky : float
        Mean sky and dark current [electrons/px].
    read_variance : float
        Variance of all read-outs together [electrons²].
    electrons_per_unit : float
        Electrons that a pixel of value 1 collected.
    correlation : float
        Correlation of neighbouring pixels that resampling leaves.
    keep_sky : bool
        Whether the sky stays in the image.
    """

    sky: float
    read_variance: float
    electrons_per_unit: float
    correlation: float = 0.0
    keep_sky: bool = False

    def variance(self, image: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the expected variance [unit²] of a noise-free sky-subtracted image [unit], before resampling."""
        electrons = self.sky + self.read_variance + np.maximum(image, 0.0) * self.electrons_per_unit
        return np.asarray(electrons / self.electrons_per_unit**2)

    @property
    def background_sigma(self) -> float:
        """1σ noise of the sky [unit]."""
        return math.sqrt(self.sky + self.read_variance) / self.electrons_per_unit


def draw_conditions(instrument: Instrument, rng: np.random.Generator) -> Conditions:
    """Sky and read-out noise of one exposure."""
    if instrument.sky_counts is not None:
        sky = draw(instrument.sky_counts, rng, "sky_counts")
    else:
        sky = instrument.sky_electrons()
    read = draw(instrument.read_noise, rng, "read_noise")
    return Conditions(
        sky,
        instrument.exposures * read**2,
        instrument.electrons_per_unit,
        instrument.correlation,
        instrument.keep_sky,
    )


def coadd_weights(correlation: float) -> NDArray[np.float64]:
    """One axis of the resampling kernel (a, 1, a)/√(1 + 2a²).

    It keeps the variance of every pixel of white noise and gives neighbours the correlation 2a/(1 + 2a²).

    Raises
    ------
    ValueError
        When no three-pixel kernel has that correlation (it reaches 1/√2).
    """
    if not 0 <= correlation < math.sqrt(0.5):
        raise ValueError(f"the correlation must lie in [0, .707), got {correlation:g}")
    if correlation == 0:
        return np.array([0.0, 1.0, 0.0])
    a = (1.0 - math.sqrt(1.0 - 2.0 * correlation**2)) / (2.0 * correlation)
    return np.array([a, 1.0, a]) / math.sqrt(1.0 + 2.0 * a * a)


def _separable(image: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    rows = weights[0] * image[:-2] + weights[1] * image[1:-1] + weights[2] * image[2:]
    return np.asarray(weights[0] * rows[:, :-2] + weights[1] * rows[:, 1:-1] + weights[2] * rows[:, 2:])


def observe(
    image: NDArray[np.float64], conditions: Conditions, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Add noise to a noise-free, sky-subtracted image.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
        Noise-free image [unit].
    conditions : Conditions
        Sky, read-out and resampling.
    rng : numpy.random.Generator
        Where the noise comes from.

    Returns
    -------
    observed, variance : ndarray, shape (ny, nx)
        The image with noise, and the expected variance of each pixel [unit²].

    Notes
    -----
    Electrons are Poisson around image + sky, the read-out is Gaussian. For a coadd the deviations (not the
    image) are convolved with `coadd_weights`: the variance of each pixel stays what the variances around it
    give, neighbours become correlated, and the PSF is not widened a second time.
    """
    correlated = conditions.correlation > 0
    model = np.pad(image, 1, mode="edge") if correlated else image
    gain = conditions.electrons_per_unit
    mean = np.maximum(model * gain, 0.0) + conditions.sky
    deviation = rng.poisson(mean) - mean
    if conditions.read_variance > 0:
        deviation += rng.normal(0.0, math.sqrt(conditions.read_variance), size=mean.shape)
    variance = mean + conditions.read_variance
    if correlated:
        weights = coadd_weights(conditions.correlation)
        deviation = _separable(deviation, weights)
        variance = _separable(variance, weights**2)
    observed = image + deviation / gain
    if conditions.keep_sky:
        observed = observed + conditions.sky / gain
    return observed, variance / gain**2


def stated_variance(
    instrument: Instrument, conditions: Conditions, observed: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Variance plane as a pipeline states it, from what it can know: never from the noise-free image.

    Returns
    -------
    ndarray, shape (ny, nx), or None
        Sky and read-out, plus for ``total`` the counts as observed; None where the layout has none.
    """
    if instrument.variance == "none":
        return None
    gain = conditions.electrons_per_unit
    background = (conditions.sky + conditions.read_variance) / gain**2
    plane = np.full(observed.shape, background)
    if instrument.variance == "total":
        sky = conditions.sky / gain if conditions.keep_sky else 0.0
        plane += (observed - sky) / gain
        np.maximum(plane, 0.2 * background, out=plane)
    return plane
