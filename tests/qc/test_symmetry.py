"""Flips and turns: undone exactly, and a stage that cares for them is told."""

from dataclasses import replace

import numpy as np
import pytest

from lensproc.qc.full import full_checks
from lensproc.qc.symmetry import SYMMETRIES, turned, turned_back, turned_place
from lensproc.report.judgement import state_of
from tests.qc.scenes import bicubic, bicubic_enhancer, observe, quasar_scene


def test_places_and_pixels_turn_together():
    image = np.arange(12.0).reshape(3, 4)
    for symmetry in SYMMETRIES:
        x, y = turned_place((1.0, 2.0), image.shape, *symmetry)
        assert turned(image, *symmetry)[int(y), int(x)] == image[2, 1]
        np.testing.assert_array_equal(turned_back(turned(image, *symmetry), *symmetry), image)


def test_bicubic_does_not_care_and_a_lopsided_stage_fails(calibration):
    rng = np.random.default_rng(4)
    result = bicubic(observe(quasar_scene(rng, (100.0, 50.0)), rng))
    fair = full_checks(result, calibration, bicubic_enhancer()).checked.qa["QATTA"]
    assert fair.value < 1e-3

    def lopsided(cutouts):
        return [c.replace(data=np.roll(c.data, 3, 1)) for c in bicubic_enhancer()(cutouts)]

    moved = full_checks(result, calibration, lopsided).checked.qa
    assert moved["QATTA"].value > 3.0
    assert moved["QASTAT"].value == "FAIL"


@pytest.mark.parametrize(("step", "state"), [(0.5, "PASS"), (2.0, "WARN"), (4.0, "FAIL")])
def test_a_step_between_left_and_right_scatters_by_a_known_amount(calibration, step, state):
    """+c on the left half and -c on the right: turned back, each pixel sees +c four times and -c four times."""
    rng = np.random.default_rng(4)
    fair = bicubic_enhancer()

    def with_step(cutouts):
        results = []
        for image in fair(cutouts):
            # amplitude is flux per pixel: a quarter of the surface brightness of an input pixel
            side = np.where(np.arange(image.shape[1]) < image.shape[1] // 2, 0.25, -0.25)
            results.append(image.replace(data=(image.data + step * side).astype(np.float32)))
        return results

    cutout = observe(quasar_scene(rng, (100.0, 50.0)), rng)
    result = bicubic(cutout)
    result = replace(result, image=with_step([cutout])[0])
    qa = full_checks(result, calibration, with_step).checked.qa
    assert qa["QATTA"].value == pytest.approx(step * np.sqrt(8.0 / 7.0), rel=1e-3)
    assert state_of("QATTA", qa["QATTA"].value, None) == state
