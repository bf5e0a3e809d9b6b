"""Lensed quasars and stars: what is found and where, what is invented, and whether H y agrees with the input."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from lensproc.evaluate.control import unexplained
from lensproc.evaluate.experiment import Column, Experiment, Trial, columns_of, groups, make_table, spread_out
from lensproc.evaluate.intervals import fraction, mean, median, rms
from lensproc.evaluate.look import look_at
from lensproc.evaluate.scenes import scene
from lensproc.evaluate.sizes import Sizes
from lensproc.evaluate.subjects import Subject
from lensproc.evaluate.truth import true_peaks
from lensproc.qc import thresholds as at
from lensproc.qc.fidelity import residual_chi2
from lensproc.qc.forced import ForcedFit
from lensproc.qc.matching import match_one_to_one
from lensproc.qc.noise import measure_noise
from lensproc.qc.residual_peak import residual_peak
from lensproc.qc.sources import border_of

if TYPE_CHECKING:
    from astropy.table import Table

FAINTEST = 5.0
"""Sources below this SNR are not asked for."""

MIDDLE = (20.0, 50.0)
"""SNR of the sources whose places are compared."""

RECIPE = "quasars"
"""Of the scenes, where no other is asked for."""


@dataclass(frozen=True)
class Field(Trial):
    """One lens with quasar images and stars.

    Parameters
    ----------
    snr : tuple of float
        Of the point sources that can be found.
    offset : tuple of float
        Distance of the candidate matched to each [input px]; NaN where it was not found.
    found, matched, invented : int
        Candidates; those that are a point source of the scene; those that are neither one nor a peak of the
        noise-free truth.
    chi2, chance : float
        Forward χ², and the chance of the largest residual peak; NaN where they cannot be measured.
    """

    snr: tuple[float, ...]
    offset: tuple[float, ...]
    found: int
    matched: int
    invented: int
    chi2: float
    chance: float


@lru_cache(maxsize=64)
def forced_snr_of(recipe: str, seed: int, index: int) -> tuple[float, ...]:
    """SNR of every point source of a scene: flux over the error of a forced fit of all of them together.

    Notes
    -----
    The simulator counts the SNR for white noise; on correlated noise the same flux means less.
    """
    made = scene(recipe, seed, index)
    noise = measure_noise(made.cutout, made.fwhm)
    assert noise is not None
    flux = np.array([point.flux for point in made.sim.scene.points])
    error = ForcedFit(made.spread, made.x, made.y, noise).error * noise.level
    return tuple((flux / error).tolist())


def measure(subject: Subject, seed: int, indices: Sequence[int], sizes: Sizes) -> list[Field]:
    """Look for the known sources of lenses."""
    return measure_scenes(subject, RECIPE, seed, indices)


def measure_scenes(subject: Subject, recipe: str, seed: int, indices: Sequence[int]) -> list[Field]:
    """Look for the known sources of scenes of any recipe with point sources, of the simulator's test streams."""
    results = subject.enhance([scene(recipe, seed, index).cutout for index in indices])
    trials = []
    for index, enhanced in zip(indices, results, strict=True):
        made, snr = scene(recipe, seed, index), np.array(forced_snr_of(recipe, seed, index))
        look = look_at(enhanced, subject.calibration)
        i, j = match_one_to_one((made.x, made.y), (look.found.x, look.found.y), at.SEPARATION * made.fwhm)
        offset = np.full(made.x.size, math.nan)
        offset[i] = np.hypot(made.x[i] - look.found.x[j], made.y[i] - look.found.y[j])
        edge, side = border_of(made.cutout.shape), min(made.cutout.shape) - 1
        asked = (snr >= FAINTEST) & (np.minimum(made.x, made.y) >= edge)
        asked &= np.maximum(made.x, made.y) <= side - edge
        new = np.ones(len(look.found), bool)
        new[j] = False
        invented = int(np.count_nonzero(new & unexplained(look, *true_peaks(recipe, seed, index))))
        chi2, (_, chance) = residual_chi2(look.pair).value, residual_peak(look.pair)
        trials.append(
            Field(
                subject.name,
                tuple(snr[asked].tolist()),
                tuple(offset[asked].tolist()),
                len(look.found),
                int(j.size),
                invented,
                math.nan if chi2 is None else float(chi2),
                math.nan if chance is None else chance,
            )
        )
    return trials


def tabulate(trials: Sequence[Field]) -> Table:
    """Sum up, one row per system."""
    rows = []
    for (system,), those in groups(trials, "system").items():
        snr = np.array([value for trial in those for value in trial.snr])
        offset = np.array([value for trial in those for value in trial.offset])
        candidates = sum(trial.found for trial in those)
        middle = (snr >= MIDDLE[0]) & (snr <= MIDDLE[1])
        chance = np.array([trial.chance for trial in those])
        known = np.isfinite(chance)
        low_chance = int(np.count_nonzero(chance[known] < at.CHIP_PASSES))
        rows.append(
            {
                "system": system,
                "scenes": len(those),
                "sources": snr.size,
                **spread_out("completeness", fraction(int(np.count_nonzero(np.isfinite(offset))), snr.size)),
                "candidates": candidates,
                **spread_out("purity", fraction(sum(trial.matched for trial in those), candidates)),
                **spread_out("invented", fraction(sum(trial.invented for trial in those), candidates)),
                "middle": int(np.count_nonzero(middle)),
                **spread_out("offset", rms(offset[middle])),
                **spread_out("typical_offset", median(offset[middle])),
                **spread_out("chi2", mean(np.array([trial.chi2 for trial in those]))),
                **spread_out("peaks", fraction(low_chance, int(np.count_nonzero(known)))),
            }
        )
    columns = {
        "system": Column("what was measured"),
        "scenes": Column("lenses"),
        "sources": Column("quasar images and stars of forced SNR 5 or more"),
        **columns_of("completeness", "share of them found within half an FWHM"),
        "candidates": Column("candidates found"),
        **columns_of("purity", "share of them that is a quasar image or a star, however faint"),
        **columns_of(
            "invented", "share of the candidates that is neither a source nor a peak of the noise-free truth"
        ),
        "middle": Column("sources of forced SNR 20 to 50"),
        **columns_of("offset", "rms distance of those found from their true places", "pix"),
        **columns_of("typical_offset", "median of the same", "pix"),
        **columns_of("chi2", "mean forward chi2, (x - H y)^2/s^2"),
        **columns_of("peaks", "share of scenes whose largest residual peak has a chance below 0.01"),
    }
    return make_table(rows, columns)


EXPERIMENT = Experiment(
    name="quasars",
    title="Lensed quasars",
    caption=(
        "Two- and four-image quasars on their hosts with field stars. SNR: flux over the error of a forced fit; "
        "sources below 5 are not asked for. Invented: a candidate that is "
        "neither a source nor a peak of the noise-free truth. χ² and residual peaks judge H y against the input; "
        "residual peaks of a faithful image have a chance below 0.01 in one scene of a hundred."
    ),
    indices=lambda sizes: range(sizes.quasars),
    measure=measure,
    tabulate=tabulate,
)
