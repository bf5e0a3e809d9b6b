"""``CCDData`` as scripts make them: any `meta`, errors in their own unit, look-up tables, results once more."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.nddata import CCDData, InverseVariance, StdDevUncertainty, VarianceUncertainty
from astropy.wcs import WCS

from lensproc.cutout import Cutout
from lensproc.engine.embed import enhance
from lensproc.fits.read import ReadOptions, from_ccddata
from lensproc.qc.sky import celestial_wcs
from tests.scenes import star_field


def test_meta_that_is_no_header_card_is_left_out_and_named() -> None:
    meta = {
        "OBSERVER": "nobody",
        "a_long_name": 3,
        "nothing": None,
        "RATIO": np.float32(0.5),
        "NOTNUM": np.nan,
        "LIST": [1, 2],
        "GREEK": "σ",
        "with space": 1,
    }
    cutout = from_ccddata(CCDData(star_field(), unit="adu", meta=meta))
    assert cutout.header["OBSERVER"] == "nobody"
    assert cutout.header["a_long_name"] == 3
    assert cutout.header["RATIO"] == 0.5
    assert cutout.dropped == ("meta of CCDData that FITS cannot hold: NOTNUM, LIST, GREEK, with space",)
    assert set(meta) == {
        "OBSERVER",
        "a_long_name",
        "nothing",
        "RATIO",
        "NOTNUM",
        "LIST",
        "GREEK",
        "with space",
    }


def test_a_header_as_meta_stays_as_it_is() -> None:
    header = fits.Header({"FILTER": "g", "HIERARCH ESO INS NAME": "cam"})
    header.add_history("flat-fielded")
    before = header.tostring()
    cutout = from_ccddata(CCDData(star_field(), unit="adu", meta=header))
    assert cutout.band.value == "g"
    assert "flat-fielded" in str(cutout.header["HISTORY"])
    assert header.tostring() == before


@pytest.mark.parametrize(
    "uncertainty",
    [
        StdDevUncertainty(np.full((48, 48), 2000.0), unit="nJy"),
        VarianceUncertainty(np.full((48, 48), 4e6), unit="nJy2"),
        InverseVariance(np.full((48, 48), 0.25e-6), unit=u.nJy**-2),
        StdDevUncertainty(np.full((48, 48), 2.0)),
    ],
)
def test_errors_come_in_the_unit_of_the_pixels(uncertainty: StdDevUncertainty) -> None:
    ccd = CCDData(star_field(), unit="uJy", uncertainty=uncertainty)
    cutout = from_ccddata(ccd)
    assert cutout.variance is not None
    np.testing.assert_allclose(cutout.variance, 4.0, rtol=1e-6)
    assert ccd.uncertainty is not None
    assert ccd.uncertainty.parent_nddata is ccd


def test_a_result_can_be_enhanced_again_and_keeps_its_history() -> None:
    once = enhance(CCDData(star_field(), unit="adu"), "lanczos", read=ReadOptions(psf="3px"), checks="none")
    assert isinstance(once, CCDData)
    twice = enhance(once, "bicubic", checks="none")
    assert isinstance(twice, CCDData)
    assert twice.shape == (192, 192)
    assert [row.id for row in twice.meta["lensproc"].activities] == ["read", "lanczos", "read", "bicubic"]


@pytest.mark.real
def test_look_up_tables_of_a_wcs_are_kept(real_data: Path) -> None:
    with fits.open(real_data / "30_hst_acs_47Tuc_TAN-SIP_D2IM_lookup.fits.gz") as hdus:
        wcs = WCS(hdus["SCI"].header, fobj=hdus)
        cutout: Cutout = from_ccddata(CCDData(hdus["SCI"].data, unit="electron", wcs=wcs))
    corners = np.array([[0.0, 0.0], [99.0, 0.0], [40.0, 99.0]])
    here, there = celestial_wcs(cutout).all_pix2world(corners, 0), wcs.all_pix2world(corners, 0)
    assert len(cutout.distortion) == 3
    np.testing.assert_allclose(here, there, rtol=0, atol=1e-3 / 3.6e6)  # 1 µas
