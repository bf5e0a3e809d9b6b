"""What stages may give and files may hold at the edge of what FITS can say."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from lensproc.enhanced import Plane, Rows, Value
from lensproc.errors import OutputError, UsageError
from lensproc.fits.provenance import durations_are_zero, timestamp
from lensproc.fits.serialise import error_keyword
from lensproc.fits.write import enhanced_to_bytes, enhanced_to_hdulist
from tests.fits.enhanced_examples import example, full_header


@pytest.mark.parametrize("name", ["THETA_EINSTEIN", "theta", "A B", ""])
def test_a_value_whose_name_is_no_keyword_is_refused_by_name(name: str) -> None:
    with pytest.raises(OutputError, match=f"'{name}' is no keyword"):
        enhanced_to_bytes(example(values={name: Value(1.0)}))


@pytest.mark.parametrize("name", ["LPSCALE", "NAXIS", "LP01ID"])
def test_a_stage_cannot_overwrite_what_the_core_says(name: str) -> None:
    with pytest.raises(OutputError, match=f"{name} is a keyword of the core"):
        enhanced_to_bytes(example(values={name: Value(3)}))


def test_errors_of_values_with_like_names_have_keywords_of_their_own() -> None:
    values = {
        "MYVALUE1": Value(1.0, 0.1),
        "MYVALUE2": Value(2.0, 0.2),
        "LPX": Value(3.0, 0.3),
        "LEX": Value(4.0),
    }
    header = enhanced_to_hdulist(example(values=values))[0].header
    assert (header["E_MYVALU"], header["E_MYVAL2"], header["LEX2"]) == (0.1, 0.2, 0.3)
    assert header.comments["E_MYVAL2"] == "1 sigma error of MYVALUE2"
    assert all(header.count(keyword) == 1 for keyword in header if keyword != "HISTORY")
    assert error_keyword("LPTHETAE", {f"LETHETA{n}" for n in ("E", 2, 3)}) == "LETHETA4"


def test_no_two_extensions_have_one_name() -> None:
    plane, rows = Plane(np.zeros((2, 2), np.float32)), Rows({"a": np.arange(2)})
    with pytest.raises(OutputError, match="SCI: two extensions of one name"):
        enhanced_to_bytes(example(planes={"sci": plane}))
    with pytest.raises(OutputError, match="KAPPA: two extensions"):
        enhanced_to_bytes(example(planes={"KAPPA": plane}, tables={"KAPPA": rows}))


def test_variance_without_a_root_is_nan_and_without_measurement_infinite() -> None:
    image = example().image
    assert image.variance is not None
    variance = image.variance.copy()
    variance[0, :2] = -1, np.inf
    sigma = enhanced_to_hdulist(example(image=image.replace(variance=variance)))["ERR"].data
    assert np.isnan(sigma[0, 0])
    assert np.isinf(sigma[0, 1])
    assert np.all(sigma[1:] == 0.5)


def test_a_plane_keeps_the_sky_of_matrix_cards_of_the_draft_standard() -> None:
    header = fits.Header()
    header["CTYPE1"], header["CTYPE2"], header["CRVAL1"], header["CRVAL2"] = "RA---TAN", "DEC--TAN", 10.0, 3.0
    header["CRPIX1"], header["CRPIX2"], header["CDELT1"], header["CDELT2"] = 5.0, 6.0, 1e-4, 1e-4
    header["PC001001"], header["PC002002"] = -1.0, 1.0  # Pan-STARRS: both CDELT positive
    original = example().original.replace(header=header)
    plane = enhanced_to_hdulist(example(original=original))["FIDELITY"].header
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before, after = (WCS(h).all_pix2world([[20.0, 3.0]], 0) for h in (header, plane))
    np.testing.assert_allclose(after, before, rtol=0, atol=1e-12)
    assert before[0, 0] < 10.0, "the matrix mirrors the sky"


def test_cards_that_look_like_ours_stay_where_they_are_not_ours() -> None:
    header = full_header()
    header["QANOISE"], header["LPWIND"] = 3.5, "north"
    ours = enhanced_to_hdulist(example(image=example().image.replace(header=header)))["SCI"].header
    assert "QANOISE" not in ours
    del header["LPVER"]
    theirs = enhanced_to_hdulist(example(image=example().image.replace(header=header)))["SCI"].header
    assert (theirs["QANOISE"], theirs["LPWIND"]) == (3.5, "north")


def test_header_values_that_are_not_finite_become_undefined() -> None:
    lines = ["BADNUM  =                  NaN / bad", "SEEING  = -inf", "FINE    = 1.5"]
    header = fits.Header.fromstring("".join(line.ljust(80) for line in lines))
    science = enhanced_to_hdulist(example(image=example().image.replace(header=header)))["SCI"].header
    assert science["BADNUM"] is None
    assert science["SEEING"] is None
    assert science["FINE"] == 1.5


def test_a_date_that_is_none_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "tomorrow")
    with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH='tomorrow' is no time"):
        timestamp()
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "")
    assert not durations_are_zero(), "empty is as good as not set"


def with_both_matrices(step: float) -> fits.Header:
    """A header as archives write them: CD, then PC with CDELT of 1, then WCSAXES."""
    header = fits.Header()
    header["CTYPE1"], header["CTYPE2"], header["CRVAL1"], header["CRVAL2"] = "RA---TAN", "DEC--TAN", 10.0, 3.0
    header["CRPIX1"], header["CRPIX2"], header["CD1_1"], header["CD2_2"] = 5.0, 6.0, -1e-4, 1e-4
    header["PC1_1"], header["PC2_2"], header["CDELT1"], header["CDELT2"] = -step, step, 1.0, 1.0
    header["WCSAXES"] = 2
    return header


def test_of_two_matrices_that_agree_one_is_written_and_the_axes_come_first() -> None:
    header = with_both_matrices(1e-4 * (1 + 1e-14))
    hdus = enhanced_to_hdulist(example(image=example().image.replace(header=header)))
    science = hdus["SCI"].header
    assert science["CD1_1"] == -1e-4
    assert {"PC1_1", "PC2_2", "CDELT1", "CDELT2"}.isdisjoint(science)
    assert list(science).index("WCSAXES") < list(science).index("CTYPE1")
    history = "".join(hdus[0].header["HISTORY"])
    assert "not carried over: PC1_1, PC2_2, CDELT1, CDELT2: the CD cards say the same" in history
    points = [[0.0, 0.0], [60.0, 3.0]]
    before, after = (WCS(h).all_pix2world(points, 0) for h in (header, science))
    np.testing.assert_allclose(before, after, rtol=0, atol=1e-13)


def test_two_matrices_that_disagree_both_stay() -> None:
    header = with_both_matrices(1.001e-4)
    science = enhanced_to_hdulist(example(image=example().image.replace(header=header)))["SCI"].header
    assert {"PC1_1", "CDELT1", "CD1_1"} <= set(science)
