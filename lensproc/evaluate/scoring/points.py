"""Point sources: the flux that an output has at their true places, against their true flux."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lensproc.cutout import PSF
from lensproc.enhanced import Enhanced
from lensproc.evaluate.intervals import BOOTSTRAPS, LEVEL, UNKNOWN, Measured
from lensproc.evaluate.scoring.example import Example, values_of, without_points
from lensproc.evaluate.scoring.metrics import Array
from lensproc.nn.forward import forward_image
from lensproc.nn.psf import PIXEL_VARIANCE, SIGMA_PER_FWHM, gaussian_psf
from lensproc.qc.forced import ForcedFit, PointSpread
from lensproc.qc.noise import Noise
from lensproc.qc.pair import Pair, side_by_side
from lensproc.simulate.image import Simulated

SNR_BINS = ((5.0, 10.0), (10.0, 20.0), (20.0, 50.0), (50.0, 100.0))
"""By the true flux over its photon error."""

APART = 1.0
"""Distance to the nearest other point source [FWHM of the input]."""

INPUT = "input"
"""The forced fit on the pixels that every method got."""

SAMPLES = {
    "fainter": "the fainter image of every quasar that has two",
    "all": "every point source",
}

PLACES = {
    "H(output)": "on the output brought back to the grid and PSF of the input",
    "output": "on the output itself, with the PSF that is declared for it",
}

NARROW = 0.5
"""An output that declares no width at all is convolved to this part of the input's FWHM first."""


@dataclass(frozen=True)
class PointFlux:
    """One point source measured on one image.

    Parameters
    ----------
    index : int
        Number of the image.
    method, place : str
        What was measured, and where (`PLACES`).
    fainter : bool
        Whether it is the fainter of two images of a quasar.
    snr : float
        True flux over `error`.
    ratio : float
        Measured over true flux.
    pull : float
        (Measured - true flux) over the photon error that the input allows.
    """

    index: int
    method: str
    place: str
    fainter: bool
    snr: float
    ratio: float
    pull: float


@dataclass(frozen=True)
class PointSummary:
    """Fluxes of the point sources of one range of SNR.

    Parameters
    ----------
    sample, place, method : str
        Which sources (`SAMPLES`), where they were measured (`PLACES`), and on whose output.
    low, high : float
        Range of SNR.
    ratio : Measured
        Median of measured over true flux.
    scatter : Measured
        Half the width of the middle 68 % of (measured - true flux) over the photon error; 1 is the photon limit.
    """

    sample: str
    place: str
    method: str
    low: float
    high: float
    ratio: Measured
    scatter: Measured


def measure_points(example: Example, made: Mapping[str, Enhanced]) -> list[PointFlux]:
    """Measure every point source that stands apart, on the input and on the output of every method.

    Parameters
    ----------
    example : Example
        A simulated image, whose hosts are known.
    made : mapping of str to Enhanced
        Outputs by method.

    Notes
    -----
    The noise-free light of everything but the point sources is taken off first, the same for all methods: what
    is measured is what a method did to the point source, not how well a fit tells it from its host. A local
    constant is fitted along, and neighbours together (`lensproc.qc.forced`).
    """
    if example.sim is None or example.points.x.size == 0:
        return []
    hosts = without_points(example.sim)
    found: list[PointFlux] = []
    for name, enhanced in made.items():
        pair = side_by_side(enhanced)
        if pair is None or pair.psf is None:
            continue
        fit = ForcedFit(PointSpread(pair.psf), example.points.x, example.points.y, pair.noise)
        host = (hosts.exposure.noise_free.astype(np.float64) - pair.noise.sky) / pair.noise.level
        error = fit.error * pair.noise.level
        if not any(flux.method == INPUT for flux in found):
            found += _fluxes(example, pair, INPUT, "H(output)", fit.fluxes(pair.x - host).flux, error)
        if pair.hy is not None:
            found += _fluxes(example, pair, name, "H(output)", fit.fluxes(pair.hy - host).flux, error)
        sharp = _on_output(example, pair, hosts, enhanced.output_psf)
        if sharp is not None:
            found += _fluxes(example, pair, name, "output", sharp, error)
    return found


def _fluxes(
    example: Example, pair: Pair, method: str, place: str, flux: Array, error: Array
) -> list[PointFlux]:
    assert pair.psf is not None
    points = example.points
    distance = np.hypot(points.x[:, None] - points.x, points.y[:, None] - points.y)
    np.fill_diagonal(distance, math.inf)
    apart = distance.min(1) >= APART * pair.psf.fwhm if points.x.size > 1 else np.ones(points.x.size, bool)
    quasars = [i for i, kind in enumerate(points.kind) if kind == "quasar"]
    faint = min(quasars, key=lambda i: points.flux[i]) if len(quasars) == 2 else -1
    return [
        PointFlux(
            example.index,
            method,
            place,
            i == faint,
            float(points.flux[i] / error[i]),
            float(flux[i] * pair.noise.level / points.flux[i]),
            float((flux[i] * pair.noise.level - points.flux[i]) / error[i]),
        )
        for i in range(points.x.size)
        if apart[i] and np.isfinite(flux[i]) and np.isfinite(error[i])
    ]


def _on_output(example: Example, pair: Pair, hosts: Simulated, declared: object) -> Array | None:
    """Fluxes on the output itself, in units of the noise; None for a declared kernel."""
    scale = pair.scale
    spread, image = pair.psf_out, pair.y
    if isinstance(declared, tuple) or spread is None or pair.psf is None:
        return None
    ratio = 1.0 if declared == "same" else float(str(declared))
    if ratio <= 0.0:
        ratio, fwhm = NARROW, NARROW * scale * pair.psf.fwhm
        spread = PSF(fwhm, gaussian_psf(fwhm))
        assert spread.image is not None
        image = forward_image(image, spread.image, 1, "surface brightness").astype(np.float64)
    host = hosts.truth(scale) if ratio == 1.0 else _behind_gaussian(hosts, pair.psf.fwhm * ratio, scale)
    light = values_of(host, scale, surface_brightness=hosts.surface_brightness)
    rest = image - (light - pair.noise.sky) / pair.noise.level
    x, y = (scale * (place + 0.5) - 0.5 for place in (example.points.x, example.points.y))
    fit = ForcedFit(PointSpread(spread), x, y, _white(rest.shape))
    return np.asarray(fit.fluxes(rest).flux / scale**2)


def _behind_gaussian(hosts: Simulated, fwhm: float, scale: int) -> Array:
    """Light of the hosts behind a Gaussian whose effective FWHM is `fwhm` input pixels."""
    from lensproc.simulate.psf import PSFModel

    variance = max((scale * fwhm * SIGMA_PER_FWHM) ** 2 - PIXEL_VARIANCE, 1e-3)
    side = hosts.exposure.frame.finer(scale).pixel_scale
    model = PSFModel("gaussian", math.sqrt(variance) / SIGMA_PER_FWHM * side)
    return hosts.behind(model, scale).astype(np.float64)


def _white(shape: tuple[int, ...]) -> Noise:
    """Noise of 1 everywhere: every pixel counts alike."""
    ny, nx = shape
    alone = np.zeros((3, 3))
    alone[1, 1] = 1.0
    return Noise(0.0, 1.0, np.ones((ny, nx)), np.ones((ny, nx), bool), alone, 0.0, math.inf, False)


def summarise_points(fluxes: Iterable[PointFlux], methods: Sequence[str]) -> list[PointSummary]:
    """Sum up by sample, place, method and range of SNR; the input first, groups without a source left out."""
    groups: dict[tuple[str, str], list[PointFlux]] = {}
    for flux in fluxes:
        groups.setdefault((flux.place, flux.method), []).append(flux)
    rows = []
    for sample in SAMPLES:
        for place in PLACES:
            for method in (INPUT, *methods):
                those = [f for f in groups.get((place, method), []) if f.fainter or sample == "all"]
                rows += [_summary(sample, place, method, limits, those) for limits in SNR_BINS]
    return [row for row in rows if row.ratio.n]


def _summary(
    sample: str, place: str, method: str, limits: tuple[float, float], those: list[PointFlux]
) -> PointSummary:
    low, high = limits
    inside = sorted((f for f in those if low <= f.snr < high), key=lambda f: f.index)
    ratio, pull = np.array([f.ratio for f in inside]), np.array([f.pull for f in inside])
    return PointSummary(
        sample,
        place,
        method,
        low,
        high,
        bootstrapped(ratio, lambda values: np.median(values, axis=-1)),
        bootstrapped(pull, half_width),
    )


def half_width(values: Array) -> Array:
    """Half the width of the middle 68 %, over the last axis."""
    low, high = np.quantile(values, [0.1587, 0.8413], axis=-1)
    return np.asarray(0.5 * (high - low))


def bootstrapped(values: Array, statistic: Callable[[Array], Array]) -> Measured:
    """Value of a statistic over the last axis, with its 95 % bootstrap interval; none below 5 values."""
    if values.size == 0:
        return UNKNOWN
    value = float(statistic(values))
    if values.size < 5:
        return Measured(value, math.nan, math.nan, values.size)
    drawn = np.random.default_rng([0, values.size]).integers(0, values.size, (BOOTSTRAPS, values.size))
    low, high = np.quantile(statistic(values[drawn]), [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    return Measured(value, float(low), float(high), values.size)
