"""What an enhancer may do wrong makes a check fail; an ideal one makes none."""

import dataclasses
from collections import Counter

import numpy as np
import pytest

from lensproc.qc.changes import small_changes
from lensproc.qc.pair import side_by_side
from lensproc.qc.quick import quick_checks
from tests.qc.scenes import (
    Scene,
    bicubic,
    enhanced,
    flux_of_snr,
    ideal,
    ideal_calibration,
    noise_field,
    observe,
    quasar_scene,
)

SIZE = 64


def setting(seed, lag1=0.0, snr=(50.0, 25.0)):
    rng = np.random.default_rng(seed)
    scene = quasar_scene(rng, snr)
    return scene, observe(scene, rng, lag1=lag1)


def status(pair, calibration):
    return quick_checks(pair, calibration).qa


def fails(qa):
    """Keywords whose value is beyond its failing limit; QASTAT must agree."""
    assert qa["QASTAT"].value == "FAIL", {name: value.value for name, value in qa.items()}
    return qa


@pytest.mark.parametrize("lag1", [0.0, 0.4])
@pytest.mark.parametrize("width", [1.0, 0.5])
@pytest.mark.parametrize("snr", [5, 20, 100, 1000])
def test_nothing_fails_on_an_ideal_enhancer(lag1, width, snr):
    count = Counter()
    for seed in range(6):
        scene, cutout = setting(seed + 100 * snr, lag1, (snr, 0.6 * snr))
        qa = status(ideal(scene, cutout, width=width), ideal_calibration(width))
        count[qa["QASTAT"].value] += 1
    assert count["FAIL"] <= 1


def test_residual_of_an_ideal_enhancer_is_the_noise(calibration):
    values = {"QACHI2": [], "QABKG": [], "QAFLX": [], "QARHO1": []}
    for seed in range(12):
        scene, cutout = setting(seed)
        qa = status(ideal(scene, cutout), calibration)
        for name, seen in values.items():
            seen.append((qa[name].value - (name == "QACHI2")) / qa[name].error)
    for seen in values.values():
        assert abs(np.mean(seen)) < 1.2
        assert 0.3 < np.std(seen) < 1.8


def test_chance_of_the_largest_peak_is_a_chance(calibration):
    """Spread between 0 and 1 on noise, and rather too high than too low.

    Three independent tests with exact chances would have a mean of .5 (Šidák's rule is exact), three that always
    say the same .75. Of 400 such scenes the mean is .64 in white and .71 in correlated noise (one test alone: PSF
    .58 and .63, wide filter .57 and .63, rings .72 and .82): rings overlap but count as independent, s allows for
    H (without: .59 in white noise), and Σ ρ is measured too large beside faint light. Of half and half .67 is
    expected, ± .05 for 40 scenes.
    """
    chances = []
    for seed in range(40):
        scene, cutout = setting(seed, 0.4 if seed % 2 else 0.0)
        text = status(ideal(scene, cutout), calibration)["QACHIP"].description
        chances.append(float(text.rsplit("p=", 1)[1]))
    assert 0.3 < np.mean(chances) < 0.8
    assert np.mean(np.array(chances) < 0.1) < 0.25


def test_bicubic_is_told_that_it_copied_the_noise(calibration):
    for seed in range(3):
        _, cutout = setting(seed)
        qa = status(bicubic(cutout), calibration)
        assert qa["QASTAT"].value == "WARN"
        assert qa["QACHI2"].value < 0.1


def test_an_erased_source_is_lost(calibration):
    for seed in range(3):
        scene, cutout = setting(seed)
        star = (20.0, 48.0, flux_of_snr(15.0, 3.0))
        with_star = cutout.replace(
            data=cutout.data
            + dataclasses.replace(scene, stars=(star,), lens_peak=0, ring_peak=0).render().astype(np.float32)
        )
        qa = fails(status(ideal(scene, with_star), calibration))
        assert qa["QANLOST"].value == 1


def test_the_second_quasar_lost_is_said(calibration):
    scene, cutout = setting(4, snr=(100.0, 20.0))
    gone = dataclasses.replace(scene, stars=scene.stars[:1])
    qa = fails(status(ideal(gone, cutout), calibration))
    assert qa["QANLOST"].value == 1 or float(qa["QACHIP"].description.rsplit("p=", 1)[1]) < 1e-5


@pytest.mark.parametrize("width", [1.0, 0.5])
def test_an_invented_source_is_denied(width):
    for seed in range(3):
        scene, cutout = setting(seed)
        star = (20.0, 48.0, flux_of_snr(12.0, 3.0))
        more = dataclasses.replace(scene, stars=(*scene.stars, star))
        checked = quick_checks(ideal(more, cutout, width=width), ideal_calibration(width))
        assert fails(checked.qa)["QANHAL"].value == 1
        rows = checked.sources.columns
        invented = rows["verdict"] == "HALLUC"
        assert rows["x"][invented] == pytest.approx(20.0, abs=0.3)


def test_lost_flux_is_seen(calibration):
    scene, cutout = setting(5, snr=(100.0, 50.0))
    qa = fails(status(enhanced(cutout, 0.92 * scene.render(2), 2), calibration))
    assert qa["QAFLX"].value == pytest.approx(-8.0, abs=4 * qa["QAFLX"].error)
    assert qa["QAFLX"].value < -3.0


def test_a_shift_is_seen_in_its_size(calibration):
    scene, cutout = setting(6)
    moved = dataclasses.replace(
        scene,
        stars=tuple((x + 0.3, y, f) for x, y, f in scene.stars),
        center=(scene.center[0] + 0.3, scene.center[1]),
    )
    qa = fails(status(ideal(moved, cutout), calibration))
    assert qa["QASHFT"].value == pytest.approx(0.3, abs=0.05)
    assert qa["QADX"].value == pytest.approx(0.3, abs=0.1)


def test_a_corner_aligned_zoom_is_seen_though_it_does_not_move_the_middle(calibration):
    from scipy.ndimage import map_coordinates

    scene, cutout = setting(7, snr=(600.0, 300.0))
    at = np.arange(2 * SIZE) * (SIZE - 1) / (2 * SIZE - 1)
    zoomed = map_coordinates(scene.render(), np.meshgrid(at, at, indexing="ij"), order=3, mode="nearest")
    qa = fails(status(enhanced(cutout, zoomed, 2), calibration))
    # the edge pixel's centre is a quarter of an input pixel off
    assert qa["QASHFT"].value == pytest.approx(0.25, abs=0.05)


def test_a_pedestal_is_seen_in_its_size(calibration):
    scene, cutout = setting(8)
    qa = fails(status(enhanced(cutout, scene.render(2) + 0.5, 2), calibration))
    assert qa["QABKG"].value == pytest.approx(0.5, abs=0.08)
    assert abs(qa["QAFLX"].value) < 3 * qa["QAFLX"].error


def test_half_the_noise_copied_as_blotches_has_too_much_correlation(calibration):
    scene, cutout = setting(9)
    from scipy.ndimage import gaussian_filter

    blotches = gaussian_filter(noise_field(np.random.default_rng(0), 2 * SIZE), 4.0)
    fine = scene.render(2) + 1.0 * blotches / blotches.std()
    qa = fails(status(enhanced(cutout, fine, 2), calibration))
    assert qa["QARHO1"].value > 0.2


def test_a_hole_and_negative_light_are_seen(calibration):
    scene, cutout = setting(10)
    fine = scene.render(2)
    fine[100:104, 20:24] = np.nan
    assert fails(status(enhanced(cutout, fine, 2), calibration))["QAFIN"].value == pytest.approx(16 / 128**2)
    fine = scene.render(2)
    fine[10:40, 10:20] = -20.0
    assert fails(status(enhanced(cutout, fine, 2), calibration))["QANEG"].value > 0.01


def test_a_source_in_correlated_noise_stands_out_by_the_snr_of_the_best_filter(calibration):
    """QACHIP of an erased source: its SNR with the PSF over the noise power; the PSF alone keeps 0.91 of it."""
    lag1, fwhm = 0.4, 2.0
    side = (1.0 - np.sqrt(1.0 - 2.0 * lag1**2)) / (2.0 * lag1)
    along = (1.0 + 2.0 * side * np.cos(2.0 * np.pi * np.fft.fftfreq(SIZE))) ** 2 / (1.0 + 2.0 * side**2)
    star = Scene(fwhm=fwhm, stars=((31.0, 31.0, 200.0),))
    best = np.sqrt((np.abs(np.fft.fft2(star.render())) ** 2 / np.outer(along, along)).mean())
    peaks = []
    for seed in range(10):
        cutout = observe(star, np.random.default_rng(seed), lag1=lag1)
        peaks.append(status(enhanced(cutout, np.zeros((2 * SIZE, 2 * SIZE)), 2), calibration)["QACHIP"].value)
    assert np.mean(peaks) == pytest.approx(best, rel=0.05)


def test_flux_lost_in_correlated_noise_is_seen_in_faint_scenes(calibration):
    for seed in range(4):
        scene, cutout = setting(seed, 0.4, (15.0, 15.0))
        qa = fails(status(enhanced(cutout, 0.92 * scene.render(2), 2), calibration))
        assert qa["QAFLX"].value == pytest.approx(-8.0, abs=4 * qa["QAFLX"].error)


@pytest.mark.parametrize("lag1", [0.0, 0.4])
def test_the_errors_of_shift_magnification_and_brightness_are_those_seen(lag1):
    pulls = []
    for seed in range(30):
        scene, cutout = setting(seed, lag1, (30.0, 20.0))
        found = small_changes(side_by_side(ideal(scene, cutout)))
        pulls.append(found.value[:4] / found.error[:4])
    assert np.abs(np.mean(pulls, 0)).max() < 0.7
    assert 0.6 < np.std(pulls, 0).min() <= np.std(pulls, 0).max() < 1.35


@pytest.mark.parametrize("lag1", [0.0, 0.4])
def test_faint_wide_light_that_was_wiped_out_is_seen(lag1, calibration):
    """A wide ring of at most 2.5σ in a pixel. It correlates the sky, which must not fail who keeps it."""
    rng = np.random.default_rng(12)
    halo = Scene(lens_peak=30.0)
    y, x = np.indices((2 * SIZE, 2 * SIZE)) / 2.0 - 31.75
    wide = 2.5 * np.exp(-0.5 * ((np.hypot(x, y) - 16.0) / 3.0) ** 2)
    for _ in range(3):
        cutout = observe(halo, rng, lag1=lag1)
        coarse = wide.reshape(SIZE, 2, SIZE, 2).mean((1, 3)).astype(np.float32)
        seen = cutout.replace(data=cutout.data + coarse)
        fails(status(enhanced(seen, halo.render(2), 2), calibration))
        kept = status(enhanced(seen, halo.render(2) + wide, 2), calibration)
        assert float(kept["QACHIP"].description.rsplit("p=", 1)[1]) > 1e-3


def test_an_interpolated_cosmic_ray_is_no_lost_source(calibration):
    """An interpolation cannot keep a single bright pixel; its error there is a share of that pixel's light."""
    scene = Scene(fwhm=2.47, stars=((31.2, 30.8, 6000.0),))
    for seed in range(3):
        cutout = observe(scene, np.random.default_rng(seed), lag1=0.4)
        data = cutout.data.copy()
        data[30, 32] += 2500.0
        hit = cutout.replace(data=data)
        assert float(status(bicubic(hit), calibration)["QACHIP"].description.rsplit("p=", 1)[1]) > 1e-5
        # and a source of SNR 10 that is erased three FWHM beside it is still missed
        star = Scene(fwhm=2.47, stars=((31.2 + 7.4, 30.8, 14.0 * flux_of_snr(1.0, 2.47)),)).render()
        both = hit.replace(data=data + star.astype(np.float32))
        gone = dataclasses.replace(bicubic(hit), original=both)
        assert float(status(gone, calibration)["QACHIP"].description.rsplit("p=", 1)[1]) < 1e-5
