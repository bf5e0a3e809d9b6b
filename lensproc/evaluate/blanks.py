"""Empty sky: sources that a stage invents, and those that survive the forced fit on the input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lensproc.evaluate.experiment import Column, Experiment, Trial, columns_of, groups, make_table, spread_out
from lensproc.evaluate.intervals import rate
from lensproc.evaluate.look import forced_snr, look_at
from lensproc.evaluate.scenes import scene
from lensproc.evaluate.sizes import Sizes
from lensproc.evaluate.subjects import Subject
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
    """

    found: int
    supported: int


def measure(subject: Subject, seed: int, indices: Sequence[int], sizes: Sizes) -> list[Blank]:
    """Count the candidates in empty fields."""
    cutouts = [scene("blanks", seed, index).cutout for index in indices]
    trials = []
    for enhanced in subject.enhance(cutouts):
        look = look_at(enhanced, subject.calibration)
        supported = int(np.count_nonzero(forced_snr(look) >= SUPPORTED_SNR))
        trials.append(Blank(subject.name, len(look.found), supported))
    return trials


def tabulate(trials: Sequence[Blank]) -> Table:
    """Sum up: false sources per 1,000 fields, before and after the forced fit."""
    rows = []
    for (system,), those in groups(trials, "system").items():
        found, supported = sum(t.found for t in those), sum(t.supported for t in those)
        rows.append(
            {
                "system": system,
                "fields": len(those),
                "found": found,
                **spread_out("found_rate", rate(found, len(those), 1000.0)),
                "supported": supported,
                **spread_out("supported_rate", rate(supported, len(those), 1000.0)),
            }
        )
    columns = {
        "system": Column("what was measured"),
        "fields": Column("empty fields"),
        "found": Column("sources found in them"),
        **columns_of("found_rate", "the same per 1,000 fields"),
        "supported": Column("of these, with a forced SNR of 5 or more on the input"),
        **columns_of("supported_rate", "the same per 1,000 fields"),
    }
    return make_table(rows, columns)


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
