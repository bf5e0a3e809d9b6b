"""How much the output changes under changes of the input that should not matter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lensproc.enhanced import Enhanced
from lensproc.evaluate.experiment import SYSTEM, Cell, Column, Experiment, Trial, averaged, table_of, total
from lensproc.evaluate.injection import HOSTS, Star, stars_of
from lensproc.evaluate.intervals import median
from lensproc.evaluate.look import brought_back, look_at
from lensproc.evaluate.response import Response, star_response
from lensproc.evaluate.scenes import Scene, scene, star_image, with_light
from lensproc.evaluate.sizes import Sizes
from lensproc.evaluate.subjects import Subject
from lensproc.evaluate.variations import BLOCK, PEDESTAL, VARIATIONS, Variation
from lensproc.qc.noise import Noise
from lensproc.qc.sources import border_of

if TYPE_CHECKING:
    from astropy.table import Table

Array = NDArray[np.float64]

STAR_SNR = 50.0

FAR = 3.0
"""From here on a defect must not be felt [FWHM]."""

SUBPIXEL = "star moved by half a pixel"


@dataclass(frozen=True)
class Steadiness(Trial):
    """One scene under one change.

    Parameters
    ----------
    variation, kind : str
        See `Variation`.
    change : float
        RMS difference of the output, undone, from that without the change [σ of the input's sky]; NaN for a star
        that was moved.
    flux_change : float
        Relative change of the flux of a star of SNR 50, by paired injection.
    moved : float
        How far that star went beside its place [px].
    missing : int
        Output pixels beyond the block of missing ones that are not finite.
    false_sources : int
        Candidates at the defect that were not there before.
    """

    variation: str
    kind: str
    change: float
    flux_change: float
    moved: float
    missing: int
    false_sources: int


def measure(subject: Subject, seed: int, indices: Sequence[int], sizes: Sizes) -> list[Steadiness]:
    """Change some scenes in every way, with and without a star."""
    trials: list[Steadiness] = []
    for index in indices:
        made = scene(HOSTS, seed, index)
        stars, noise = stars_of(seed, index)
        star = next((star for star in stars if star.place == "sky"), None)
        if star is not None:
            trials += _one(subject, made, star, noise)
    return trials


def _one(subject: Subject, made: Scene, star: Star, noise: Noise) -> list[Steadiness]:
    flux = STAR_SNR * star.error
    plain = made.cutout
    starred = with_light(plain, star_image(made, star.x, star.y, flux))
    moved = with_light(plain, star_image(made, star.x + 0.5, star.y + 0.5, flux))
    defect = _opposite(made, star)
    cutouts = [plain, starred, moved]
    for variation in VARIATIONS:
        cutouts += [variation.change(image, noise.level, defect) for image in (plain, starred)]
    results = subject.enhance(cutouts)
    base, reference = results[0], _data(results[1])
    answer = _answer(reference - _data(base), base, made, star, flux, noise)
    place = Star(star.place, star.x + 0.5, star.y + 0.5, star.error)
    shifted = _answer(_data(results[2]) - _data(base), base, made, place, flux, noise)
    trials = [Steadiness(subject.name, SUBPIXEL, "shift", math.nan, *_compared(shifted, answer), 0, 0)]
    pedestal = PEDESTAL * noise.level / _per_pixel(base)
    for variation, before, after in zip(VARIATIONS, results[3::2], results[4::2], strict=True):
        undone = [variation.undo(_data(result), pedestal) for result in (before, after)]
        changed = _answer(undone[1] - undone[0], base, made, star, flux, noise)
        difference = (undone[1] - reference) * _per_pixel(base) / noise.level
        used = _used(made, round(base.scale), defect, variation)
        known = difference[used & np.isfinite(difference)]
        trials.append(
            Steadiness(
                subject.name,
                variation.name,
                variation.kind,
                float(np.sqrt((known**2).mean())) if known.size else math.nan,
                *_compared(changed, answer),
                _missing(undone[0], base, defect, variation),
                _new_sources(subject, before, base, made, defect) if variation.local else 0,
            )
        )
    return trials


def _data(enhanced: Enhanced) -> Array:
    return enhanced.image.data.astype(np.float64)


def _per_pixel(enhanced: Enhanced) -> float:
    """Output pixels that share the flux of an input pixel."""
    return 1.0 if enhanced.original.amplitude.value == "surface brightness" else enhanced.scale**2


def _opposite(made: Scene, star: Star) -> tuple[int, int]:
    """Pixel on the other side of the lens, well inside the frame."""
    center = made.cutout.lens_center.value
    assert center is not None
    ny, nx = made.cutout.shape
    x, y = round(2.0 * center[0] - star.x), round(2.0 * center[1] - star.y)
    return min(max(x, 8), nx - 9), min(max(y, 8), ny - 9)


def _answer(
    difference: Array, enhanced: Enhanced, made: Scene, star: Star, flux: float, noise: Noise
) -> Response:
    return star_response(brought_back(difference, enhanced), made.spread, star.x, star.y, flux, noise)


def _compared(changed: Response, answer: Response) -> tuple[float, float]:
    """Relative change of the flux, and how far the star moved."""
    if not answer.flux_ratio or not math.isfinite(answer.flux_ratio):
        return math.nan, math.nan
    moved = math.hypot(changed.dx - answer.dx, changed.dy - answer.dy)
    return changed.flux_ratio / answer.flux_ratio - 1.0, moved


def _used(made: Scene, scale: int, defect: tuple[int, int], variation: Variation) -> NDArray[np.bool_]:
    ny, nx = made.cutout.shape
    edge = border_of((ny, nx))
    used = np.zeros((ny, nx), bool)
    used[edge : ny - edge, edge : nx - edge] = True
    if variation.local:
        rows, columns = np.indices((ny, nx))
        used &= np.hypot(columns - defect[0], rows - defect[1]) > FAR * made.fwhm
    return used.repeat(scale, 0).repeat(scale, 1)


def _missing(undone: Array, base: Enhanced, defect: tuple[int, int], variation: Variation) -> int:
    lost = ~np.isfinite(undone) & np.isfinite(base.image.data)
    if variation.kind == "NaN":
        scale, (x, y) = round(base.scale), defect
        rows = slice((y - BLOCK) * scale, (y + BLOCK + 1) * scale)
        lost[rows, (x - BLOCK) * scale : (x + BLOCK + 1) * scale] = False
    return int(np.count_nonzero(lost))


def _new_sources(
    subject: Subject, enhanced: Enhanced, base: Enhanced, made: Scene, defect: tuple[int, int]
) -> int:
    counts = [
        int(np.count_nonzero(look_at(result, subject.calibration).distance(*defect) < made.fwhm))
        for result in (enhanced, base)
    ]
    return max(0, counts[0] - counts[1])


def tabulate(trials: Sequence[Steadiness]) -> Table:
    """Sum up by system and change."""
    keys = {"system": SYSTEM, "variation": Column("what was done to the input")}
    cells = (
        Cell("kind", "family of the change", lambda those: those[0].kind),
        Cell("n", "scenes", len),
        averaged("change", "median rms change of the output in units of the input's sky noise", median),
        averaged("flux_change", "median relative change of the flux of a star of SNR 50", median),
        averaged("moved", "median distance that this star went beside its place", median, "pix"),
        total("missing", "output pixels lost beyond those that were missing"),
        total("false_sources", "new candidates at the defect, all scenes together"),
    )
    return table_of(trials, keys, cells)


EXPERIMENT = Experiment(
    name="stability",
    title="Stability",
    caption=(
        "The input is turned, mirrored, scaled, lifted, given a wrong PSF or a defect, and the output compared "
        "after undoing that (for defects beyond 3 FWHM). A star of SNR 50 on the sky tells what happens to its "
        "flux and place; it is also put half a pixel further in x and y, and must follow."
    ),
    indices=lambda sizes: range(sizes.steady),
    measure=measure,
    tabulate=tabulate,
    chunk=1,
    images=lambda sizes: 3 + 2 * len(VARIATIONS),
)
