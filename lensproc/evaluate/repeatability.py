"""Whether what a stage shows comes back with other noise: Fourier ring correlation of two exposures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lensproc.evaluate.experiment import SYSTEM, Cell, Column, Experiment, Trial, averaged, table_of
from lensproc.evaluate.intervals import mean
from lensproc.evaluate.scenes import another_exposure, scene
from lensproc.evaluate.sizes import Sizes
from lensproc.evaluate.subjects import Subject

if TYPE_CHECKING:
    from astropy.table import Table

Array = NDArray[np.float64]

RINGS = 16
"""Rings up to the Nyquist frequency of the input."""

ALPHA = 0.25
"""Part of the side over which the image fades towards its frame."""

TRUTH_SCALES = (1, 2, 4)


@dataclass(frozen=True)
class Repeat(Trial):
    """Two exposures of one scene in one ring of frequencies.

    Parameters
    ----------
    frequency : float
        Middle of the ring [cycles per input pixel].
    correlation : float
        Of the two enhanced exposures.
    with_truth : float
        Of the first with the noise-free truth; NaN where the simulator has none at that scale.
    """

    frequency: float
    correlation: float
    with_truth: float


def ring_correlation(first: Array, second: Array, scale: int) -> tuple[Array, Array]:
    """Fourier ring correlation.

    Parameters
    ----------
    first, second : ndarray, shape (n, n)
        Images of one field.
    scale : int
        Their pixels per input pixel.

    Returns
    -------
    frequency, correlation : ndarray, shape (RINGS × scale,)
        Middle of each ring [cycles per input pixel], and Re Σ F₁ F₂* / √(Σ|F₁|² Σ|F₂|²) in it.

    Notes
    -----
    Saxton & Baumeister 1982, J. Microsc. 127, 127; Nieuwenhuizen et al. 2013, Nat. Methods 10, 557. The images
    less their means are faded out by a Tukey window, so that the frame does not correlate with itself.
    """
    from scipy.signal.windows import tukey

    side = first.shape[0]
    window = np.outer(tukey(side, ALPHA), tukey(side, ALPHA))

    def transform(image: Array) -> NDArray[np.complex128]:
        level = float((image * window).sum() / window.sum())
        return np.asarray(np.fft.fft2((image - level) * window))

    one, two = transform(first), transform(second)
    axis = np.fft.fftfreq(side) * scale
    width = 0.5 / RINGS
    ring = (np.hypot(axis, axis[:, None]) / width).astype(np.intp)
    count = RINGS * scale

    def total(values: Array) -> Array:
        return np.asarray(np.bincount(ring.ravel(), values.ravel(), minlength=count)[:count], np.float64)

    cross = total((one * two.conj()).real)
    power = np.sqrt(total(np.abs(one) ** 2) * total(np.abs(two) ** 2))
    correlation = np.divide(cross, power, out=np.full(count, np.nan), where=power > 0)
    return np.asarray((np.arange(count) + 0.5) * width, np.float64), correlation


def measure(subject: Subject, seed: int, indices: Sequence[int], sizes: Sizes) -> list[Repeat]:
    """Expose scenes twice."""
    trials = []
    for index in indices:
        made = scene("quasars", seed, index)
        first, second = subject.enhance([another_exposure(made, draw) for draw in (1, 2)])
        scale = round(first.scale)
        images = [np.nan_to_num(e.image.data.astype(np.float64)) for e in (first, second)]
        frequency, correlation = ring_correlation(images[0], images[1], scale)
        with_truth = np.full(frequency.size, np.nan)
        if scale in TRUTH_SCALES:
            truth = made.sim.truth(scale).astype(np.float64)
            with_truth = ring_correlation(images[0], truth, scale)[1]
        trials += [
            Repeat(subject.name, float(f), float(c), float(t))
            for f, c, t in zip(frequency, correlation, with_truth, strict=True)
        ]
    return trials


def tabulate(trials: Sequence[Repeat]) -> Table:
    """Sum up by system and ring."""
    keys = {"system": SYSTEM, "frequency": Column("middle of the ring in cycles per input pixel", "1 / pix")}
    cells = (
        Cell("n", "scenes", len),
        averaged("correlation", "mean ring correlation of two exposures", mean),
        averaged("with_truth", "mean ring correlation of one exposure with the noise-free truth", mean),
    )
    return table_of(trials, keys, cells)


EXPERIMENT = Experiment(
    name="repeatability",
    title="Repeatability",
    caption=(
        "Each lens is exposed twice with independent noise. Ring correlation of the two enhanced images (solid), "
        "and of one of them with the noise-free truth (dashed): detail that repeats without being true is "
        "invented the same way each time. Above 0.5 cycles per pixel lies what the input's pixels cannot hold."
    ),
    indices=lambda sizes: range(sizes.repeats),
    measure=measure,
    tabulate=tabulate,
    chunk=4,
    images=lambda sizes: 2,
)
