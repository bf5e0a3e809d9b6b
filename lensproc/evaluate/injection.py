"""Stars of known flux put into lenses without a quasar: on the sky, on the arc, near the core."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from lensproc.evaluate.experiment import Column, Experiment, Trial, columns_of, groups, make_table, spread_out
from lensproc.evaluate.intervals import fraction, median, rms
from lensproc.evaluate.look import Look, brought_back, look_at
from lensproc.evaluate.response import star_response
from lensproc.evaluate.scenes import Scene, scene, star_image, with_light
from lensproc.evaluate.sizes import Sizes
from lensproc.evaluate.subjects import Subject
from lensproc.evaluate.truth import true_peaks
from lensproc.qc import thresholds as at
from lensproc.qc.forced import ForcedFit
from lensproc.qc.noise import Noise, measure_noise

if TYPE_CHECKING:
    from astropy.table import Table

HOSTS = "clumpy"

PLACES = ("sky", "arc", "core")
ALL = "all"

TRIES = 200

CLEAR = 1.0
"""No true peak may lie nearer to an injected star [FWHM]."""


@dataclass(frozen=True)
class Star:
    """A star to be put in.

    Parameters
    ----------
    place : str
        sky, arc or core.
    x, y : float
        Zero-based place [px].
    error : float
        1σ error of a forced fit there, in the unit of the pixels.
    """

    place: str
    x: float
    y: float
    error: float


@dataclass(frozen=True)
class Injection(Trial):
    """One star put into one lens.

    Parameters
    ----------
    place : str
        sky, arc or core.
    snr : float
        Flux over the error of a forced fit at that place.
    found : bool
        A candidate lies within half an FWHM.
    confused : bool
        One lay there before the star did: it says nothing of completeness.
    offset : float
        Distance of the candidate from the star [px]; NaN where it was not found.
    flux_ratio, aperture_ratio, dx, dy : float
        See `Response`.
    """

    place: str
    snr: float
    found: bool
    confused: bool
    offset: float
    flux_ratio: float
    aperture_ratio: float
    dx: float
    dy: float


@lru_cache(maxsize=64)
def stars_of(seed: int, index: int) -> tuple[tuple[Star, ...], Noise]:
    """Choose the places in one host, the same for every system; and the noise of the host."""
    made = scene(HOSTS, seed, index)
    noise = measure_noise(made.cutout, made.fwhm)
    assert noise is not None
    rng = np.random.default_rng([seed, index, 11])
    stars = []
    for place in PLACES:
        spot = _spot(made, place, rng, *true_peaks(HOSTS, seed, index))
        if spot is None:
            continue
        fit = ForcedFit(made.spread, np.array([spot[0]]), np.array([spot[1]]), noise)
        if np.isfinite(fit.error[0]):
            stars.append(Star(place, *spot, float(fit.error[0]) * noise.level))
    return tuple(stars), noise


def _spot(
    made: Scene, place: str, rng: np.random.Generator, peaks_x: np.ndarray, peaks_y: np.ndarray
) -> tuple[float, float] | None:
    """Draw a place clear of true peaks: sky beyond the arc, the Einstein ring, or 1 to 1.5 FWHM from the core."""
    center = made.cutout.lens_center.value
    assert center is not None
    frame = made.sim.exposure.frame
    ring = made.sim.scene.einstein_radius / frame.pixel_scale
    limit = frame.size - 1 - (at.BORDER + 2.0)
    for _ in range(TRIES):
        angle = rng.uniform(0.0, 2.0 * math.pi)
        if place == "sky":
            radius = rng.uniform(ring + 2.5 * made.fwhm, 0.5 * frame.size)
        elif place == "arc":
            radius = rng.normal(ring, 0.15 * ring)
        else:
            radius = rng.uniform(1.0, 1.5) * made.fwhm
        x, y = center[0] + radius * math.cos(angle), center[1] + radius * math.sin(angle)
        inside = min(x, y) >= at.BORDER + 2.0 and max(x, y) <= limit
        outside_core = place == "core" or radius > 1.6 * made.fwhm
        distance = np.hypot(peaks_x - x, peaks_y - y)
        if inside and outside_core and (distance.size == 0 or distance.min() > CLEAR * made.fwhm):
            return x, y
    return None


def measure(subject: Subject, seed: int, indices: Sequence[int], sizes: Sizes) -> list[Injection]:
    """Put stars of every SNR into every place of some hosts, one at a time."""
    trials = []
    for index in indices:
        made = scene(HOSTS, seed, index)
        stars, noise = stars_of(seed, index)
        asked = [(star, snr) for star in stars for snr in sizes.snrs]
        lights = [star_image(made, star.x, star.y, snr * star.error) for star, snr in asked]
        results = subject.enhance([made.cutout, *(with_light(made.cutout, light) for light in lights)])
        before = look_at(results[0], subject.calibration)
        before_data = results[0].image.data.astype(np.float64)
        for (star, snr), result in zip(asked, results[1:], strict=True):
            after = look_at(result, subject.calibration)
            difference = brought_back(result.image.data - before_data, result)
            answer = star_response(difference, made.spread, star.x, star.y, snr * star.error, noise)
            found, offset = _found(after, star, made)
            trials.append(
                Injection(
                    subject.name,
                    star.place,
                    snr,
                    found,
                    _found(before, star, made)[0],
                    offset,
                    answer.flux_ratio,
                    answer.aperture_ratio,
                    answer.dx,
                    answer.dy,
                )
            )
    return trials


def _found(look: Look, star: Star, made: Scene) -> tuple[bool, float]:
    distance = look.distance(star.x, star.y)
    if distance.size == 0 or distance.min() > at.SEPARATION * made.fwhm:
        return False, math.nan
    return True, float(distance.min())


def tabulate(trials: Sequence[Injection]) -> Table:
    """Sum up by system, place and SNR; the place ``all`` is the three together."""
    rows = []
    together = [replace(trial, place=ALL) for trial in trials]
    for (system, place, snr), those in groups([*trials, *together], "system", "place", "snr").items():
        clear = [trial for trial in those if not trial.confused]
        ratio = np.array([trial.flux_ratio for trial in those])
        shift = np.array([[trial.dx, trial.dy] for trial in those])
        known = np.isfinite(shift).all(1)
        bias = shift[known].mean(axis=0) if known.any() else np.full(2, math.nan)
        scatter = (shift[known] - bias).ravel()
        rows.append(
            {
                "system": system,
                "place": place,
                "snr": snr,
                "n": len(clear),
                "confused": len(those) - len(clear),
                **spread_out("completeness", fraction(sum(trial.found for trial in clear), len(clear))),
                **spread_out("flux_ratio", median(ratio)),
                **spread_out("aperture_ratio", median(np.array([t.aperture_ratio for t in those]))),
                **spread_out("offset", rms(np.array([trial.offset for trial in clear]))),
                "bias_x": float(bias[0]),
                "bias_y": float(bias[1]),
                **spread_out("scatter", rms(scatter)),
            }
        )
    columns = {
        "system": Column("what was measured"),
        "place": Column("sky, arc, or core (1 to 1.5 FWHM from the lens)"),
        "snr": Column("flux over the error of a forced fit at that place"),
        "n": Column("stars that count for completeness"),
        "confused": Column("stars where the output showed a candidate before"),
        **columns_of("completeness", "share found within half an FWHM"),
        **columns_of("flux_ratio", "median flux out over flux in, by paired injection and a fit of the PSF"),
        **columns_of("aperture_ratio", "the same by the sum within 2 FWHM"),
        **columns_of("offset", "rms distance of the candidate from the star", "pix"),
        "bias_x": Column("mean shift by paired injection along x", "pix"),
        "bias_y": Column("mean shift by paired injection along y", "pix"),
        **columns_of("scatter", "rms of that shift per axis about its mean", "pix"),
    }
    return make_table(rows, columns)


EXPERIMENT = Experiment(
    name="injection",
    title="Injected stars",
    caption=(
        "Noise-free stars are added to noisy lenses without a quasar, clear of true peaks. Found: a candidate "
        "within half an FWHM where the output showed none before. Flux and shift: a fit of the PSF to "
        "H[E(x + star) - E(x)], which needs no model of the host. SNR is flux over the error of a forced fit "
        "at that place. Intervals: Wilson for shares, bootstrap for the rest."
    ),
    indices=lambda sizes: range(sizes.hosts),
    measure=measure,
    tabulate=tabulate,
    chunk=2,
    images=lambda sizes: 1 + len(PLACES) * len(sizes.snrs),
)
