"""Outputs that every FITS reader agrees on, and that say what was done."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from lensproc.cutout import Resolved
from lensproc.enhanced import Activity, Rows
from lensproc.errors import OutputError
from lensproc.fits.provenance import activities_of
from lensproc.fits.serialise import card, hdu_bytes
from lensproc.fits.table import table_bytes
from lensproc.fits.write import enhanced_to_bytes, enhanced_to_hdulist, write_enhanced
from tests.fits.enhanced_examples import SHA, example


@pytest.fixture
def hdus() -> fits.HDUList:
    return fits.open(io.BytesIO(enhanced_to_bytes(example())), checksum=True)


def test_astropy_finds_no_fault_and_every_checksum_right(hdus: fits.HDUList) -> None:
    hdus.verify("exception")
    for hdu in hdus:
        assert hdu.verify_checksum() == 1
        assert hdu.verify_datasum() == 1
    names = [
        "PRIMARY",
        "SCI",
        "ERR",
        "DQ",
        "UNCERT",
        "FIDELITY",
        "KAPPA",
        "SOURCES",
        "CLASS",
        "WCSDVARR",
        "LENSPROC",
    ]
    assert [hdu.name for hdu in hdus] == names


@pytest.mark.skipif(shutil.which("fitsverify") is None, reason="the program fitsverify is not installed")
def test_fitsverify_finds_no_error(tmp_path: Path) -> None:
    write_enhanced(example(), tmp_path / "out.fits")
    report = subprocess.run(["fitsverify", str(tmp_path / "out.fits")], capture_output=True, text=True).stdout
    assert "0 error(s)" in report, report


def test_pixels_errors_and_mask_come_back(hdus: fits.HDUList) -> None:
    enhanced = example()
    assert np.array_equal(hdus["SCI"].data, enhanced.image.data)
    assert np.all(hdus["ERR"].data == 0.5), "ERR is one sigma, not variance"
    assert hdus["DQ"].data.dtype == np.uint32
    assert np.array_equal(hdus["DQ"].data, enhanced.image.mask)
    assert hdus["DQ"].header["DQBIT01"] == "SAT"
    assert hdus["DQ"].header["DQBIT31"] == "LP_NEAR"
    assert hdus["DQ"].header["DQBAD"] == 2
    assert hdus["SCI"].header["BUNIT"] == "adu"


def test_the_science_header_keeps_the_astronomy_and_loses_what_is_no_longer_true(hdus: fits.HDUList) -> None:
    header = hdus["SCI"].header
    assert header["OBJECT"] == "RXJ1131"
    assert header.comments["OBJECT"] == "a lens"
    assert header["LONGTEXT"] == "x" * 150
    assert "flat-fielded" in list(header["HISTORY"])
    assert "seen through thin cloud" in list(header["COMMENT"])
    assert "ESO DET ID = 3.5" in " ".join(header["COMMENT"]), "HIERARCH becomes a comment"
    for gone in ("BZERO", "BLANK", "LPVER", "HIERARCH"):
        assert gone not in header
    assert all(len(keyword) <= 8 for keyword in header)


def test_what_lensproc_says_stands_in_primary(hdus: fits.HDUList) -> None:
    header = hdus[0].header
    assert header["LPINFILE"] == "lens.fits"
    assert header["LPINSHA"] == SHA
    assert len(header["LPCFGSHA"]) == 64
    assert (header["LPNSTAGE"], header["LPSCALE"], header["LPFLUXCV"]) == (1, 2.0, 0.25)
    assert (header["LP01ID"], header["LP01PKG"], header["LP01STAT"]) == ("net", "netpack==2.1", "OK")
    assert header["LP01WSHA"] == "f" * 64
    assert header["LPSYNTH"] is False
    assert (header["LPTHETAE"], header["LETHETAE"]) == (1.25, 0.03)
    assert header.comments["LPTHETAE"].startswith("[arcsec] Einstein radius")
    assert header["QACHI2"] is None, "no NaN in a header"
    lines = list(header["HISTORY"])
    assert lines[0] == "lensproc: net (netpack 2.1) on cpu: scale=2"
    assert "lensproc: not carried over: ASDF extension" in lines


def test_tables_come_back(hdus: fits.HDUList) -> None:
    sources = hdus["SOURCES"]
    assert sources.data["id"].tolist() == [0, 1]
    assert sources.data["x"][0] == 1.5
    assert np.isnan(sources.data["x"][1])
    assert sources.data["ok"].tolist() == [True, False]
    assert sources.columns["x"].unit == "pix"
    assert hdus["CLASS"].data["NAME"].tolist() == ["no", "sphere"]
    assert activities_of(hdus) == example().activities
    assert hdus["LENSPROC"].columns["STAGE"].format == "K"


def test_bytes_depend_on_nothing_but_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    first, second = enhanced_to_bytes(example()), enhanced_to_bytes(example())
    assert first == second
    assert b"2023-11-14T22:13:20" in first


def test_a_second_run_appends_its_rows() -> None:
    earlier = example().activities
    later = (Activity(0, "read", "core"), Activity(1, "other", "enhance", "otherpack", "1"))
    hdus = enhanced_to_hdulist(example(activities=(*earlier, *later)))
    assert activities_of(hdus) == (*earlier, *later)
    assert hdus[0].header["LPNSTAGE"] == 1
    assert hdus[0].header["LP01ID"] == "other", "the numbered keywords are those of the last run"
    stages = [line.split()[1] for line in hdus[0].header["HISTORY"] if "not carried" not in line]
    assert stages == ["net", "other"], "HISTORY tells of all runs"


def test_a_plane_of_its_own_sky_and_one_on_the_images(hdus: fits.HDUList) -> None:
    assert hdus["FIDELITY"].header["CRPIX1"] == 16.5
    assert hdus["FIDELITY"].header["CTYPE1"] == "RA---TAN"
    assert "OBJECT" not in hdus["FIDELITY"].header
    assert "CRPIX1" not in hdus["KAPPA"].header


def test_without_variance_there_is_no_err() -> None:
    enhanced = example()
    bare = example(
        image=enhanced.image.replace(variance=None), planes={}, tables={}, uncertainty=None, sources=None
    )
    assert "ERR" not in enhanced_to_hdulist(bare)


def test_no_path_user_or_host_is_written(tmp_path: Path) -> None:
    import getpass
    import platform

    data = enhanced_to_bytes(example())
    for secret in (str(tmp_path), platform.node(), f"/{getpass.getuser()}"):
        assert secret.encode() not in data


def test_something_fits_cannot_hold_is_one_error_and_no_file(tmp_path: Path) -> None:
    broken = example(tables={"BAD": Rows({"z": np.array([1 + 2j])})})
    with pytest.raises(OutputError, match=r"lens\.fits: cannot be put into FITS: .*complex128"):
        write_enhanced(broken, tmp_path / "out.fits")
    assert list(tmp_path.iterdir()) == []


def test_units_beyond_ascii_are_spelt_out() -> None:
    image = example().image.replace(unit=Resolved("µJy", "option"))
    assert enhanced_to_hdulist(example(image=image))["SCI"].header["BUNIT"] == "uJy"


@given(
    st.one_of(
        st.floats(allow_nan=False, allow_infinity=False),
        st.integers(-(2**62), 2**62),
        st.booleans(),
        # astropy ends a string at any quote before a slash or a blank, doubled or not
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200).filter(
            lambda text: "'/" not in text and "' " not in text
        ),
    )
)
def test_any_value_comes_back_from_its_card(value: object) -> None:
    header = fits.Header.fromstring(card("LPKEY", value))  # type: ignore[arg-type]
    back = header["LPKEY"]
    expected = value.rstrip() if isinstance(value, str) else value
    assert back == expected
    assert type(back) is type(value)


@given(st.binary(max_size=6000))
def test_checksums_agree_with_astropys(data: bytes) -> None:
    length = len(data)
    cards = card("XTENSION", "IMAGE") + card("BITPIX", 8) + card("NAXIS", 1) + card("NAXIS1", length)
    cards += card("PCOUNT", 0) + card("GCOUNT", 1)
    blank = hdu_bytes(card("SIMPLE", True) + card("BITPIX", 8) + card("NAXIS", 0))
    hdus = fits.open(io.BytesIO(blank + hdu_bytes(cards, data)))
    assert hdus[1].verify_checksum() == 1
    assert hdus[1].verify_datasum() == 1


def test_an_empty_table_is_a_table() -> None:
    rows = Rows({"id": np.array([], int), "label": np.array([], "U5")})
    blank = hdu_bytes(card("SIMPLE", True) + card("BITPIX", 8) + card("NAXIS", 0))
    hdus = fits.open(io.BytesIO(blank + table_bytes(rows, "SOURCES")))
    hdus.verify("exception")
    assert len(hdus["SOURCES"].data) == 0


def test_the_psf_survives_a_second_run() -> None:
    from lensproc.cutout import PSF
    from lensproc.fits.read import read_hdulist
    from lensproc.nn.psf import gaussian_psf

    image = example().image
    drawn = image.replace(psf=Resolved(PSF(5.0, gaussian_psf(5.0)), "extension PSF"))
    (again,) = read_hdulist(enhanced_to_hdulist(example(image=drawn)))
    assert again.psf.value is not None
    assert again.psf.value.image is not None
    assert again.psf.value.image.sum() == pytest.approx(1.0, abs=1e-5)
    assert again.psf.value.fwhm == pytest.approx(5.0, rel=0.03)
    wide = image.replace(psf=Resolved(PSF(4.2), "header SEEING"))
    (again,) = read_hdulist(enhanced_to_hdulist(example(image=wide)))
    assert again.psf.value == PSF(pytest.approx(4.2))
