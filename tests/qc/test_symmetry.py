"""Flips and turns: undone exactly, and a stage that cares for them is told."""

import numpy as np

from lensproc.qc.full import full_checks
from lensproc.qc.symmetry import SYMMETRIES, turned, turned_back, turned_place
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
