"""Every real survey file is read, or refused for the reason that what it holds lets one expect."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from lensproc.cutout import Cutout
from lensproc.errors import InputError
from lensproc.fits.read import read

pytestmark = pytest.mark.real

REFUSED = {
    "22": "SCI is zero everywhere",
    "31": "1 x 1 px",
    "39_mosaic3_zd_TPV_DQ": "CCD3 is zero everywhere",
    "46": "cube of 46 planes",
}
READ = {
    # dialect, scale [arcsec], zeropoint, band
    "01": ("hst", 0.05, 25.954, "F814W"),
    "04": ("multi-extension", None, None, None),
    "06": ("panstarrs", 0.2, 28.010, "z"),
    "07": ("panstarrs", 0.2, 28.010, "z"),
    "11": ("jwst", 0.03, 20.472, "F150W"),
    "13": ("hst", 0.03, 25.947, "HST-F814W"),
    "14": ("hst", 0.06, 26.491, "HST-F606W"),
    "16_subaru_HSC-G": ("hsc", 0.168, 27.0, "HSC-g"),
    "16_subaru_HSC-I": ("hsc", 0.168, 27.0, "HSC-i"),
    "16_subaru_HSC-R": ("hsc", 0.168, 27.0, "HSC-r"),
    "17": ("cfht", 0.15, 30.0, "CFHT-u"),
    "18": ("vista", 0.15, 30.0, "UVISTA-Ks"),
    "20": ("jwst", 0.03, 20.472, "F200W"),
    "23": ("hst", 0.03, 25.950, "HST-F814W"),
    "24": ("hsc", 0.168, 27.0, "HSC-i"),
    "26": ("generic", None, None, None),
    "30": ("hst", 0.05, None, None),
    "33": ("dss", 1.7043, None, None),
    "34_dss_M13_BITPIX16": ("generic", 0.99972, None, None),
    "34_dss_M13_tilecompressed_hcomp": ("generic", 0.99972, None, None),
    "34_dss_M13_tilecompressed_rice": ("generic", 0.99972, None, None),
    "36": ("hst", 0.1992, None, "F673N"),
    "37": ("hsc", 0.1671, None, None),
    "38": ("hsc", 0.1578, 30.651, "HSC-I"),
    "39_mosaic3_zd_TPV_tile": ("generic", 0.2596, 21.326, "zd"),
    "42": ("decam", 0.2624, None, "g"),
    "45": ("cfht", 0.18698, 29.392, "g.MP9401"),
    "47": ("generic", 0.1, None, None),
}


def find(folder: Path, prefix: str) -> Path:
    found = sorted(folder.glob(f"{prefix}*"))
    if not found:
        pytest.skip(f"no file {prefix}* in the real data")
    return found[0]


def one(folder: Path, prefix: str) -> Cutout:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cutouts = read(find(folder, prefix))
    assert len(cutouts) == 1
    return cutouts[0]


@pytest.mark.parametrize("prefix", READ)
def test_what_is_understood(real_data: Path, prefix: str) -> None:
    dialect, scale, zeropoint, band = READ[prefix]
    cutout = one(real_data, prefix)
    assert cutout.source.dialect == dialect
    assert cutout.pixel_scale.value == (None if scale is None else pytest.approx(scale, rel=1e-3))
    assert cutout.zeropoint.value == (None if zeropoint is None else pytest.approx(zeropoint, abs=1e-3))
    assert cutout.band.value == band
    assert np.isfinite(cutout.data[~cutout.bad]).all()


@pytest.mark.parametrize("prefix", REFUSED)
def test_what_is_refused(real_data: Path, prefix: str) -> None:
    path = find(real_data, prefix)
    with pytest.raises(InputError, match=REFUSED[prefix]) as caught:
        read(path)
    assert caught.value.file == path.name


def test_every_other_file_is_read_or_refused_by_name(real_data: Path) -> None:
    known = (*READ, *REFUSED, "08")
    for path in real_data.glob("*.f*"):
        if path.name.startswith(known):
            continue
        try:
            cutouts = read(path)
        except InputError as error:
            named = error.file
        else:
            named = cutouts[0].source.file
        assert named == path.name


def test_euclid_has_eight_bands_with_psf_and_errors(real_data: Path) -> None:
    cutouts = read(find(real_data, "08"))
    assert [c.band.value for c in cutouts] == [
        "DES_G",
        "DES_R",
        "VIS",
        "DES_I",
        "DES_Z",
        "NIR_Y",
        "NIR_J",
        "NIR_H",
    ]
    for cutout in cutouts:
        assert cutout.variance is not None
        assert cutout.variance[np.isfinite(cutout.variance)].max() < 1e15
        assert cutout.psf.value is not None
        assert cutout.psf.value.image is not None
    assert cutouts[2].psf.value is not None
    assert cutouts[2].psf.value.fwhm == pytest.approx(0.2143 / 0.1, rel=1e-3)


def test_the_lens_of_rxj1131_is_its_galaxy(real_data: Path) -> None:
    # the quasar images lie at (226, 234), (203, 243), (179, 242) and (194, 179), the galaxy between them
    assert one(real_data, "01").lens_center.value == pytest.approx((198, 201), abs=1.5)


def test_the_lens_of_cosj100024_is_at_one_place_in_all_bands(real_data: Path) -> None:
    from astropy.wcs import WCS

    prefixes = ("11", "13", "14", "16_subaru_HSC-G", "16_subaru_HSC-I", "16_subaru_HSC-R", "17", "18")
    places = []
    for prefix in prefixes:
        cutout = one(real_data, prefix)
        assert cutout.lens_center.value is not None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # JWST headers give the observatory's place twice
            places.append(WCS(cutout.header).pixel_to_world(*cutout.lens_center.value))
    separations = [place.separation(places[0]).arcsec for place in places]
    assert max(separations) < 0.25


def test_stars_agree_with_the_width_in_the_header(real_data: Path) -> None:
    from lensproc.fits.psf_stars import star_widths

    cutout = one(real_data, "39_mosaic3_zd_TPV_tile")
    widths = star_widths(cutout.data, cutout.bad, None, cutout.pixel_scale.value)
    assert cutout.psf.source == "header SEEING"
    assert cutout.psf.value is not None
    assert np.median(widths) == pytest.approx(cutout.psf.value.fwhm, rel=0.05)


def test_tile_compression_does_not_change_m13(real_data: Path) -> None:
    plain = one(real_data, "34_dss_M13_BITPIX16")
    rice = one(real_data, "34_dss_M13_tilecompressed_rice")
    np.testing.assert_array_equal(rice.data, plain.data)


def test_lookup_tables_of_47_tuc(real_data: Path) -> None:
    tables = one(real_data, "30").distortion
    assert [(table.name, table.extver) for table in tables] == [
        ("D2IMARR", 1),
        ("WCSDVARR", 1),
        ("WCSDVARR", 2),
    ]


def test_warnings_say_what_had_to_be_assumed(real_data: Path) -> None:
    assert any("no WCS" in warning for warning in one(real_data, "26").warnings)
    assert any("no CRPIX" in warning for warning in one(real_data, "45").warnings)
    assert one(real_data, "36").source.hdu == "SCI,2"
    assert any("not linear" in warning for warning in one(real_data, "33").warnings)
    assert one(real_data, "06").bad.mean() == pytest.approx(0.34, abs=0.01)
    assert one(real_data, "47").lens_center.value == pytest.approx((50, 50), abs=1.0)


def test_bits_of_a_calexp_are_numbered_by_the_file(real_data: Path) -> None:
    assert one(real_data, "37").mask_bits["NO_DATA"] == 9
    assert one(real_data, "38").mask_bits["NO_DATA"] == 8
