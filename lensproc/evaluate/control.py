"""Lenses with clumpy arcs and no quasar: point sources claimed there are false."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lensproc.evaluate.experiment import SYSTEM, Cell, Experiment, Trial, counted, table_of
from lensproc.evaluate.look import forced_snr, look_at
from lensproc.evaluate.scenes import scene
from lensproc.evaluate.sizes import Sizes
from lensproc.evaluate.subjects import Subject
from lensproc.evaluate.truth import true_peaks
from lensproc.qc import thresholds as at

if TYPE_CHECKING:
    from astropy.table import Table

    from lensproc.evaluate.look import Look


@dataclass(frozen=True)
class Lens(Trial):
    """One lens without a quasar.

    Parameters
    ----------
    points : int
        Candidates labelled POINT.
    supported : int
        Those with a forced SNR of 5 or more on the input.
    invented : int
        Those that the noise-free truth does not show as a peak either.
    """

    points: int
    supported: int
    invented: int


def unexplained(look: Look, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Tell for every candidate whether no true peak lies within half an input FWHM."""
    assert look.pair.psf is not None
    reach = at.SEPARATION * look.pair.psf.fwhm
    found = look.found
    if x.size == 0 or len(found) == 0:
        return np.ones(len(found), bool)
    distance = np.hypot(found.x[:, None] - x, found.y[:, None] - y)
    return np.asarray(distance.min(1) > reach)


def measure(subject: Subject, seed: int, indices: Sequence[int], sizes: Sizes) -> list[Lens]:
    """Count the POINTs that a stage shows on lenses without a quasar."""
    results = subject.enhance([scene("clumpy", seed, index).cutout for index in indices])
    trials = []
    for index, enhanced in zip(indices, results, strict=True):
        look = look_at(enhanced, subject.calibration)
        point = look.found.blobness >= at.POINT_BLOBNESS
        supported = point & (forced_snr(look) >= at.SUPPORTED_SNR)
        invented = point & unexplained(look, *true_peaks("clumpy", seed, index))
        counts = (int(np.count_nonzero(which)) for which in (point, supported, invented))
        trials.append(Lens(subject.name, *counts))
    return trials


def tabulate(trials: Sequence[Lens]) -> Table:
    """Sum up: false POINTs per 1,000 lenses."""
    cells = (
        Cell("lenses", "lenses without a quasar", len),
        *counted("points", "candidates labelled POINT", "lenses"),
        *counted("supported", "of these, with a forced SNR of 5 or more on the input", "lenses"),
        *counted("invented", "POINTs where the noise-free truth has no peak", "lenses"),
    )
    return table_of(trials, {"system": SYSTEM}, cells)


EXPERIMENT = Experiment(
    name="control",
    title="Lenses without a quasar",
    caption=(
        "Arcs with compact clumps and no point source: the place where structure gets invented. Clumps are real "
        "and may look like points, so POINTs are also counted that no peak of the noise-free truth explains, "
        "behind the PSF of the input or one of half its width, down to SNR 2 within half an FWHM."
    ),
    indices=lambda sizes: range(sizes.control),
    measure=measure,
    tabulate=tabulate,
)
