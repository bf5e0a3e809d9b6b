"""A calibration says what noise and a star become, survives its file, and is found by its options."""

import json

import numpy as np
import pytest

from lensproc.cutout import Resolved
from lensproc.errors import UsageError
from lensproc.qc.calibration import BlankLevel, Probe, measure_calibration
from lensproc.qc.calibration_file import (
    calibrations_to_text,
    changes,
    find_calibration,
    options_sha256,
    read_calibrations,
    to_keep,
)
from lensproc.qc.sources import recipe_kernel
from tests.qc.scenes import bicubic_enhancer


def identity(cutouts):
    return list(cutouts)


def smooth(cutouts):
    from scipy.ndimage import gaussian_filter

    return [c.replace(data=gaussian_filter(c.data, 1.5).astype(np.float32)) for c in cutouts]


def test_identity_has_the_noise_of_the_recipe():
    measured = measure_calibration(identity, blanks=10, fwhms=(3.0,), lags=(0.0,), size=80)
    level = measured.levels[0]
    assert level.gain == pytest.approx(np.sqrt((recipe_kernel(3.0) ** 2).sum()), rel=0.06)
    assert 3.0 * level.gain < level.maximum < 5.5 * level.gain
    assert level.width == pytest.approx(3.0, rel=0.05)


def test_bicubic_keeps_the_width_of_the_star_and_smoothing_widens_it(calibration):
    for fwhm in (2.0, 3.0, 5.0):
        assert calibration.level_at(fwhm, 0.0).width == pytest.approx(2 * fwhm, rel=0.1)
    wide = measure_calibration(smooth, fwhms=(3.0,), lags=(0.0,))
    assert wide.levels[0].width == pytest.approx(np.hypot(3.0, 1.5 * 2.355), rel=0.08)
    assert wide.levels[0].gain < 0.5 * calibration.level_at(3.0, 0.0).gain


def test_a_stage_that_wipes_everything_out_is_calibrated_too():
    def wipe(cutouts):
        return [c.replace(data=np.zeros_like(c.data), psf=Resolved(None, "unknown")) for c in cutouts]

    level = measure_calibration(wipe, fwhms=(3.0,), lags=(0.0,)).levels[0]
    assert (level.gain, level.maximum, level.star) == (0.0, 0.0, 0.0)
    assert level.width == 3.0


def test_correlated_noise_comes_through_a_stage_more_strongly(calibration):
    assert calibration.level_at(3.0, 0.45).gain > 1.2 * calibration.level_at(3.0, 0.0).gain
    between = calibration.level_at(3.0, 0.2).gain
    assert calibration.level_at(3.0, 0.0).gain < between < calibration.level_at(3.0, 0.45).gain


def test_levels_outside_the_grid_go_on_in_proportion(calibration):
    edge, beyond = calibration.level_at(5.0, 0.0), calibration.level_at(10.0, 0.9)
    assert beyond.width == pytest.approx(2 * edge.width, rel=0.02)
    assert beyond.star == pytest.approx(edge.star / 4, rel=0.02)


def test_same_seed_same_calibration():
    first, second = (measure_calibration(bicubic_enhancer(), blanks=2, fwhms=(3.0,)) for _ in range(2))
    assert first == second


def test_round_trip_and_lookup_by_options(calibration):
    probe = Probe(calibration.levels[0], {"sky": 1.5})
    kept = [
        to_keep(calibration, options, "3", {"blanks": 4}, probe)
        for options in ({"scale": 2}, {"scale": 3, "kind": "x"})
    ]
    measured = {entry.options_sha256: entry for entry in kept}
    text = calibrations_to_text("bicubic", measured)
    assert read_calibrations(text) == measured
    assert find_calibration(text, {"kind": "x", "scale": 3}, "3") == kept[1]
    assert kept[1].options_sha256 == options_sha256({"kind": "x", "scale": 3})
    assert find_calibration(text, {"scale": 4}, "3") is None
    assert find_calibration(text, {"scale": 2}, "4") is None  # the stage's pixels have changed since
    assert text == calibrations_to_text("bicubic", dict(reversed(measured.items())))


def test_a_probe_tells_what_changed():
    before = Probe(BlankLevel(3.0, 0.25, 0.2, 0.9, 6.0, 0.01), {"sky": 1.6})
    assert changes(before, Probe(BlankLevel(3.0, 0.25, 0.2 * 1.0005, 0.9, 6.0, 0.01), {"sky": 1.6})) == []
    now = Probe(BlankLevel(3.0, 0.25, 0.2, 0.9, 6.1, 0.01), {"arc": 1.6})
    assert changes(before, now) == [
        "conformal factor of sky is no longer measured",
        "conformal factor of arc was not measured",
        "width was 6, is 6.1",
    ]


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"schema": 99, "calibrations": {}})])
def test_other_files_are_refused_with_a_line(text):
    with pytest.raises(UsageError, match="calibration file"):
        read_calibrations(text)
