"""A nucleus is dropped where a galaxy is seen; a quasar image beside an assumed centre is not."""

import numpy as np
import pytest

from lensproc.cutout import Resolved
from lensproc.qc.candidates import candidates_in
from lensproc.qc.matching import match_one_to_one
from lensproc.qc.pair import side_by_side
from tests.qc.scenes import Scene, bicubic, flux_of_snr, observe

MIDDLE = (31.5, 31.5)
CLOVERLEAF = ((34.3, 30.8, 71.0), (28.1, 33.6, 59.0), (30.5, 30.0, 71.0), (32.4, 35.2, 48.0))
"""x, y and height of four images about the middle of a frame of 64 px: about one FWHM apart."""


def pair_of(scene, center=MIDDLE, seed=0):
    cutout = observe(scene, np.random.default_rng(seed))
    return side_by_side(bicubic(cutout.replace(lens_center=Resolved(center, "assumed"))))


def merged_images(center=MIDDLE, seed=0):
    per_height = 2.0 * np.pi * (3.6 / 2.3548) ** 2
    stars = tuple((x, y, height * per_height) for x, y, height in CLOVERLEAF)
    scene = Scene(fwhm=3.6, stars=stars)
    return scene, pair_of(scene, center, seed)


@pytest.mark.parametrize("peak", [15.0, 30.0, 300.0])
def test_a_galaxy_is_seen_at_its_centre(peak):
    for seed in range(3):
        pair = pair_of(Scene(lens_peak=peak), seed=seed)
        assert pair.lens == MIDDLE
        assert pair.lens_out == (63.5, 63.5)
        assert len(candidates_in(pair)[0]) == 0


@pytest.mark.parametrize("off", [1.0, 2.0])
def test_a_galaxy_is_not_seen_beside_it(off):
    assert pair_of(Scene(lens_peak=100.0), (31.5 + 3.0 * off, 31.5)).lens is None


def test_neither_blank_sky_nor_a_star_is_a_galaxy():
    star = Scene(stars=((31.5, 31.5, flux_of_snr(200.0, 3.0)),))
    moffat = Scene(stars=star.stars, moffat=2.5)
    for seed in range(3):
        for scene in (Scene(), star, moffat):
            assert pair_of(scene, seed=seed).lens is None
    found = candidates_in(pair_of(star))[0]
    assert len(found) == 1, "a star where the lens was assumed is reported"
    assert pair_of(star, (-20.0, 31.5)).lens is None
    assert pair_of(star, (63.4, 0.0)).lens is None


@pytest.mark.parametrize("center", [MIDDLE, (31.6, 31.5), (31.0, 32.0)])
def test_the_middle_of_four_merged_images_is_no_galaxy_and_all_four_are_found(center):
    for seed in range(3):
        scene, pair = merged_images(center, seed)
        assert pair.lens is None
        found = candidates_in(pair)[0]
        truth = tuple(np.array([star[i] for star in scene.stars]) for i in (0, 1))
        assert match_one_to_one(truth, (found.x, found.y), 1.8)[0].size == 4
        assert len(found) == 4
