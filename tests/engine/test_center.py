"""Sky position of the middle of a cutout."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io.fits import Header
from astropy.wcs import WCS

from lensproc.engine.center import sky_center
from tests.engine.stages import cutout
from tests.scenes import sky_header

SHAPE = (30, 41)
SIP = {
    "CTYPE1": "RA---TAN-SIP",
    "CTYPE2": "DEC--TAN-SIP",
    "A_ORDER": 2,
    "B_ORDER": 2,
    "A_2_0": 1e-4,
    "B_0_2": -2e-4,
}
SWAPPED = {"CTYPE1": "DEC--TAN", "CTYPE2": "RA---TAN", "CRVAL1": 2.2, "CRVAL2": 150.1}


@pytest.mark.parametrize("cards", [{}, {"CRPIX1": 300.0}, SIP, SWAPPED], ids=["TAN", "far", "SIP", "swapped"])
def test_it_is_astropys(cards: dict[str, object]) -> None:
    header = sky_header(SHAPE, **cards)
    expected = WCS(header).pixel_to_world(20.0, 14.5)
    center = sky_center(cutout(np.ones(SHAPE), header=header))
    assert center is not None
    assert center == pytest.approx((expected.ra.deg, expected.dec.deg), abs=1e-11)


def test_galactic_headers_are_converted() -> None:
    header = sky_header(SHAPE, CTYPE1="GLON-TAN", CTYPE2="GLAT-TAN")
    expected = WCS(header).pixel_to_world(20.0, 14.5).icrs
    assert sky_center(cutout(np.ones(SHAPE), header=header)) == pytest.approx(
        (expected.ra.deg, expected.dec.deg)
    )


@pytest.mark.parametrize("header", [Header(), Header({"CTYPE1": "LINEAR"}), Header({"CTYPE1": "RA---TAN"})])
def test_a_header_without_sky_has_none(header: Header) -> None:
    assert sky_center(cutout(np.ones(SHAPE), header=header)) is None
