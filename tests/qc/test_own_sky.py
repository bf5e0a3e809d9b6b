"""A threshold from the output's own blank sky: near that from blanks, and deaf to what was drawn into the sky."""

import numpy as np
import pytest

from lensproc.qc.own_sky import calibration_from_sky
from lensproc.qc.pair import side_by_side
from tests.qc.scenes import Scene, bicubic, enhanced, flux_of_snr, noise_field, observe

STAR = Scene(size=96, stars=((40.0, 52.0, flux_of_snr(60.0, 3.0)),))


def level(pair):
    found = calibration_from_sky(side_by_side(pair))
    (only,) = found.levels
    return only


@pytest.mark.parametrize("lag1", [0.0, 0.4])
def test_interpolated_noise_is_measured_as_on_blanks(calibration, lag1):
    cutout = observe(STAR, np.random.default_rng(4), lag1=lag1)
    seen = level(bicubic(cutout))
    blank = calibration.level_at(3.0, seen.lag1)
    assert seen.gain == pytest.approx(blank.gain, rel=0.15)
    assert seen.star == pytest.approx(blank.star, rel=0.05)


def test_sources_drawn_into_the_sky_do_not_raise_the_threshold():
    rng = np.random.default_rng(5)
    cutout = observe(STAR, rng)
    fine = STAR.render(2) + 0.1 * noise_field(rng, 192)
    places = [(x, y, flux_of_snr(30.0, 3.0)) for x in (15.0, 75.0) for y in (15.0, 35.0, 75.0)]
    drawn = fine + Scene(size=96, stars=tuple(places)).render(2)
    before, after = (level(enhanced(cutout, image, 2)) for image in (fine, drawn))
    faintest = 4.0 * flux_of_snr(1.0, 3.0) * after.star
    assert max(5.0 * after.gain, after.maximum) < 0.5 * faintest
    assert after.gain == pytest.approx(before.gain, rel=0.2)


def test_too_little_sky_gives_none():
    scene = Scene(size=32, stars=((15.0, 15.0, 4000.0),), center=(15.5, 15.5))
    assert calibration_from_sky(side_by_side(bicubic(observe(scene, np.random.default_rng(6))))) is None
