"""Angles on the sky: signs under turns and mirrors of the WCS, and the source plane's own WCS."""

from __future__ import annotations

import math

import numpy as np
import pytest
from astropy.io.fits import Header
from astropy.wcs import WCS

from lensproc.contract.stage import SkyAxes
from lensproc.cutout import Cutout, Source
from lensproc.qc.sky import sky_axes
from lensproc_sis.sis_findings import orientation, source_header, turned_shape, values_of
from lensproc_sis.sis_physics import Maps


def header(angle: float = 0.0, mirrored: bool = False, scale: float = 0.2) -> Header:
    """TAN with north `angle` degrees from the y axis towards −x; east to the left unless mirrored."""
    cards = Header()
    cards["CTYPE1"], cards["CTYPE2"] = "RA---TAN", "DEC--TAN"
    cards["CRVAL1"], cards["CRVAL2"] = 150.1, 62.0
    cards["CRPIX1"], cards["CRPIX2"] = 20.0, 31.0
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    sign = 1.0 if mirrored else -1.0
    step = scale / 3600
    cards["CD1_1"], cards["CD1_2"] = sign * c * step, sign * s * step
    cards["CD2_1"], cards["CD2_2"] = -s * step, c * step
    return cards


def cutout(cards: Header, shape=(40, 50)) -> Cutout:
    zeros = np.zeros(shape, np.uint32)
    return Cutout(zeros.astype(np.float32), None, zeros, cards, Source("a.fits", "0", "0" * 64, "plain"))


@pytest.mark.parametrize("angle", [0.0, 30.0, -120.0])
@pytest.mark.parametrize("mirrored", [False, True])
def test_sky_axes_are_those_of_the_wcs(angle, mirrored):
    found = sky_axes(cutout(header(angle, mirrored)))
    assert found is not None
    assert (found.x, found.y) == (24.5, 19.5)
    wcs = WCS(header(angle, mirrored))
    sky = wcs.pixel_to_world(24.5, 19.5)
    assert sky.ra.deg == pytest.approx(found.ra, abs=1e-9)
    for dx, dy in ((1.0, 0.0), (0.0, 1.0)):
        there = wcs.pixel_to_world(24.5 + dx, 19.5 + dy)
        east, north = (a.arcsec for a in sky.spherical_offsets_to(there))
        moved = np.array(found.matrix) @ [dx, dy]
        assert moved == pytest.approx([east, north], abs=1e-5)


def test_sky_axes_of_finer_pixels():
    coarse = sky_axes(cutout(header(25.0), (40, 50)))
    fine = sky_axes(cutout(header(25.0), (80, 100)), scale=2)
    assert coarse is not None
    assert fine is not None
    assert np.array(fine.matrix) == pytest.approx(np.array(coarse.matrix) / 2, rel=1e-6)
    assert (fine.ra, fine.dec) == pytest.approx((coarse.ra, coarse.dec), abs=1e-9)
    assert (fine.x, fine.y) == (49.5, 39.5)


def test_there_are_none_without_a_wcs():
    assert sky_axes(cutout(Header())) is None


def shape_of(angle: float, size: float = 0.2) -> np.ndarray:
    return size * np.array([math.cos(2 * angle), math.sin(2 * angle)])


@pytest.mark.parametrize("angle", [0.0, 30.0, -120.0])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_long_axis_points_the_same_way_on_the_sky_however_the_pixels_lie(angle, mirrored):
    sky = sky_axes(cutout(header(angle, mirrored)))
    assert sky is not None
    phi = math.radians(35.0)  # on the pixels, from x towards y
    east, north = np.array(sky.matrix) @ [math.cos(phi), math.sin(phi)]
    wanted = shape_of(math.atan2(north, east))
    found, error = turned_shape(shape_of(phi), np.array([0.01, 0.02]), orientation(sky.matrix))
    assert found == pytest.approx(wanted, abs=1e-6)
    assert (error >= 0.01 - 1e-9).all()
    assert (error <= 0.02 + 1e-9).all()


def test_signs_of_a_plain_wcs():
    sky = sky_axes(cutout(header(0.0)))
    assert sky is not None
    found, _ = turned_shape(np.array([0.1, 0.05]), np.ones(2), orientation(sky.matrix))
    assert found == pytest.approx(
        [0.1, -0.05], abs=1e-5
    )  # east to the left: e2 changes its sign, e1 does not


def test_values_say_along_which_axes():
    lens, sigma = np.array([10.0, 20.0, 21.0, 0.1, 0.05, 0.02, 0.01]), np.full(7, 0.01)
    plain = values_of(lens, sigma, 0.2, None, 1.0)
    assert plain["LPTHETAE"].value == pytest.approx(2.0)
    assert plain["LPTHETAE"].error == pytest.approx(0.002)
    assert plain["LPE2"].value == pytest.approx(0.05)
    assert "pixels" in plain["LPE1"].description
    sky = SkyAxes(24.5, 19.5, 150.0, 2.0, ((-0.2, 0.0), (0.0, 0.2)))
    turned = values_of(lens, sigma, 0.2, sky, 1.0)
    assert turned["LPE2"].value == pytest.approx(-0.05)
    assert turned["LPG2"].value == pytest.approx(-0.01)
    assert "RA, Dec" in turned["LPG1"].description
    for name, value in turned.items():
        text = f"[{value.unit}] {value.description}" if value.unit else value.description
        assert len(text) <= 47, name  # fits on its card


def test_the_source_plane_has_the_sky_of_what_lies_behind():
    sky = sky_axes(cutout(header(30.0)))
    lens = np.array([8.0, 22.3, 18.9, 0.0, 0.0, 0.0, 0.0])
    empty = np.zeros((2, 2))
    maps = Maps(empty, empty, empty, np.zeros((20, 20)), empty, empty, empty > 0, (9.5, 9.5), 0.5)
    own = WCS(source_header(maps, lens, 0.2, sky))
    behind = own.pixel_to_world(9.5, 9.5)
    there = WCS(header(30.0)).pixel_to_world(22.3, 18.9)
    assert behind.separation(there).arcsec < 1e-4
    aside = own.pixel_to_world(13.5, 9.5)  # four of its pixels are two of the image's
    assert aside.separation(WCS(header(30.0)).pixel_to_world(24.3, 18.9)).arcsec < 1e-4
