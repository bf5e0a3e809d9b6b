"""Share of pixels whose 90 % interval holds the truth: on the sky, on arcs, at points and at the core."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lensproc.enhanced import Enhanced
from lensproc.evaluate.experiment import SYSTEM, Cell, Column, Experiment, Trial, averaged, table_of
from lensproc.evaluate.intervals import mean
from lensproc.evaluate.scenes import Scene, scene
from lensproc.evaluate.sizes import Sizes
from lensproc.evaluate.subjects import RAW, Subject
from lensproc.nn.psf import declared_kernel, fwhm_of

if TYPE_CHECKING:
    from astropy.table import Table

Array = NDArray[np.float64]

GROUPS = ("sky", "arc", "point", "core")
ALL = "all"

MEASURED = "measured"

HALF_WIDTH = 1.6448536
"""Of the central 90 % of a normal distribution [σ]."""

POINT_RADIUS, CORE_RADIUS = 1.0, 1.5
"""[FWHM]"""

TRUTH_SCALES = (1, 2, 4)


@dataclass(frozen=True)
class Covered(Trial):
    """Pixels of one group in one scene.

    Parameters
    ----------
    group : str
        sky, arc, point or core; all where nothing could be measured.
    covered : float
        Part of them whose 90 % interval holds the truth.
    status : str
        ``measured``, or why not.
    """

    group: str
    covered: float
    status: str = MEASURED


def measure(subject: Subject, seed: int, indices: Sequence[int], sizes: Sizes) -> list[Covered]:
    """Hold the stated errors against the truth."""
    results = subject.enhance([scene("quasars", seed, index).cutout for index in indices])
    trials: list[Covered] = []
    for index, enhanced in zip(indices, results, strict=True):
        made = scene("quasars", seed, index)
        sigma = stated_error(subject, enhanced)
        if sigma is None:
            return [Covered(subject.name, ALL, math.nan, "gives no uncertainty plane")]
        truth, reason = _truth(made, enhanced)
        if truth is None:
            return [Covered(subject.name, ALL, math.nan, reason)]
        inside = np.abs(enhanced.image.data - truth) <= HALF_WIDTH * sigma
        scale = round(enhanced.scale)
        for group, pixels in pixel_groups(made).items():
            chosen = pixels.repeat(scale, 0).repeat(scale, 1)
            if chosen.any():
                trials.append(Covered(subject.name, group, float(inside[chosen].mean())))
    return trials


def stated_error(subject: Subject, enhanced: Enhanced) -> Array | None:
    """1σ plane that a stage gives; for the input itself the square root of its variance."""
    if subject.name == RAW and enhanced.image.variance is not None:
        return np.sqrt(enhanced.image.variance.astype(np.float64))
    return None if enhanced.uncertainty is None else enhanced.uncertainty.astype(np.float64)


def _truth(made: Scene, enhanced: Enhanced) -> tuple[Array | None, str]:
    scale, declared = round(enhanced.scale), enhanced.output_psf
    if scale not in TRUTH_SCALES:
        return None, f"the simulator has no truth at scale {scale}"
    if isinstance(declared, tuple):
        ratio = fwhm_of(declared_kernel(declared)) / (scale * made.fwhm)
    else:
        ratio = 1.0 if declared == "same" else float(declared)
    if ratio <= 0.0:
        return None, "declares a PSF of no width, which has no truth in pixels"
    return made.sim.truth(scale, 1.0 / ratio).astype(np.float64), ""


def pixel_groups(made: Scene) -> dict[str, NDArray[np.bool_]]:
    """Tell apart input pixels: near points, at the lens's core, other light above 1σ (arc), and sky."""
    light = made.sim.exposure.noise_free.astype(np.float64)
    rows, columns = np.indices(light.shape)
    point = np.zeros(light.shape, bool)
    for x, y in zip(made.x, made.y, strict=True):
        point |= np.hypot(columns - x, rows - y) <= POINT_RADIUS * made.fwhm
    core = np.zeros(light.shape, bool)
    center = made.cutout.lens_center.value
    if center is not None:
        core = np.hypot(columns - center[0], rows - center[1]) <= CORE_RADIUS * made.fwhm
    conditions = made.sim.scene.conditions
    sky = conditions.sky / conditions.electrons_per_unit if conditions.keep_sky else 0.0
    lit = light - sky > conditions.background_sigma
    return {
        "sky": ~lit & ~point & ~core,
        "arc": lit & ~point & ~core,
        "point": point,
        "core": core & ~point,
    }


def tabulate(trials: Sequence[Covered]) -> Table:
    """Sum up by system and group."""
    groups = "sky, arc (light above 1 sigma), point (within 1 FWHM), core (within 1.5 FWHM)"
    cells = (
        Cell("scenes", "scenes", lambda those: sum(math.isfinite(trial.covered) for trial in those)),
        averaged("covered", "mean share of pixels whose 90 % interval holds the truth", mean),
        Cell("status", "measured, or why not", lambda those: those[0].status),
    )
    return table_of(trials, {"system": SYSTEM, "group": Column(groups)}, cells)


EXPERIMENT = Experiment(
    name="coverage",
    title="Coverage of 90 % intervals",
    caption=(
        "Share of pixels within 1.645 of the stated σ of the noise-free truth at the declared PSF, per group. The "
        "input itself is judged by its variance plane. Intervals: bootstrap over scenes."
    ),
    indices=lambda sizes: range(sizes.quasars),
    measure=measure,
    tabulate=tabulate,
)
