"""The PSF and the lens: where they come from, and that the lens's own images are no field stars."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from lensproc.cutout import Cutout, Resolved
from lensproc.errors import InputError, UsageError
from lensproc.fits.center import brightest_smooth_peak
from lensproc.fits.psf import centred
from lensproc.fits.psf_stars import measure_psf, star_widths
from lensproc.fits.read import ReadOptions, read
from tests.fits.layouts import image, lens_image, psf_image, single, wcs_cards, write

FWHM = 3.4


def field(
    stars: list[tuple[float, float, float]],
    galaxy: tuple[float, float, float] | None = None,
    shape: tuple[int, int] = (120, 120),
    fwhm: float = FWHM,
    stretch: float = 1.0,
) -> NDArray[np.float32]:
    """Gaussian stars (x, y, peak) and an exponential galaxy (x, y, peak) of 6 px on noise of 1."""
    rows, columns = np.indices(shape)
    data = np.random.default_rng(5).normal(0.0, 1.0, shape)
    for x, y, peak in stars:
        radius2 = ((columns - x) * stretch) ** 2 + ((rows - y) / stretch) ** 2
        data += peak * np.exp(-4 * np.log(2) * radius2 / fwhm**2)
    if galaxy:
        x, y, peak = galaxy
        data += peak * np.exp(-np.hypot(columns - x, rows - y) / 6.0)
    return data.astype(np.float32)


STARS = [(16.3, 20.8, 900.0), (99.1, 15.6, 500.0), (20.7, 101.2, 700.0), (100.4, 98.9, 400.0)]
QUAD = [(60.2, 49.4, 3000.0), (70.8, 61.1, 2500.0), (59.1, 71.3, 2000.0), (49.2, 60.4, 1500.0)]


def good(data: NDArray[np.float32]) -> NDArray[np.bool_]:
    return np.zeros(data.shape, bool)


def fwhm_of(cutout: Cutout) -> float:
    assert cutout.psf.value is not None
    return cutout.psf.value.fwhm


def test_field_stars_give_the_width_and_say_how_many() -> None:
    data = field(STARS + QUAD, galaxy=(60, 60, 200.0))
    psf = measure_psf(data, good(data), None, 0.2, None)
    assert psf.source == "measured on 4 field stars"
    assert psf.value is not None
    assert psf.value.fwhm == pytest.approx(FWHM, rel=0.02)


def test_the_lens_s_own_images_are_never_field_stars() -> None:
    data = field(QUAD, galaxy=(60, 60, 200.0))
    assert measure_psf(data, good(data), None, 0.2, FWHM).value is None
    moved = field([(x - 40, y - 38, peak) for x, y, peak in QUAD])
    assert measure_psf(moved, good(moved), (20.0, 22.0), 0.2, FWHM).value is None
    assert len(star_widths(moved, good(moved), (100.0, 100.0), 0.2)) > 0, "elsewhere they would be stars"


def test_saturated_elongated_and_crowded_sources_are_no_stars() -> None:
    flat = field(STARS)
    assert len(star_widths(np.minimum(flat, 100.0), good(flat), None, 0.2)) == 0
    long = field(STARS, stretch=1.3)
    assert len(star_widths(long, good(long), None, 0.2)) == 0
    pairs = field([*STARS, *[(x + 6, y, 0.8 * peak) for x, y, peak in STARS]])
    assert len(star_widths(pairs, good(pairs), None, 0.2)) == 0


def test_masked_stars_and_hot_pixels_are_no_stars() -> None:
    data = field(STARS[:2])
    bad = good(data)
    bad[21, 16] = bad[16, 99] = True
    for x, y in ((20, 100), (100, 100), (15, 60)):
        data[y, x] += 5000
    assert len(star_widths(data, bad, None, 0.2)) == 0


def test_galaxies_do_not_widen_the_psf() -> None:
    data = field(STARS)
    for x, y in ((20, 60), (100, 58), (60, 105)):
        data += field([], galaxy=(x, y, 400.0)) - field([])
    psf = measure_psf(data, good(data), None, 0.2, None)
    assert psf.value is not None
    assert psf.value.fwhm == pytest.approx(FWHM, rel=0.03)


def test_few_stars_count_only_where_they_agree_with_the_survey() -> None:
    data = field(STARS[:2])
    assert measure_psf(data, good(data), None, 0.2, None).value is None
    assert measure_psf(data, good(data), None, 0.2, 3.0).source == "measured on 2 field stars"
    assert measure_psf(data, good(data), None, 0.2, 8.0).value is None


def test_order_of_the_sources_of_the_psf(tmp_path: Path) -> None:
    data = field(STARS)
    cards: dict[str, Any] = {"SEEING": 0.9, "INSTRUME": "DECam"}
    psf = fits.ImageHDU(psf_image(17, 2.6), name="PSF")
    path = write(tmp_path / "a.fits", image("SCI", data, **cards), psf)
    assert fwhm_of(read(path, ReadOptions(psf="0.5"))[0]) == pytest.approx(2.5)
    from_extension = read(path)[0]
    assert from_extension.psf.source == "extension PSF"
    assert fwhm_of(from_extension) == pytest.approx(2.6, rel=0.05)
    from_card = read(single(tmp_path / "b.fits", data, **cards))[0]
    assert from_card.psf.source == "header SEEING"
    assert fwhm_of(from_card) == pytest.approx(0.9 / 0.2)
    measured = read(single(tmp_path / "c.fits", data, INSTRUME="DECam"))[0]
    assert measured.psf.source == "measured on 4 field stars"
    typical = read(single(tmp_path / "d.fits", INSTRUME="DECam"))[0]
    assert typical.psf.source == "dialect decam (typical 1.1 arcsec, not measured)"
    assert fwhm_of(typical) == pytest.approx(1.1 / 0.2)
    assert read(single(tmp_path / "e.fits"))[0].psf.source == "unknown"


@pytest.mark.parametrize(
    ("option", "pixels"), [("0.6", 3.0), ("0.6arcsec", 3.0), ('0.6"', 3.0), ("3.1px", 3.1), ("3.1 pix", 3.1)]
)
def test_widths_on_the_command_line(tmp_path: Path, option: str, pixels: float) -> None:
    cutout = read(single(tmp_path / "a.fits"), ReadOptions(psf=option))[0]
    assert fwhm_of(cutout) == pytest.approx(pixels)
    assert cutout.psf.source == "option"


def test_a_width_in_arcsec_needs_a_pixel_scale(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits", fits.PrimaryHDU(lens_image()))
    with pytest.raises(InputError, match=r"pixel scale is not known; give --pixel-scale, or .* --psf 0\.6px"):
        read(path, ReadOptions(psf="0.6"))
    assert fwhm_of(read(path, ReadOptions(psf="0.6", pixel_scale=0.2))[0]) == pytest.approx(3.0)


def test_a_psf_file(tmp_path: Path) -> None:
    psf = tmp_path / "psf.fits"
    fits.PrimaryHDU(psf_image(20, 4.0)).writeto(psf)
    cutout = read(single(tmp_path / "a.fits"), ReadOptions(psf=str(psf)))[0]
    assert cutout.psf.source == "option (psf.fits)"
    assert cutout.psf.value is not None
    assert cutout.psf.value.image is not None
    assert cutout.psf.value.image.shape == (19, 19)
    assert fwhm_of(cutout) == pytest.approx(4.0, rel=0.03)
    fits.PrimaryHDU(np.zeros((9, 9))).writeto(tmp_path / "zero.fits")
    with pytest.raises(UsageError, match="no image of a PSF"):
        read(single(tmp_path / "a.fits"), ReadOptions(psf=str(tmp_path / "zero.fits")))


@pytest.mark.parametrize("size", [14, 15])
def test_psf_images_are_centred_on_the_middle_pixel(size: int) -> None:
    result = centred(psf_image(size) * 7.0)
    assert result is not None
    side = result.shape[0]
    assert result.shape == (side, side)
    assert side % 2 == 1
    assert result.sum() == pytest.approx(1.0, abs=1e-6)
    rows, columns = np.indices(result.shape)
    middle = (side - 1) / 2
    assert (result * rows).sum() == pytest.approx(middle, abs=0.01)
    assert (result * columns).sum() == pytest.approx(middle, abs=0.01)


def test_a_card_in_pixels_says_so_in_its_comment(tmp_path: Path) -> None:
    header = wcs_cards()
    header["FWHM"] = (4.925, "Median FWHM in pixels")
    cutout = read(write(tmp_path / "a.fits", fits.PrimaryHDU(lens_image(), header)))[0]
    assert fwhm_of(cutout) == 4.925
    header["FWHM"] = (0.0, "[arcsec]")
    assert read(write(tmp_path / "b.fits", fits.PrimaryHDU(lens_image(), header)))[0].psf.value is None


def test_a_psf_on_other_pixels_gives_its_width_only(tmp_path: Path) -> None:
    psf = fits.ImageHDU(psf_image(31, 6.0), name="PSF")
    psf.header["PIXSCALE"] = 0.1
    cutout = read(write(tmp_path / "a.fits", image("SCI", lens_image()), psf))[0]
    assert cutout.psf.value is not None
    assert cutout.psf.value.image is None
    assert fwhm_of(cutout) == pytest.approx(3.0, rel=0.05)


# the lens


def test_the_lens_is_the_smooth_galaxy_not_its_brighter_quasar_images() -> None:
    data = field(QUAD, galaxy=(60.4, 59.7, 300.0))
    assert brightest_smooth_peak(data, good(data), FWHM) == pytest.approx((60.4, 59.7), abs=0.7)


def test_a_field_of_stars_has_no_lens() -> None:
    data = field([(60.2, 49.4, 3000.0), (70.8, 61.1, 2500.0)])
    assert brightest_smooth_peak(data, good(data), FWHM) is None


def test_empty_sky_has_no_lens() -> None:
    data = field([])
    assert brightest_smooth_peak(data, good(data), None) is None


def test_what_lies_outside_the_central_third_is_no_lens() -> None:
    data = field([], galaxy=(20, 100, 900.0)) + field([], galaxy=(60, 61, 60.0))
    assert brightest_smooth_peak(data, good(data), FWHM) == pytest.approx((60, 61), abs=1.0)


def test_bad_pixels_do_not_move_the_lens() -> None:
    data = field([], galaxy=(60.4, 59.7, 300.0))
    bad = good(data)
    bad[55:58, 62:66] = True
    data[55:58, 62:66] = 1e6
    assert brightest_smooth_peak(data, bad, FWHM) == pytest.approx((60.4, 59.7), abs=0.5)


def test_a_header_position_beats_the_peak(tmp_path: Path) -> None:
    center = read(single(tmp_path / "a.fits", TARGETX=11.5, TARGETY=12.5))[0].lens_center
    assert center == Resolved((11.5, 12.5), "header TARGETX,TARGETY")
    outside = read(single(tmp_path / "b.fits", TARGETX=9000.0, TARGETY=12.5))[0].lens_center
    assert outside.source == "brightest smooth peak of the central third"


@pytest.mark.parametrize("option", ["1e400", "0px", "5.6.7", "-1", "nan"])
def test_a_width_that_is_none_is_wrong_usage(tmp_path: Path, option: str) -> None:
    with pytest.raises(UsageError, match=f"--psf {option}"):
        read(single(tmp_path / "a.fits"), ReadOptions(psf=option))


def test_the_seeing_of_the_input_is_not_taken_for_a_deconvolved_output(tmp_path: Path) -> None:
    path = single(tmp_path / "a.fits", SEEING=0.7)
    assert read(path)[0].psf.source == "header SEEING"
    fits.setval(path, "PSF_FWHM", value=0.0, comment="[pix] width of the PSF of this image")
    assert "SEEING" not in read(path)[0].psf.source
