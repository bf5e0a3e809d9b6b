"""Pixel scale, unit and zeropoint: each from the first source that has it, and by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from lensproc.fits.headers import pixel_scale
from lensproc.fits.read import ReadOptions, read
from tests.fits.layouts import single, wcs_cards


@pytest.mark.parametrize("form", ["CD", "PC", "PC00", "CD+PC", "CROTA"])
@pytest.mark.parametrize("scale", [0.03, 0.263])
def test_pixel_scale_in_every_notation(form: str, scale: float) -> None:
    assert pixel_scale(wcs_cards(form, scale)).value == pytest.approx(scale, rel=1e-9)


@settings(max_examples=50, deadline=None)
@given(
    matrix=st.tuples(*[st.floats(-2.0, 2.0) for _ in range(4)]),
    form=st.sampled_from(["CD", "PC"]),
    steps=st.tuples(st.floats(1e-6, 1e-3), st.floats(-1e-3, -1e-6)),
)
def test_pixel_scale_agrees_with_the_area_that_astropy_finds(
    matrix: tuple[float, ...], form: str, steps: tuple[float, float]
) -> None:
    from astropy.wcs import WCS
    from astropy.wcs.utils import proj_plane_pixel_area

    a, b, c, d = matrix
    if abs(a * d - b * c) < 0.05:
        return
    header = fits.Header()
    header["CTYPE1"], header["CTYPE2"], header["CRVAL1"], header["CRVAL2"] = "GLON-CAR", "GLAT-CAR", 10.0, 0.0
    for key, value in zip(("1_1", "1_2", "2_1", "2_2"), matrix, strict=True):
        header[form + key] = value * 1e-4 if form == "CD" else value
    if form == "PC":
        header["CDELT1"], header["CDELT2"] = steps
    area = proj_plane_pixel_area(WCS(header, naxis=2))
    assert pixel_scale(header).value == pytest.approx(3600 * np.sqrt(area), rel=1e-6)


def test_pixel_scale_of_axes_in_arcsec_and_of_axes_that_are_no_sky() -> None:
    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CDELT1": -0.2, "CDELT2": 0.2})
    header["CUNIT1"] = header["CUNIT2"] = "arcsec"
    assert pixel_scale(header).value == pytest.approx(0.2)
    header["CTYPE1"] = "LINEAR"
    assert pixel_scale(header).value is None


def test_option_beats_header(tmp_path: Path) -> None:
    options = ReadOptions(
        pixel_scale=0.31,
        pixel_units="surface brightness",
        zeropoint=24.5,
        lens_center=(3.0, 4.5),
        psf="2.5px",
    )
    cutout = read(single(tmp_path / "a.fits", BUNIT="nJy", MAGZERO=27.0, SEEING=0.8), options)[0]
    assert cutout.pixel_scale.value == 0.31
    assert cutout.amplitude.value == "surface brightness"
    assert cutout.zeropoint.value == 24.5
    assert cutout.lens_center.value == (3.0, 4.5)
    assert cutout.psf.value is not None
    assert cutout.psf.value.fwhm == 2.5
    names = ("pixel_scale", "amplitude", "zeropoint", "lens_center", "psf")
    assert {getattr(cutout, name).source for name in names} == {"option"}


@pytest.mark.parametrize(
    ("bunit", "amplitude", "zeropoint"),
    [
        ("nJy", "flux", 31.4),
        ("uJy", "flux", 23.9),
        ("Jy", "flux", 8.9),
        ("10**-9 Jy", "flux", 31.4),
        ("nanomaggy", "flux", 22.5),
        ("nanomaggies", "flux", 22.5),
        ("MJy/sr", "surface brightness", 20.472),
        ("ELECTRONS/S", "flux", None),
        ("counts/s", "flux", None),
        ("e-/s", "flux", None),
        ("adu", "flux", None),
        ("DN", "flux", None),
    ],
)
def test_units(tmp_path: Path, bunit: str, amplitude: str, zeropoint: float | None) -> None:
    cutout = read(single(tmp_path / "a.fits", BUNIT=bunit))[0]
    assert cutout.amplitude.value == amplitude
    assert cutout.amplitude.source == "unit"
    if zeropoint is None:
        assert cutout.zeropoint.value is None
    else:
        assert cutout.zeropoint.value == pytest.approx(zeropoint, abs=2e-3)
    assert not any("taken as flux" in warning for warning in cutout.warnings)
    import astropy.units as u

    if "maggy" not in cutout.unit.value:
        u.Unit(cutout.unit.value)


@pytest.mark.parametrize("cards", [{}, {"BUNIT": "furlong"}])
def test_an_unknown_unit_is_flux_with_a_warning(tmp_path: Path, cards: dict[str, str]) -> None:
    cutout = read(single(tmp_path / "a.fits", **cards))[0]
    assert cutout.amplitude.value == "flux"
    assert cutout.amplitude.source == "assumed"
    assert any("taken as flux per pixel" in w and "--pixel-units" in w for w in cutout.warnings)


@pytest.mark.parametrize(
    ("cards", "zeropoint", "source"),
    [
        ({"BUNIT": "nJy", "FLUXMAG0": 1e9}, 31.4, "unit nJy"),
        ({"FLUXMAG0": 63095734448.0194, "MAGZERO": 25.0}, 27.0, "header FLUXMAG0"),
        ({"FLUXMAG0": 0.0, "MAGZERO": 25.0}, 25.0, "header MAGZERO"),
        ({"MAGZPT": 26.1}, 26.1, "header MAGZPT"),
        ({"PHOTZP": 30.0}, 30.0, "header PHOTZP"),
        (
            {"BUNIT": "ELECTRONS/S", "PHOTFLAM": 7.0333e-20, "PHOTPLAM": 8045.0},
            25.947,
            "header PHOTFLAM+PHOTPLAM",
        ),
        (
            {"BUNIT": "ELECTRONS", "PHOTFLAM": 7.0333e-20, "PHOTPLAM": 8045.0, "EXPTIME": 100.0},
            30.947,
            "header PHOTFLAM+PHOTPLAM+EXPTIME",
        ),
        ({"BUNIT": "ELECTRONS", "PHOTFLAM": 7.0333e-20, "PHOTPLAM": 8045.0}, None, "unknown"),
        ({"PHOTFLAM": 0.0, "PHOTPLAM": 0.0}, None, "unknown"),
    ],
)
def test_zeropoint_in_order(
    tmp_path: Path, cards: dict[str, Any], zeropoint: float | None, source: str
) -> None:
    cutout = read(single(tmp_path / "a.fits", **cards))[0]
    assert cutout.zeropoint.source == source
    assert cutout.zeropoint.value == (None if zeropoint is None else pytest.approx(zeropoint, abs=2e-3))


def test_a_surface_brightness_zeropoint_is_per_square_arcsecond(tmp_path: Path) -> None:
    cutout = read(single(tmp_path / "a.fits", BUNIT="MJy/sr"))[0]
    arcsec2 = (np.pi / 180 / 3600) ** 2
    assert cutout.zeropoint.value == pytest.approx(-2.5 * np.log10(1e6 * arcsec2 / 3631), abs=2e-3)
