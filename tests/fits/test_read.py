"""What is read of pixels, errors, masks, headers, scales, bands: the parts that no survey owns."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from lensproc.errors import InputError
from lensproc.fits.arrays import as_mask, as_variance, physical
from lensproc.fits.read import ReadOptions, from_ccddata, read, read_hdulist
from tests.fits.layouts import LENS, SHAPE, image, lens_image, single, wcs_cards, write


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.int32, np.int64, np.float32, np.float64])
def test_every_bitpix_gives_the_same_values(tmp_path: Path, kind: type[Any]) -> None:
    data = np.clip(np.round(lens_image() + 20), 1, 250).astype(kind)
    cutout = read(single(tmp_path / "a.fits", data))[0]
    assert cutout.data.dtype == np.float32
    assert cutout.data.dtype.isnative
    np.testing.assert_array_equal(cutout.data, data.astype(np.float32))


def test_bscale_bzero_and_blank(tmp_path: Path) -> None:
    stored = np.arange(12 * 15, dtype=np.int16).reshape(12, 15)
    stored[3, 4] = -32768
    hdu = fits.PrimaryHDU(stored)
    hdu.header.update({"BSCALE": 0.5, "BZERO": 100.0, "BLANK": -32768})
    path = tmp_path / "a.fits"
    # astropy would scale the pixels again: write the bytes
    header = hdu.header.tostring().encode()
    path.write_bytes(header + stored.astype(">i2").tobytes().ljust(2880, b"\0"))
    cutout = read(path)[0]
    expected = stored * 0.5 + 100.0
    expected[3, 4] = np.nan
    np.testing.assert_array_equal(cutout.data, expected.astype(np.float32))
    assert cutout.bad.sum() == 1


def test_infinite_values_are_missing(tmp_path: Path) -> None:
    data = lens_image()
    data[4, 5], data[6, 7] = np.inf, -np.inf
    cutout = read(single(tmp_path / "a.fits", data))[0]
    assert np.isnan(cutout.data[[4, 6], [5, 7]]).all()
    assert np.isfinite(cutout.data).sum() == data.size - 2


@pytest.mark.parametrize("factor", [1e300, 1e-60])
def test_values_that_float32_cannot_hold_are_refused_with_their_size(tmp_path: Path, factor: float) -> None:
    path = single(tmp_path / "a.fits", lens_image().astype(np.float64) * factor)
    with pytest.raises(
        InputError, match=r"a\.fits: 0 has values of \S+, which no 32-bit number holds; multiply"
    ):
        read(path)


def test_unsigned_with_blank() -> None:
    header = fits.Header({"BSCALE": 1, "BZERO": 32768, "BLANK": -5})
    values = physical(np.array([[-32768, -5, 32767]], np.int16), header)
    np.testing.assert_array_equal(values, [[0.0, np.nan, 65535.0]])


@pytest.mark.parametrize("method", ["RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1"])
def test_tile_compression_of_integers_is_lossless(tmp_path: Path, method: str) -> None:
    data = np.round(lens_image() * 50).astype(np.int16)
    path = tmp_path / "a.fits.fz"
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(data, wcs_cards(), method)]).writeto(path)
    plain = read(single(tmp_path / "b.fits", data))[0]
    cutout = read(path)[0]
    np.testing.assert_array_equal(cutout.data, plain.data)
    assert cutout.pixel_scale == plain.pixel_scale


def test_tile_compression_with_scaled_integers_and_blank(tmp_path: Path) -> None:
    data = np.round(lens_image() * 50 + 30000).astype(np.uint16)
    path = tmp_path / "a.fits.fz"
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(data, wcs_cards(), "RICE_1")]).writeto(path)
    np.testing.assert_array_equal(read(path)[0].data, data.astype(np.float32))


def test_tile_compression_of_floats_keeps_nan(tmp_path: Path) -> None:
    data = lens_image()
    data[5, 6] = np.nan
    path = tmp_path / "a.fits.fz"
    hdu = fits.CompImageHDU(data, wcs_cards(), "RICE_1", quantize_level=16)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    cutout = read(path)[0]
    assert np.argwhere(np.isnan(cutout.data)).tolist() == [[5, 6]]
    assert np.nanmax(np.abs(cutout.data - data)) < 0.1


@pytest.mark.parametrize("suffix", [".gz", ".bz2"])
def test_compressed_files_are_read_by_content_and_hashed_as_they_are(tmp_path: Path, suffix: str) -> None:
    plain = single(tmp_path / "a.fits")
    packed = (gzip.compress if suffix == ".gz" else bz2.compress)(plain.read_bytes())
    for name in (f"b.fits{suffix}", "c.fits"):
        (tmp_path / name).write_bytes(packed)
        cutout = read(tmp_path / name)[0]
        np.testing.assert_array_equal(cutout.data, lens_image())
        assert cutout.source.sha256 == hashlib.sha256(packed).hexdigest()
        assert cutout.source.datasum == read(plain)[0].source.datasum


def test_datasum_is_that_of_fits(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    fits.PrimaryHDU(lens_image(), wcs_cards()).writeto(path, checksum=True)
    assert read(path)[0].source.datasum == fits.getheader(path)["DATASUM"]


@pytest.mark.parametrize(
    ("name", "values", "variance"),
    [
        ("ERR", 0.5, 0.25),
        ("RMS", 2.0, 4.0),
        ("VAR", 0.5, 0.5),
        ("VARIANCE", 3.0, 3.0),
        ("INVVAR", 4.0, 0.25),
    ],
)
def test_errors_become_variances(tmp_path: Path, name: str, values: float, variance: float) -> None:
    errors = np.full(SHAPE, values, np.float32)
    errors[0, 0], errors[0, 1] = np.nan, 0.0
    cutout = read(write(tmp_path / "a.fits", image("SCI", lens_image()), image(name, errors)))[0]
    assert cutout.variance is not None
    assert np.isinf(cutout.variance[0, :2]).all()
    np.testing.assert_allclose(cutout.variance[1:], variance, rtol=1e-6)
    assert np.argwhere(cutout.bad).tolist() == [[0, 0], [0, 1]]


def test_a_weight_is_an_inverse_variance_only_where_it_says_so(tmp_path: Path) -> None:
    weight = np.full(SHAPE, 4.0, np.float32)
    plain = read(write(tmp_path / "a.fits", image("SCI", lens_image()), image("WHT", weight)))[0]
    assert plain.variance is None
    assert plain.dropped == ("WHT (weights: not known to be an inverse variance)",)
    said = image("WHT", weight, WHT_TYPE="IVM")
    known = read(write(tmp_path / "b.fits", image("SCI", lens_image()), said))[0]
    assert known.variance is not None
    np.testing.assert_allclose(known.variance, 0.25)
    both = read(
        write(tmp_path / "c.fits", image("SCI", lens_image()), image("ERR", weight), image("WHT", weight))
    )[0]
    assert both.variance is not None
    np.testing.assert_allclose(both.variance, 16.0)


def test_errors_that_say_nothing_are_no_errors(tmp_path: Path) -> None:
    zero = np.zeros(SHAPE, np.float32)
    cutout = read(write(tmp_path / "a.fits", image("SCI", lens_image()), image("ERR", zero)))[0]
    assert cutout.variance is None
    assert "ERR gives no pixel an error: errors are not known" in cutout.warnings


def test_no_data_value_of_an_error_plane() -> None:
    variance = as_variance(np.array([[1.0, 1e16, 2.0]]), "sigma", 1e15)
    assert variance is not None
    np.testing.assert_array_equal(variance, np.array([[1.0, np.inf, 4.0]], np.float32))


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=8))
def test_masks_of_any_storage_give_the_same_bits(flags: list[int]) -> None:
    wanted = np.array([flags], np.uint32)
    unsigned = fits.Header({"BZERO": 2**31})
    np.testing.assert_array_equal(
        as_mask((wanted.astype(np.int64) - 2**31).astype(np.int32), unsigned), wanted
    )
    np.testing.assert_array_equal(as_mask(wanted.view(np.int32), fits.Header()), wanted)
    np.testing.assert_array_equal(as_mask(wanted.astype(np.int64), fits.Header()), wanted)


def test_a_boolean_mask_marks_bad_pixels(tmp_path: Path) -> None:
    mask = np.zeros(SHAPE, np.uint8)
    mask[2, 3] = 1
    cutout = read(write(tmp_path / "a.fits", image("SCI", lens_image()), image("MASK", mask)))[0]
    assert np.argwhere(cutout.bad).tolist() == [[2, 3]]
    assert list(cutout.mask_bits.values()) == [0]


def test_a_plane_of_another_shape_is_not_used(tmp_path: Path) -> None:
    other = np.ones((5, 5), np.float32)
    cutout = read(write(tmp_path / "a.fits", image("SCI", lens_image()), image("ERR", other)))[0]
    assert cutout.variance is None
    assert cutout.dropped == ("ERR (image)",)


def test_what_primary_says_holds_for_the_image(tmp_path: Path) -> None:
    primary = fits.PrimaryHDU()
    primary.header.update({"FILTER": "g", "MAGZERO": 26.5, "OBJECT": "J1000", "CRVAL1": 3.0, "SEEING": 0.6})
    primary.header["HISTORY"] = "made by hand"
    sci = image("SCI", lens_image(), OBJECT="from SCI")
    cutout = read(write(tmp_path / "a.fits", primary, sci))[0]
    assert cutout.band.value == "g"
    assert cutout.zeropoint.value == 26.5
    assert cutout.header["OBJECT"] == "from SCI"
    assert cutout.header["CRVAL1"] == 150.1
    assert "made by hand" in str(cutout.header["HISTORY"])
    assert cutout.psf.value is not None
    assert cutout.psf.value.fwhm == pytest.approx(0.6 / 0.2)
    closed = image("SCI", lens_image(), INHERIT=False)
    assert read(write(tmp_path / "b.fits", primary, closed))[0].zeropoint.value is None


def test_band_names(tmp_path: Path) -> None:
    assert read(single(tmp_path / "a.fits", FILTER1="CLEAR1L", FILTER2="F814W"))[0].band.value == "F814W"
    named = single(tmp_path / "b.fits", FILTER="r DECam SDSS c0002 6415.0 1480.0", BAND="r")
    assert read(named)[0].band.value == "r"
    unnamed = single(tmp_path / "c.fits")
    assert read(unnamed)[0].band.value is None
    chosen = read(unnamed, ReadOptions(bands=("i",)))[0].band
    assert (chosen.value, chosen.source) == ("i", "option")
    with pytest.raises(InputError, match="has no band z; it has r"):
        read(named, ReadOptions(bands=("z",)))


def test_a_cube_with_named_bands(tmp_path: Path) -> None:
    stack = np.stack([lens_image(seed=i) for i in range(3)])
    header = wcs_cards()
    header.update({"BANDS": "grz", "BUNIT": "nanomaggy", "CTYPE3": "BAND", "CRPIX3": 1.0, "WCSAXES": 3})
    path = write(tmp_path / "a.fits", fits.PrimaryHDU(stack, header))
    cutouts = read(path)
    assert [cutout.band.value for cutout in cutouts] == ["g", "r", "z"]
    assert [cutout.source.hdu for cutout in cutouts] == ["0[0]", "0[1]", "0[2]"]
    for plane, cutout in zip(stack, cutouts, strict=True):
        np.testing.assert_array_equal(cutout.data, plane)
        assert cutout.header["NAXIS"] == 2
        assert not {"NAXIS3", "CTYPE3", "CRPIX3"} & set(cutout.header)
        assert cutout.header["WCSAXES"] == 2
    only = read(path, ReadOptions(bands=("Z",)))
    assert [cutout.band.value for cutout in only] == ["z"]
    np.testing.assert_array_equal(only[0].data, stack[2])


def test_a_cube_whose_planes_the_user_names(tmp_path: Path) -> None:
    stack = np.stack([lens_image(seed=i) for i in range(3)])
    path = single(tmp_path / "a.fits", stack)
    with pytest.raises(InputError, match="name all 3"):
        read(path)
    cutouts = read(path, ReadOptions(bands=("u", "v", "w")))
    assert [cutout.band.value for cutout in cutouts] == ["u", "v", "w"]
    assert cutouts[1].band.source == "option"
    np.testing.assert_array_equal(cutouts[1].data, stack[1])


def test_a_cube_of_one_plane_is_an_image(tmp_path: Path) -> None:
    cutouts = read(single(tmp_path / "a.fits", lens_image()[None]))
    assert len(cutouts) == 1
    np.testing.assert_array_equal(cutouts[0].data, lens_image())


def test_chips_of_one_band_the_first_on_the_sky_is_read(tmp_path: Path) -> None:
    chips = [image("SCI", lens_image(seed=i), version=i, FILTER="g") for i in (1, 2, 3)]
    chips[0].header["CTYPE1"] = "UNITLESS"
    path = write(tmp_path / "a.fits", *chips)
    cutout = read(path)[0]
    assert cutout.source.hdu == "SCI,2"
    assert any("SCI,1, SCI,3" in warning for warning in cutout.warnings)
    other = read(path, ReadOptions(bands=("SCI:3",)))
    assert [c.source.hdu for c in other] == ["SCI,3"]
    np.testing.assert_array_equal(other[0].data, lens_image(seed=3))


def test_planes_of_a_chip_are_those_of_its_version(tmp_path: Path) -> None:
    hdus = []
    for version in (1, 2):
        hdus += [
            image("SCI", lens_image(seed=version), version=version, FILTER=f"F{version}"),
            image("ERR", np.full(SHAPE, float(version), np.float32), version=version),
        ]
    cutouts = read(write(tmp_path / "a.fits", *hdus))
    assert [float(c.variance[0, 0]) for c in cutouts if c.variance is not None] == [1.0, 4.0]


def test_lookup_tables_are_kept_where_the_header_refers_to_them(tmp_path: Path) -> None:
    table = fits.ImageHDU(np.ones((3, 4), np.float32), name="WCSDVARR")
    table.header.update({"CRPIX1": 0.0, "CRVAL1": 0.0, "CDELT1": 11.0})
    used = read(write(tmp_path / "a.fits", image("SCI", lens_image(), CPDIS1="LOOKUP"), table))[0]
    assert [(t.name, t.extver, t.data.shape) for t in used.distortion] == [("WCSDVARR", 1, (3, 4))]
    unused = read(write(tmp_path / "b.fits", image("SCI", lens_image()), table))[0]
    assert unused.distortion == ()


def test_other_hdus_are_named_as_read_over(tmp_path: Path) -> None:
    catalog = fits.BinTableHDU.from_columns([fits.Column("x", "D", array=[1.0])], name="CAT")
    context = fits.ImageHDU(np.ones(SHAPE, np.int32), name="CTX")
    cutout = read(write(tmp_path / "a.fits", image("SCI", lens_image()), context, catalog))[0]
    assert cutout.dropped == ("CTX (image)", "CAT (table)")


def test_leftover_sip_is_not_applied_and_said(tmp_path: Path) -> None:
    cutout = read(single(tmp_path / "a.fits", A_ORDER=2, B_ORDER=2, A_2_0=1e-5))[0]
    assert any("CTYPE is obeyed" in warning for warning in cutout.warnings)


def test_an_hdulist_is_read_like_its_file_and_left_alone(tmp_path: Path) -> None:
    hdus = fits.HDUList([fits.PrimaryHDU(), image("SCI", lens_image(), BUNIT="nJy", FILTER="i")])
    before = [hdu.header.tostring() for hdu in hdus]
    cutout = read_hdulist(hdus)[0]
    assert [hdu.header.tostring() for hdu in hdus] == before
    np.testing.assert_array_equal(cutout.data, lens_image())
    assert cutout.source.file == "<memory>"
    assert cutout.zeropoint.value == 31.4
    assert cutout.source.sha256 == read_hdulist(hdus)[0].source.sha256


def test_ccddata_brings_unit_mask_errors_wcs_and_psf() -> None:
    from astropy.nddata import CCDData, StdDevUncertainty
    from astropy.wcs import WCS

    from tests.fits.layouts import psf_image

    mask = np.zeros(SHAPE, bool)
    mask[1, 2] = True
    ccd = CCDData(
        lens_image(),
        unit="adu",
        wcs=WCS(wcs_cards()),
        mask=mask,
        uncertainty=StdDevUncertainty(np.full(SHAPE, 0.5)),
        psf=psf_image(),
    )
    cutout = from_ccddata(ccd)
    assert cutout.unit.value == "adu"
    assert cutout.pixel_scale.value == pytest.approx(0.2, rel=1e-6)
    assert np.argwhere(cutout.bad).tolist() == [[1, 2]]
    assert cutout.variance is not None
    np.testing.assert_allclose(cutout.variance, 0.25)
    assert cutout.psf.value is not None
    assert cutout.psf.value.fwhm == pytest.approx(3.0, rel=0.05)


def test_ccddata_with_variance_and_inverse_variance() -> None:
    from astropy.nddata import CCDData, InverseVariance, VarianceUncertainty

    for uncertainty in (VarianceUncertainty(np.full(SHAPE, 0.2)), InverseVariance(np.full(SHAPE, 5.0))):
        cutout = from_ccddata(CCDData(lens_image(), unit="nJy", uncertainty=uncertainty))
        assert cutout.variance is not None
        np.testing.assert_allclose(cutout.variance, 0.2, rtol=1e-6)


def test_reading_leaks_no_warning_and_restores_the_filters(tmp_path: Path) -> None:
    path = single(tmp_path / "a.fits", lens_image().astype(np.float64), BLAND=32767)
    path.write_bytes(path.read_bytes().replace(b"BLAND   =", b"BLANK   ="))
    before = list(warnings.filters)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cutout = read(path)[0]
    assert cutout.warnings[0].startswith("no BUNIT")
    assert warnings.filters == before


def test_reading_imports_neither_torch_nor_photutils() -> None:
    code = (
        "import sys, lensproc.fits.read, lensproc.fits.dialects as d; d.builtin_dialects();"
        "print([m for m in ('torch', 'photutils', 'skimage', 'astropy.wcs') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_the_lens_of_the_layouts_is_found(tmp_path: Path) -> None:
    center = read(single(tmp_path / "a.fits"))[0].lens_center
    assert center.value == pytest.approx(LENS, abs=0.4)
    assert center.source == "brightest smooth peak of the central third"
