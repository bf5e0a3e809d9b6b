"""Photon noise without a variance plane, where the unit tells how many photons were counted."""

import numpy as np
import pytest
from astropy.io.fits import Header
from scipy.ndimage import uniform_filter

from lensproc.cutout import Resolved
from lensproc.qc.forced import ForcedFit, PointSpread
from lensproc.qc.noise import measure_noise
from lensproc.qc.photons import electrons_per_unit
from lensproc.qc.quick import quick_checks
from tests.qc.scenes import Scene, ideal, ideal_calibration, observe

EXPOSURE = 2000.0
SKY = 100.0
"""Electrons per pixel from the sky: its noise is 10 electrons."""
STAR = Scene(stars=((20.3, 25.1, 2.0e4), (44.0, 40.3, 5.0e3)), lens_peak=2000.0, ring_peak=1000.0)
"""In electrons."""


def counted(rng, shared=False):
    """Electrons per second; each pixel counts its own photons, or each photon is shared by 2 × 2 pixels."""
    truth = STAR.render() + SKY
    electrons = rng.poisson(truth) - SKY
    if shared:
        electrons = uniform_filter(electrons.astype(float), 2, mode="nearest")
    cutout = observe(STAR, rng, variance=False)
    header = cutout.header.copy()
    header["EXPTIME"] = EXPOSURE
    return cutout.replace(
        data=(electrons / EXPOSURE).astype(np.float32), header=header, unit=Resolved("electron/s", "test")
    )


def test_sigma_is_the_scatter_of_many_exposures():
    rng = np.random.default_rng(1)
    cutouts = [counted(rng) for _ in range(200)]
    scatter = np.std([cutout.data for cutout in cutouts], axis=0)
    noise = measure_noise(cutouts[0], 3.0)
    claimed = noise.sigma * noise.level
    for rows, columns in (
        (slice(24, 27), slice(19, 22)),
        (slice(30, 34), slice(30, 34)),
        (slice(2, 9), slice(2, 60)),
    ):
        assert claimed[rows, columns].mean() == pytest.approx(scatter[rows, columns].mean(), rel=0.1)
    assert claimed[25, 20] > 4.0 * noise.level


@pytest.mark.parametrize("shared", [False, True])
def test_the_error_of_a_forced_flux_is_its_scatter(shared):
    rng = np.random.default_rng(2)
    x, y = np.array([star[0] for star in STAR.stars]), np.array([star[1] for star in STAR.stars])
    fluxes, errors = [], []
    for _ in range(60):
        cutout = counted(rng, shared)
        noise = measure_noise(cutout, 3.0)
        fit = ForcedFit(PointSpread(cutout.psf.value), x, y, noise)
        seen = fit.fluxes((cutout.data - noise.sky) / noise.level)
        fluxes.append(seen.flux * noise.level)
        errors.append(seen.error * noise.level)
    assert np.mean(errors, axis=0) == pytest.approx(np.std(fluxes, axis=0), rel=0.3)


def test_an_enhancer_that_removes_the_photon_noise_passes():
    rng = np.random.default_rng(3)
    for _ in range(3):
        cutout = counted(rng)
        truth = ideal(STAR, cutout, sigma=1.0 / EXPOSURE)
        qa = quick_checks(truth, ideal_calibration(1.0)).qa
        assert qa["QASTAT"].value in ("PASS", "WARN")
        assert qa["QACHI2"].value == pytest.approx(1.0, abs=0.15)
        blind = cutout.replace(unit=Resolved("adu", "test"))
        judged = quick_checks(ideal(STAR, blind, sigma=1.0 / EXPOSURE), ideal_calibration(1.0)).qa
        assert judged["QACHI2"].value > 1.5


@pytest.mark.parametrize(
    ("unit", "cards", "expected"),
    [
        ("electron", {}, 1.0),
        ("electron/s", {"EXPTIME": 1980.0}, 1980.0),
        ("electron/s", {"EXPTIME": 0.0, "EXPOSURE": 30}, 30.0),
        ("electron/s", {"EXPTIME": "n/a"}, None),
        ("electron/s", {}, None),
        ("adu", {"EXPTIME": 30.0}, None),
        ("count", {"EXPTIME": 30.0}, None),
        (None, {"EXPTIME": 30.0}, None),
    ],
)
def test_photons_are_known_from_the_unit_alone(unit, cards, expected):
    cutout = observe(Scene(), np.random.default_rng(0)).replace(
        header=Header(cards), unit=Resolved(unit, "test")
    )
    assert electrons_per_unit(cutout) == expected


def test_a_variance_plane_goes_before():
    cutout = counted(np.random.default_rng(4))
    variance = np.full(cutout.shape, 0.01**2, np.float32)
    noise = measure_noise(cutout.replace(variance=variance), 3.0)
    assert noise.from_variance
    assert noise.sigma == pytest.approx(1.0)
