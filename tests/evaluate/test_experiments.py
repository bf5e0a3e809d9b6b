import dataclasses
import math

import numpy as np
import pytest

pytest.importorskip("lenstronomy")

from lensproc.evaluate import blanks, control, coverage, injection, pairs, quasars, repeatability, stability
from lensproc.evaluate.sizes import QUICK
from tests.evaluate import enhancers

SIZES = dataclasses.replace(QUICK, snrs=(20.0, 50.0))
HOSTS = range(4)


def row_of(table, **wanted):
    keep = np.ones(len(table), bool)
    for name, value in wanted.items():
        keep &= np.asarray(table[name]) == value
    assert keep.sum() == 1
    return table[keep][0]


@pytest.fixture(scope="module")
def injected():
    trials = []
    for subject in (enhancers.raw(), enhancers.dimmer(), enhancers.shifter()):
        trials += injection.measure(subject, 5, HOSTS, SIZES)
    return injection.tabulate(trials)


def test_the_input_itself_keeps_flux_and_place(injected):
    for row in injected[injected["system"] == "raw"]:
        assert row["flux_ratio"] == pytest.approx(1.0, abs=0.003)
        assert row["aperture_ratio"] == pytest.approx(1.0, abs=0.003)
        assert math.hypot(row["bias_x"], row["bias_y"]) < 0.003


def test_a_fifth_of_the_flux_lost_is_measured_as_a_fifth(injected):
    row = row_of(injected, system="dimmer", place="all", snr=20.0)
    assert row["flux_ratio"] == pytest.approx(0.8, abs=0.004)
    assert row["aperture_ratio"] == pytest.approx(0.8, abs=0.004)
    assert row["flux_ratio_low"] <= row["flux_ratio"] <= row["flux_ratio_high"]


def test_half_a_pixel_is_measured_as_half_a_pixel(injected):
    for place in injection.PLACES:
        row = row_of(injected, system="shifter", place=place, snr=50.0)
        assert row["bias_x"] == pytest.approx(0.5, abs=0.01)
        assert row["bias_y"] == pytest.approx(0.0, abs=0.01)
        assert row["scatter"] < 0.02


def test_bright_stars_on_the_sky_are_found(injected):
    row = row_of(injected, system="raw", place="sky", snr=50.0)
    assert row["completeness"] == 1.0
    assert row["completeness_low"] < 0.6, "four stars do not make certainty"
    assert row["offset"] < 0.2


def test_invented_stars_are_counted_on_blanks_and_denied_by_the_input():
    table = blanks.tabulate(
        [t for s in (enhancers.inventor(), enhancers.raw()) for t in blanks.measure(s, 5, range(12), SIZES)]
    )
    invented, honest = (row_of(table, system=name) for name in ("inventor", "raw"))
    assert invented["found"] >= 12
    assert invented["supported"] == 0
    assert invented["denied"] == 12, "one star in every field that the input does not show"
    assert honest["supported"] == honest["denied"] == 0
    assert honest["supported_rate_high"] == pytest.approx(2996 / 12, rel=0.01)


def test_invented_points_are_told_from_clumps_that_are_there():
    table = control.tabulate(
        [t for s in (enhancers.inventor(), enhancers.raw()) for t in control.measure(s, 5, range(4), SIZES)]
    )
    invented, honest = (row_of(table, system=name) for name in ("inventor", "raw"))
    assert honest["points"] > 0
    assert honest["invented"] == 0
    assert invented["invented"] >= 3
    assert invented["invented_rate"] == pytest.approx(250.0 * invented["invented"])


def test_an_invented_star_lowers_purity_and_shows_in_the_residual():
    subjects = (enhancers.inventor(), enhancers.raw())
    table = quasars.tabulate([t for s in subjects for t in quasars.measure(s, 5, range(6), SIZES)])
    invented, honest = (row_of(table, system=name) for name in ("inventor", "raw"))
    assert invented["invented"] > 0.1 > honest["invented"]
    assert invented["purity"] < honest["purity"] <= 1.0 - honest["invented"]
    assert invented["peaks"] == 1.0
    assert honest["peaks"] == 0.0
    assert honest["chi2"] == pytest.approx(0.0, abs=1e-6), "the input copies its own noise"
    assert honest["completeness"] > 0.6


def test_scenes_of_another_recipe_are_those_of_its_streams():
    """A sealed recipe has the definition of the open one, and streams of its own for the same seed."""
    (sealed,) = quasars.measure_scenes(enhancers.raw(), "sealed-quasars", 20260107, [1])
    (open_one,) = quasars.measure(enhancers.raw(), 20260107, [1], SIZES)
    assert set(sealed.snr) <= set(quasars.forced_snr_of("sealed-quasars", 20260107, 1))
    assert sealed.snr != open_one.snr


def test_wide_pairs_are_two_and_close_ones_are_not():
    sizes = dataclasses.replace(
        SIZES, separations=(0.3, 2.0), ratios=(1.0,), pair_snrs=(100.0,), pairs=4, singles=4
    )
    indices = pairs.indices(sizes)
    assert len(indices) == 12
    table = pairs.tabulate(pairs.measure(enhancers.raw(), 5, indices, sizes))
    assert row_of(table, separation=2.0)["resolved"] == 1.0
    assert row_of(table, separation=2.0)["supported"] == 1.0
    assert row_of(table, separation=0.3)["resolved"] == 0.0
    assert row_of(table, separation=0.0)["resolved"] == 0.0


def test_half_resolved_pairs_are_told_by_ratio_and_with_their_interval():
    def doubles(separation, ratio, resolved):
        return [pairs.Double("s", separation, ratio, 100.0, k < resolved, False) for k in range(20)]

    trials = [
        t
        for s, ratio, k in ((0.5, 1.0, 0), (1.0, 1.0, 20), (0.5, 3.0, 0), (1.0, 3.0, 5))
        for t in doubles(s, ratio, k)
    ]
    table = pairs.tabulate(trials)
    equal = pairs.resolved_half(table, "s")
    assert (equal.value, equal.n) == (0.75, 40)
    assert 0.5 < equal.low < 0.75 < equal.high < 1.0
    faint = pairs.resolved_half(table, "s", 3.0)
    assert math.isinf(faint.value)
    assert math.isinf(faint.high)
    assert math.isnan(pairs.resolved_half(table, "s", 10.0).value)


@pytest.mark.parametrize(
    ("curve", "half"),
    [
        ({0.5: 0.0, 1.0: 1.0}, 0.75),
        ({0.5: 0.6, 1.0: 0.4, 1.5: 0.6}, 1.25),
        ({0.5: 0.1, 1.0: 0.4}, None),
        ({0.5: 0.9, 1.0: 1.0}, 0.5),
    ],
)
def test_half_resolved_separation_is_interpolated(curve, half):
    assert pairs.half_resolved(curve) == (None if half is None else pytest.approx(half))


def test_stability_of_an_enhancer_that_depends_on_the_orientation():
    honest = stability.tabulate(stability.measure(enhancers.raw(), 5, [0], SIZES))
    assert np.nanmax(honest["change"]) < 1e-5
    assert np.abs(honest["flux_change"]).max() < 0.005
    assert honest["moved"].max() < 0.01
    assert honest["missing"].sum() == 0
    moved = stability.tabulate(stability.measure(enhancers.shifter(), 5, [0], SIZES))
    assert row_of(moved, variation="turned by 180°")["moved"] == pytest.approx(1.0, abs=0.02)
    assert row_of(moved, variation="turned by 90°")["moved"] == pytest.approx(0.5**0.5, abs=0.02)
    assert row_of(moved, variation="flux × 3")["change"] < 1e-4


def test_missing_pixels_that_spread_are_counted():
    table = stability.tabulate(stability.measure(enhancers.spreader(), 5, [0], SIZES))
    assert row_of(table, kind="NaN")["missing"] == 3 * 64 - 9
    assert table["missing"].sum() == 3 * 64 - 9


def test_noise_does_not_repeat_and_light_does():
    table = repeatability.tabulate(repeatability.measure(enhancers.raw(), 5, range(2), SIZES))
    low, high = table[table["frequency"] < 0.05], table[table["frequency"] > 0.35]
    assert low["correlation"].min() > 0.95
    assert abs(high["correlation"].mean()) < 0.1


def test_ring_correlation_of_an_image_with_itself_is_one():
    image = np.random.default_rng(0).normal(size=(64, 64))
    frequency, correlation = repeatability.ring_correlation(image, image, 2)
    assert frequency.max() < 1.0
    np.testing.assert_allclose(correlation, 1.0)


@pytest.mark.parametrize(("factor", "expected"), [(1.0, 0.9), (0.5, 0.589)])
def test_coverage_of_stated_errors(factor, expected):
    table = coverage.tabulate(coverage.measure(enhancers.stater(factor), 5, range(6), SIZES))
    sky = row_of(table, group="sky")
    assert sky["covered"] == pytest.approx(expected, abs=0.01)
    assert sky["covered_low"] - 0.005 <= expected <= sky["covered_high"] + 0.005
    assert set(table["group"]) == set(coverage.GROUPS)


def test_a_stage_without_errors_is_skipped_with_the_reason():
    table = coverage.tabulate(coverage.measure(enhancers.dimmer(), 5, [0], SIZES))
    assert len(table) == 1
    assert math.isnan(table["covered"][0])
    assert table["status"][0] == "gives no uncertainty plane"
