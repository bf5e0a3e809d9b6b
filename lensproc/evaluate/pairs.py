"""Two stars or one: the separation from which on both are seen, and how often a single star is split."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lensproc.evaluate.experiment import Column, Experiment, Trial, columns_of, groups, make_table, spread_out
from lensproc.evaluate.intervals import UNKNOWN, Measured, fraction
from lensproc.evaluate.look import Look, look_at
from lensproc.evaluate.scenes import Scene, recipe_of, scene
from lensproc.evaluate.sizes import Sizes
from lensproc.evaluate.subjects import Subject
from lensproc.nn.forward_error import H_ERROR
from lensproc.qc import thresholds as at
from lensproc.qc.matching import match_one_to_one
from lensproc.qc.pairs import delta_chi2

if TYPE_CHECKING:
    from astropy.table import Table


@dataclass(frozen=True)
class Double(Trial):
    """A pair of stars, or a single one.

    Parameters
    ----------
    separation : float
        Of the two [FWHM]; 0 for a single star.
    ratio : float
        Flux of the brighter over that of the fainter.
    snr : float
        Of the brighter, for white noise as the simulator counts it: about 2.2 times that of a forced fit.
    resolved : bool
        A candidate within half an FWHM of each; for a single star: two or more candidates within one FWHM.
    supported : bool
        And two PSFs beat one on the input by Δχ² > 25.
    """

    separation: float
    ratio: float
    snr: float
    resolved: bool
    supported: bool


def _cells() -> list[tuple[float, float, float]]:
    from lensproc.simulate.points import pair_grid

    return pair_grid(recipe_of("pairs").tables["pair"])


def indices(sizes: Sizes) -> list[int]:
    """Numbers of the images of the recipe ``pairs`` that lie in the cells asked for."""
    cells = _cells()
    chosen = []
    for number, (separation, ratio, snr) in enumerate(cells):
        if snr not in sizes.pair_snrs or (separation > 0 and ratio not in sizes.ratios):
            continue
        if separation == 0 or separation in sizes.separations:
            repeats = sizes.singles if separation == 0 else sizes.pairs
            chosen += [number + repeat * len(cells) for repeat in range(repeats)]
    return chosen


def measure(subject: Subject, seed: int, indices: Sequence[int], sizes: Sizes) -> list[Double]:
    """Look at pairs and singles."""
    results = subject.enhance([scene("pairs", seed, index).cutout for index in indices])
    cells = _cells()
    trials = []
    for index, enhanced in zip(indices, results, strict=True):
        made = scene("pairs", seed, index)
        cell = cells[index % len(cells)]
        look = look_at(enhanced, subject.calibration)
        claim = _claim(look, made, single=cell[0] == 0)
        supported = claim is not None and _supported(look, made, claim)
        trials.append(Double(subject.name, *cell, claim is not None, supported))
    return trials


def _claim(look: Look, made: Scene, *, single: bool) -> tuple[int, int] | None:
    """Two candidates that say there are two stars."""
    if single:
        near = np.flatnonzero(look.distance(float(made.x[0]), float(made.y[0])) < made.fwhm)
        brightest = near[np.argsort(-look.found.response[near], kind="stable")]
        return (int(brightest[0]), int(brightest[1])) if near.size > 1 else None
    found = look.found
    _, j = match_one_to_one((made.x, made.y), (found.x, found.y), at.SEPARATION * made.fwhm)
    return (int(j[0]), int(j[1])) if j.size == 2 else None


def _supported(look: Look, made: Scene, claim: tuple[int, int]) -> bool:
    places = [(float(look.found.x[k]), float(look.found.y[k])) for k in claim]
    pair = look.pair
    gain = delta_chi2(pair.x, pair.noise, made.spread, places[0], places[1], H_ERROR["image"])
    return bool(gain > at.PAIR_DCHI2)


def tabulate(trials: Sequence[Double]) -> Table:
    """Sum up by system and cell; singles have separation 0."""
    rows = []
    for (system, separation, ratio, snr), those in groups(
        trials, "system", "separation", "ratio", "snr"
    ).items():
        rows.append(
            {
                "system": system,
                "separation": separation,
                "ratio": ratio,
                "snr": snr,
                "n": len(those),
                **spread_out("resolved", fraction(sum(t.resolved for t in those), len(those))),
                **spread_out("supported", fraction(sum(t.supported for t in those), len(those))),
            }
        )
    rows.sort(key=lambda row: (_first(trials, row["system"]), row["snr"], row["ratio"], row["separation"]))
    columns = {
        "system": Column("what was measured"),
        "separation": Column("of the two stars in FWHM; 0 is a single star"),
        "ratio": Column("flux of the brighter over that of the fainter"),
        "snr": Column("of the brighter, for white noise as the simulator counts it"),
        "n": Column("images"),
        **columns_of("resolved", "share shown as two; of singles: split in two"),
        **columns_of("supported", "share where two PSFs also beat one on the input by 25 in chi2"),
    }
    return make_table(rows, columns)


def _first(trials: Sequence[Double], system: Any) -> int:
    return next(i for i, trial in enumerate(trials) if trial.system == system)


def half_resolved(curve: Mapping[float, float]) -> float | None:
    """Separation from which on at least half of the pairs are resolved, interpolated.

    Parameters
    ----------
    curve : mapping of float to float
        Separation to the share resolved.

    Returns
    -------
    float or None
        None where even the widest is not; the narrowest where all are.
    """
    separations = sorted(curve)
    above = None
    for separation in reversed(separations):
        if curve[separation] >= 0.5:
            above = separation
            continue
        if above is None:
            return None
        low, high = curve[separation], curve[above]
        return separation + (above - separation) * (0.5 - low) / (high - low)
    return above


def resolved_half(table: Table, system: str, ratio: float = 1.0, snr: float = 100.0) -> Measured:
    """Separation [FWHM] from which on half of the pairs of a system are resolved.

    Parameters
    ----------
    table : Table
        From `tabulate`.
    system : str
        Which system.
    ratio, snr : float
        Which pairs: flux ratio, and SNR of the brighter star for white noise.

    Returns
    -------
    Measured
        Infinite where not even the widest are; not known without such pairs. The interval is that of the curves
        through the ends of the intervals of the shares.
    """
    wanted = (system, ratio, snr)
    rows = [
        row for row in table if (row["system"], row["ratio"], row["snr"]) == wanted and row["separation"] > 0
    ]
    if not rows:
        return UNKNOWN
    curves = [
        half_resolved({float(row["separation"]): float(row[name]) for row in rows})
        for name in ("resolved", "resolved_high", "resolved_low")
    ]
    value, low, high = (math.inf if found is None else found for found in curves)
    return Measured(value, low, high, sum(int(row["n"]) for row in rows))


EXPERIMENT = Experiment(
    name="pairs",
    title="Pairs of stars",
    caption=(
        "Two stars on the sky at known separations, and single stars; SNR as for white noise, about 2.2 times "
        "that of a forced fit on this correlated noise. Resolved: a candidate within half an FWHM of each. False "
        "splits: two candidates within one FWHM of a single star (separation 0). Supported: two PSFs beat one on "
        "the input by Δχ² > 25."
    ),
    indices=indices,
    measure=measure,
    tabulate=tabulate,
)
