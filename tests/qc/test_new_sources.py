"""Candidates of the output alone: in the wings of a star, and with fluxes that the input does not hold."""

import dataclasses

import numpy as np
import pytest

from lensproc.qc.catalog import catalogue
from lensproc.qc.pair import side_by_side
from lensproc.qc.quick import quick_checks
from tests.qc.scenes import Scene, flux_of_snr, ideal, ideal_calibration, observe

FWHM = 3.0
BRIGHT = Scene(stars=((31.0, 31.0, 4.0e4),), moffat=2.5)
"""A star with wings, thousands of σ at its peak."""


def verdicts_near(columns, x, y, reach=1.5):
    near = np.hypot(columns["x"] - x, columns["y"] - y) < reach
    return list(columns["verdict"][near])


def test_a_source_drawn_into_the_wings_is_denied():
    rng = np.random.default_rng(2)
    cutout = observe(BRIGHT, rng)
    for distance in (8.0, 16.0):
        more = (31.0 + distance, 31.0, 1500.0)
        drawn = dataclasses.replace(BRIGHT, stars=(*BRIGHT.stars, more))
        checked = quick_checks(ideal(drawn, cutout), ideal_calibration(1.0))
        assert checked.qa["QANHAL"].value == 1
        assert verdicts_near(checked.sources.columns, more[0], more[1]) == ["HALLUC"]
        assert checked.qa["QASTAT"].value == "FAIL"


@pytest.mark.parametrize(("factor", "expected"), [(1.0, "RESOLVED"), (3.0, "AMBIG")])
def test_a_faint_source_is_resolved_with_its_own_flux_only(factor, expected):
    """Below the finder's threshold on the input, but supported by the forced fit."""
    scene = Scene(stars=((40.0, 24.0, flux_of_snr(8.0, FWHM)),))
    claimed = Scene(stars=((40.0, 24.0, factor * scene.stars[0][2]),))
    seen = []
    for seed in range(30):
        cutout = observe(scene, np.random.default_rng(seed))
        found = catalogue(side_by_side(ideal(claimed, cutout)), ideal_calibration(1.0)).columns
        new = np.isnan(found["snr_in"]) & (found["snr_forced"] > 5.0)
        seen += list(found["verdict"][new])
    assert len(seen) >= 5
    assert seen.count(expected) >= 0.8 * len(seen)
