"""Empty sky: sources that a stage invents, and those that survive the forced fit on the input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lensproc.evaluate.experiment import SYSTEM, Cell, Experiment, Trial, counted, table_of
from lensproc.evaluate.look import Look, forced_snr, look_at
from lensproc.evaluate.scenes import scene
from lensproc.evaluate.sizes import Sizes
from lensproc.evaluate.subjects import Subject
from lensproc.qc.calibration import Calibration
from lensproc.qc.catalog import catalogue
from lensproc.qc.thresholds import SUPPORTED_SNR

if TYPE_CHECKING:
    from astropy.table import Table


@dataclass(frozen=True)
class Blank(Trial):
    """One empty field.

    Parameters
    ----------
    found : int
        Candidates of the output.
    supported : int
        Those with a forced SNR of 5 or more on the input.
    denied : int
        Those with the verdict HALLUC.
    """

    found: int
    supported: int
    denied: int


def measure(subject: Subject, seed: int, indices: Sequence[int], sizes: Sizes) -> list[Blank]:
    """Count the candidates in empty fields."""
    cutouts = [scene("blanks", seed, index).cutout for index in indices]
    trials = []
    for enhanced in subject.enhance(cutouts):
        look = look_at(enhanced, subject.calibration)
        supported = int(np.count_nonzero(forced_snr(look) >= SUPPORTED_SNR))
        denied = _denied(look, subject.calibration) if len(look.found) else 0
        trials.append(Blank(subject.name, len(look.found), supported, denied))
    return trials


def _denied(look: Look, calibration: Calibration) -> int:
    """Count the sources with the verdict HALLUC of the quality checks."""
    catalog = catalogue(look.pair, calibration)
    return 0 if catalog is None else int(np.count_nonzero(catalog.columns["verdict"] == "HALLUC"))


def tabulate(trials: Sequence[Blank]) -> Table:
    """Sum up: false sources per 1,000 fields, before and after the forced fit."""
    cells = (
        Cell("fields", "empty fields", len),
        *counted("found", "sources found in them", "fields"),
        *counted("supported", "of these, with a forced SNR of 5 or more on the input", "fields"),
        *counted("denied", "of these, with the verdict HALLUC", "fields"),
    )
    return table_of(trials, {"system": SYSTEM}, cells)


EXPERIMENT = Experiment(
    name="blanks",
    title="Empty sky",
    caption=(
        "Fields of correlated noise without any source. Every candidate is false. Adjudicated: it keeps a forced "
        "SNR of 5 or more on the input. Intervals are Poisson; for none seen the upper limit is 3.0 / fields."
    ),
    indices=lambda sizes: range(sizes.blanks),
    measure=measure,
    tabulate=tabulate,
    chunk=25,
)
