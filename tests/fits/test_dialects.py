"""Every survey's layout, with its traps."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lensproc.cutout import Cutout
from lensproc.fits.dialects import builtin_dialects, choose_dialect
from lensproc.fits.read import read
from tests.fits.layouts import (
    SHAPE,
    flagged,
    image,
    lens_image,
    own_output,
    psf_image,
    single,
    wcs_cards,
    write,
)


@pytest.fixture(autouse=True)
def _no_warning_leaks() -> None:
    warnings.simplefilter("error")


def only(path: Path) -> Cutout:
    cutouts = read(path)
    assert len(cutouts) == 1
    return cutouts[0]


# HSC and LSST


def hsc(path: Path, named: bool = True, flags: dict[str, int] | None = None, **primary: object) -> Path:
    flags = flags or {"BAD": 0, "SAT": 1, "CR": 3, "DETECTED": 5, "NO_DATA": 8, "INTRP": 2}
    first = fits.PrimaryHDU()
    first.header.update({"FILTER": "HSC-I", **primary})
    mask_cards = wcs_cards()
    for name, number in flags.items():
        key = f"MP_{name}"
        mask_cards[key if len(key) <= 8 else f"HIERARCH {key}"] = number
    bad, detected = 1 << flags["NO_DATA"], 1 << flags["DETECTED"]
    mask = flagged((4, 5, bad), (6, 7, detected), (8, 9, 1 << flags["INTRP"]), kind=np.uint32)
    hdus = [
        fits.ImageHDU(lens_image(), wcs_cards(LTV1=-100)),
        fits.ImageHDU(mask, mask_cards),
        fits.ImageHDU(np.full(SHAPE, 0.25, np.float32), wcs_cards()),
    ]
    for hdu, name in zip(hdus, ("IMAGE", "MASK", "VARIANCE"), strict=True):
        hdu.header["EXTTYPE"] = name
        if named:
            hdu.header["EXTNAME"] = name
    archive = fits.BinTableHDU.from_columns([fits.Column("id", "J", array=[1])], name="ARCHIVE_INDEX")
    return write(path, first, *hdus, archive)


@pytest.mark.parametrize("named", [True, False])
def test_hsc_planes_and_the_bits_that_are_bad(tmp_path: Path, named: bool) -> None:
    cutout = only(hsc(tmp_path / "a.fits", named, FLUXMAG0=63095734448.0194))
    assert cutout.source.dialect == "hsc"
    assert np.argwhere(cutout.bad).tolist() == [[4, 5]], "DETECTED and INTRP are no reason not to use a pixel"
    assert cutout.mask_bits["DETECTED"] == 5
    assert cutout.variance is not None
    np.testing.assert_array_equal(cutout.variance, np.float32(0.25))
    assert cutout.zeropoint.value == pytest.approx(27.0)
    assert (cutout.unit.value, cutout.unit.source) == ("adu", "dialect hsc")
    assert cutout.band.value == "HSC-I"
    assert cutout.dropped == ("ARCHIVE_INDEX (table)",)


def test_hsc_bit_numbers_are_those_of_the_file(tmp_path: Path) -> None:
    flags = {"BAD": 7, "SAT": 6, "CR": 0, "DETECTED": 8, "NO_DATA": 5, "INTRP": 31}
    cutout = only(hsc(tmp_path / "a.fits", flags=flags))
    assert np.argwhere(cutout.bad).tolist() == [[4, 5]]
    assert cutout.mask[4, 5] == 1 << 5
    assert cutout.mask[8, 9] == 1 << 31


def test_hsc_zeropoint_of_an_uncalibrated_exposure_is_unknown(tmp_path: Path) -> None:
    assert only(hsc(tmp_path / "a.fits", FLUXMAG0=0.0)).zeropoint.value is None
    assert only(hsc(tmp_path / "b.fits")).zeropoint.value == 27.0


def test_lsst_photocalib_beats_a_zeropoint_per_second(tmp_path: Path) -> None:
    path = hsc(tmp_path / "a.fits", MAGZERO=26.9578, EXPTIME=30.0)
    table = fits.BinTableHDU.from_columns(
        [fits.Column("calibrationMean", "D", array=[1.99408751])], name="PhotoCalib"
    )
    with fits.open(path, mode="append") as hdus:
        hdus.append(table)
    cutout = only(path)
    assert cutout.zeropoint.source == "table PhotoCalib"
    assert cutout.zeropoint.value == pytest.approx(26.9578 + 2.5 * np.log10(30.0), abs=0.001)


def test_lsst_in_nanojansky(tmp_path: Path) -> None:
    path = hsc(tmp_path / "a.fits")
    with fits.open(path, mode="update") as hdus:
        hdus[1].header["BUNIT"] = "nJy"
    assert only(path).zeropoint.value == 31.4


def test_a_lone_hsc_image_without_a_unit(tmp_path: Path) -> None:
    cutout = only(single(tmp_path / "a.fits", form="CD+PC", FILTER="HSC-g", EXTTYPE="IMAGE"))
    assert cutout.source.dialect == "hsc"
    assert cutout.zeropoint.value == 27.0
    assert cutout.psf.source == "dialect hsc (typical 0.7 arcsec, not measured)"
    assert cutout.pixel_scale.value == pytest.approx(0.2)


# Legacy Surveys


def test_legacy_cube_with_invvar_and_maskbits(tmp_path: Path) -> None:
    stack = np.stack([lens_image(seed=i) for i in range(3)])
    weights = np.stack([np.full(SHAPE, w, np.float32) for w in (1.0, 4.0, 16.0)])
    weights[1, 2, 3] = 0.0
    header = wcs_cards(SURVEY="LegacySurvey", BANDS="grz", IMAGETYP="image")
    bits = flagged((5, 6, 1 << 3), (7, 8, 1 << 1), kind=np.int16)
    path = write(
        tmp_path / "a.fits",
        fits.PrimaryHDU(stack, header),
        fits.ImageHDU(weights, name="INVVAR"),
        fits.ImageHDU(bits, name="MASKBITS"),
    )
    g, r, z = read(path)
    assert {c.source.dialect for c in (g, r, z)} == {"legacy"}
    assert [c.band.value for c in (g, r, z)] == ["g", "r", "z"]
    assert [c.zeropoint.value for c in (g, r, z)] == [22.5] * 3
    assert r.variance is not None
    assert r.variance[0, 0] == 0.25
    assert np.argwhere(r.bad).tolist() == [[2, 3], [5, 6]], "no weight; saturated in r"
    assert not g.bad.any(), "saturated in another band; BRIGHT is a neighbour"
    assert any("correlated" in warning for warning in g.warnings)


def test_legacy_cube_header_is_one_of_two_axes(tmp_path: Path) -> None:
    from astropy.wcs import WCS

    stack = np.stack([lens_image(seed=i) for i in range(2)])
    cutout = read(single(tmp_path / "a.fits", stack, SURVEY="LegacySurvey", BANDS="gr"))[0]
    assert WCS(cutout.header).naxis == 2


# DES


def test_des_weight_is_an_inverse_variance(tmp_path: Path) -> None:
    weight = np.full(SHAPE, 4.0, np.float32)
    weight[1, 1] = 0.0
    # 1: bad pixel; 4: interpolated; 32: star halo
    mask = flagged((3, 3, 1), (4, 4, 4), (5, 5, 32))
    path = write(
        tmp_path / "a.fits",
        image("SCI", lens_image(), MAGZERO=30.0, BAND="i", FILTER="i DECam"),
        image("MSK", mask),
        image("WGT", weight),
    )
    cutout = only(path)
    assert cutout.source.dialect == "des"
    assert cutout.variance is not None
    assert cutout.variance[0, 0] == 0.25
    assert np.argwhere(cutout.bad).tolist() == [[1, 1], [3, 3]]
    assert (cutout.zeropoint.value, cutout.zeropoint.source) == (30.0, "header MAGZERO")
    assert cutout.band.value == "i"


def test_des_tile_compressed(tmp_path: Path) -> None:
    hdus: list[fits.CompImageHDU] = []
    planes = {
        "SCI": lens_image(),
        "MSK": flagged((3, 3, 1)),
        "WGT": np.full(SHAPE, 4.0, np.float32),
    }
    for name, data in planes.items():
        hdus.append(fits.CompImageHDU(data, wcs_cards(), name, compression_type="GZIP_1", quantize_level=0))
    cutout = only(write(tmp_path / "a.fits.fz", *hdus))
    assert cutout.source.dialect == "des"
    np.testing.assert_array_equal(cutout.data, planes["SCI"])
    assert np.argwhere(cutout.bad).tolist() == [[3, 3]]


# Pan-STARRS


def test_panstarrs_stack_is_made_linear(tmp_path: Path) -> None:
    flux = lens_image().astype(np.float64) * 30
    soften, offset = 12.5, 3.25
    scaled = 2.5 * np.log10(np.e) * np.arcsinh((flux - offset) / (2 * soften))
    path = single(
        tmp_path / "a.fits", scaled, "PC00", BSOFTEN=soften, BOFFSET=offset, EXPTIME=720.0, PSCAMERA="GPC1"
    )
    cutout = only(path)
    assert cutout.source.dialect == "panstarrs"
    np.testing.assert_allclose(cutout.data, flux, rtol=1e-5, atol=1e-4)
    assert cutout.zeropoint.value == pytest.approx(25.0 + 2.5 * np.log10(720.0))
    assert cutout.pixel_scale.value == pytest.approx(0.2)


def test_panstarrs_warp_with_its_own_zeropoint_and_filter(tmp_path: Path) -> None:
    header = wcs_cards("PC00", EXPTIME=30.0, PSCAMERA="GPC1")
    header["CDELT1"] = header["CDELT2"]
    header["HIERARCH FPA.FILTERID"] = "z.00000"
    header["HIERARCH FPA.ZP"] = 24.3
    data = lens_image()
    data[:13] = np.nan
    cutout = only(write(tmp_path / "a.fits", fits.PrimaryHDU(data, header)))
    assert cutout.band.value == "z"
    assert cutout.zeropoint.value == pytest.approx(24.3 + 2.5 * np.log10(30.0))
    assert cutout.zeropoint.source == "header FPA.ZP and EXPTIME"
    assert cutout.bad.mean() == pytest.approx(13 / 40)


# Euclid


def euclid(path: Path) -> Path:
    hdus = []
    for band, zeropoint, size in (("DES_G", 30.0, 33), ("VIS", 24.6, 21)):
        rms = np.full(SHAPE, 0.5, np.float32)
        rms[2, 2] = 1e16
        psf = fits.ImageHDU(psf_image(size), name=f"{band}_PSF")
        psf.header["FWHM"] = (0.6, "arcseconds")
        hdus += [
            image(f"{band}_BGSUB", lens_image(), form="CD+PC", MAGZERO=zeropoint, FILTER="DECAM_g"),
            psf,
            fits.ImageHDU(rms, name=f"{band}_RMS"),
        ]
    return write(path, *hdus)


def test_euclid_gives_one_cutout_per_band(tmp_path: Path) -> None:
    first, second = read(euclid(tmp_path / "a.fits"))
    assert first.source.dialect == "euclid"
    assert (first.band.value, second.band.value) == ("DES_G", "VIS")
    assert (first.source.hdu, second.source.hdu) == ("DES_G_BGSUB", "VIS_BGSUB")
    assert (first.zeropoint.value, second.zeropoint.value) == (30.0, 24.6)
    assert first.variance is not None
    assert np.isinf(first.variance[2, 2]), "1e16 means no data"
    assert first.variance[0, 0] == 0.25
    assert second.psf.value is not None
    assert second.psf.value.fwhm == pytest.approx(0.6 / 0.2)
    assert second.psf.value.image is not None
    assert second.psf.value.image.shape == (21, 21)
    assert second.psf.value.image.sum() == pytest.approx(1.0, abs=1e-5)
    assert first.dropped == second.dropped == ()


def test_euclid_plane_names_turned_round(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.fits", image("FLUX", lens_image()), image("RMS", np.full(SHAPE, 0.5, np.float32))
    )
    cutout = only(path)
    assert cutout.source.dialect == "euclid"
    assert cutout.variance is not None


# HST and JWST


def test_hst_drizzled_with_weight_and_context(tmp_path: Path) -> None:
    primary = fits.PrimaryHDU()
    primary.header.update({"TELESCOP": "HST", "INSTRUME": "ACS", "DETECTOR": "WFC", "FILTER1": "CLEAR1L"})
    primary.header["FILTER2"] = "F814W"
    sci = image("SCI", lens_image(), BUNIT="ELECTRONS/S", PHOTFLAM=7.0e-20, PHOTPLAM=8046.0)
    cutout = only(
        write(
            tmp_path / "a.fits",
            primary,
            sci,
            image("WHT", np.ones(SHAPE, np.float32)),
            image("CTX", np.ones(SHAPE, np.int32)),
        )
    )
    assert cutout.source.dialect == "hst"
    assert cutout.variance is None
    assert set(cutout.dropped) == {"WHT (weights: not known to be an inverse variance)", "CTX (image)"}
    assert cutout.band.value == "F814W"
    assert cutout.zeropoint.value == pytest.approx(25.951, abs=2e-3)
    assert cutout.psf.source == "dialect hst (typical 0.1 arcsec, not measured)"


def test_hst_flags_that_forbid_a_pixel(tmp_path: Path) -> None:
    # 4: bad pixel; 64: warm, which AstroDrizzle keeps; 8192: cosmic ray
    quality = flagged((3, 3, 4), (4, 4, 64), (5, 5, 8192), kind=np.int16)
    primary = fits.PrimaryHDU()
    primary.header["TELESCOP"] = "HST"
    hdus = [image("SCI", lens_image()), image("ERR", np.full(SHAPE, 0.5, np.float32)), image("DQ", quality)]
    cutout = only(write(tmp_path / "a.fits", primary, *hdus))
    assert np.argwhere(cutout.bad).tolist() == [[3, 3], [5, 5]]
    assert cutout.mask_bits["WARM"] == 6


def test_jwst_keeps_err_and_says_what_it_drops(tmp_path: Path) -> None:
    primary = fits.PrimaryHDU()
    primary.header.update({"TELESCOP": "JWST", "FILTER": "F150W"})
    sci = image("SCI", lens_image(), form="PC", BUNIT="MJy/sr", PIXAR_SR=2.1e-14, PHOTMJSR=0.39)
    plane = np.full(SHAPE, 0.5, np.float32)
    asdf = fits.BinTableHDU.from_columns([fits.Column("ASDF_METADATA", "8B", array=[[1] * 8])], name="ASDF")
    cutout = only(
        write(
            tmp_path / "a.fits",
            primary,
            sci,
            image("ERR", plane),
            image("WHT", plane),
            image("VAR_POISSON", plane),
            asdf,
        )
    )
    assert cutout.source.dialect == "jwst"
    assert cutout.amplitude.value == "surface brightness"
    assert cutout.zeropoint.value == pytest.approx(20.472, abs=1e-3)
    assert cutout.variance is not None
    assert cutout.variance[0, 0] == 0.25
    words = " ".join(cutout.dropped)
    assert "VAR_POISSON (part of ERR)" in words
    assert "ASDF (its gWCS" in words
    assert cutout.psf.value is not None
    assert cutout.psf.value.fwhm * 0.2 == pytest.approx(0.049, abs=0.001)


# one image


@pytest.mark.parametrize(
    ("cards", "dialect", "unit", "zeropoint"),
    [
        ({"INSTRUME": "OMEGACAM"}, "kids", "maggy", 0.0),
        ({"FILTER": "CFHT-u"}, "cfht", "adu", 30.0),
        ({"SURVEY": "SDSS"}, "sdss", "nanomaggy", 22.5),
        ({"FILTER": "UVISTA-Ks"}, "vista", "adu", 30.0),
        ({"INSTRUME": "DECam"}, "decam", "adu", None),
        ({"TELESCOP": "UK 48-inch Schmidt"}, "dss", None, None),
        ({}, "generic", None, None),
    ],
)
def test_surveys_of_one_image(
    tmp_path: Path, cards: dict[str, str], dialect: str, unit: str | None, zeropoint: float | None
) -> None:
    cutout = only(single(tmp_path / "a.fits", **cards))
    assert cutout.source.dialect == dialect
    assert cutout.unit.value == unit
    assert cutout.zeropoint.value == zeropoint
    if zeropoint is not None:
        assert cutout.zeropoint.source == f"dialect {dialect}"


def test_megacam_zeropoint_of_an_exposure(tmp_path: Path) -> None:
    cards = {"INSTRUME": "MegaPrime", "PHOT_C": 26.347, "EXPTIME": 20.1, "PHOT_K": -0.15, "AIRMASS": 2.417}
    cutout = only(single(tmp_path / "a.fits", **cards))
    assert cutout.zeropoint.value == pytest.approx(26.347 + 2.5 * np.log10(20.1) - 0.15 * 1.417)


def test_photographic_plates_are_not_linear(tmp_path: Path) -> None:
    cutout = only(single(tmp_path / "a.fits", ORIGIN="CASB -- STScI"))
    assert any("not linear" in warning for warning in cutout.warnings)


# lensproc's own


def test_an_output_of_lensproc_brings_its_bits_and_its_history(tmp_path: Path) -> None:
    cutout = only(own_output(tmp_path / "a.fits"))
    assert cutout.source.dialect == "lensproc"
    assert [activity.id for activity in cutout.history] == ["read", "lanczos"]
    assert cutout.history[1].elapsed == 0.5
    assert cutout.mask_bits == {"NO_DATA": 0, "DETECTED": 1}
    assert np.argwhere(cutout.bad).tolist() == [[3, 3]]
    assert cutout.variance is not None
    assert cutout.variance[0, 0] == 0.25
    assert cutout.zeropoint.value == 27.0
    assert "LPVER" not in cutout.header
    assert cutout.dropped == ("UNCERT (image)",)


def test_no_two_built_in_dialects_are_equally_sure_of_a_known_layout(tmp_path: Path) -> None:
    paths = [hsc(tmp_path / "hsc.fits"), euclid(tmp_path / "euclid.fits"), own_output(tmp_path / "own.fits")]
    for path, name in zip(paths, ("hsc", "euclid", "lensproc"), strict=True):
        with fits.open(path) as hdus:
            headers = [hdu.header for hdu in hdus]
            assert choose_dialect(headers, builtin_dialects(), path.name).name == name
    names = [dialect.name for dialect in builtin_dialects()]
    assert len(set(names)) == len(names)
