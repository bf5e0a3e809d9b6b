"""What bad input gets: one line with file, reason and remedy, and never a warning or a traceback."""

from __future__ import annotations

import gzip
import io
import os
import warnings
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from lensproc.errors import InputError, UsageError
from lensproc.fits.read import ReadOptions, read, read_raw
from tests.fits.layouts import lens_image, single, wcs_cards, write


def refusal(path: Path, options: ReadOptions | None = None) -> InputError:
    """The error that reading gives, after checking that it is one line that names the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError) as caught:
            read(path, options)
    error = caught.value
    assert error.file == path.name
    assert "\n" not in str(error)
    assert str(error).startswith(f"{path.name}: ")
    return error


def test_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    path.touch()
    assert "is empty" in refusal(path).what


def test_a_text_file(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    path.write_text("this is no FITS file\n" * 500)
    assert "is not a FITS file" in refusal(path).what


@pytest.mark.parametrize("keep", [100, 2880, 2881, 5000, 9000])
def test_a_truncated_file_says_how_much_is_missing(tmp_path: Path, keep: int) -> None:
    path = single(tmp_path / "a.fits")
    path.write_bytes(path.read_bytes()[:keep])
    error = refusal(path)
    assert "truncated" in error.what
    assert error.remedy == "fetch the file again"
    if keep >= 2880:
        assert f"should hold {40 * 44 * 4} bytes of data and holds {keep - 2880}" in error.what


def test_a_file_that_only_lacks_its_last_padding_is_read(tmp_path: Path) -> None:
    path = single(tmp_path / "a.fits")
    whole = read(path)[0]
    path.write_bytes(path.read_bytes()[: 2880 + 40 * 44 * 4])
    cutout = read(path)[0]
    assert np.array_equal(cutout.data, whole.data)
    assert cutout.source.datasum == whole.source.datasum


def test_bytes_after_the_last_hdu_are_ignored_with_a_word(tmp_path: Path) -> None:
    path = single(tmp_path / "a.fits")
    path.write_bytes(path.read_bytes() + b"junk" * 10)
    assert "40 bytes after the last HDU were ignored" in read(path)[0].warnings


@pytest.mark.parametrize("suffix", ["gz", "bz2"])
def test_a_truncated_compressed_file(tmp_path: Path, suffix: str) -> None:
    import bz2

    raw = single(tmp_path / "a.fits").read_bytes()
    path = tmp_path / f"a.fits.{suffix}"
    path.write_bytes((gzip.compress(raw) if suffix == "gz" else bz2.compress(raw))[:900])
    assert "truncated" in refusal(path).what


def test_a_damaged_compressed_file(tmp_path: Path) -> None:
    raw = bytearray(gzip.compress(single(tmp_path / "a.fits").read_bytes()))
    raw[400:500] = bytes(100)
    path = tmp_path / "a.fits.gz"
    path.write_bytes(raw)
    assert "decompress" in refusal(path).what or "truncated" in refusal(path).what


def test_a_header_without_data(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits", fits.PrimaryHDU(header=wcs_cards()))
    assert refusal(path).what == "has no image: there is a header and no data"


def test_a_header_that_promises_data_that_is_not_there(tmp_path: Path) -> None:
    path = single(tmp_path / "a.fits")
    path.write_bytes(path.read_bytes()[:2880])
    assert "holds 0" in refusal(path).what


def test_a_file_with_a_table_only(tmp_path: Path) -> None:
    table = fits.BinTableHDU.from_columns([fits.Column("x", "D", array=[1.0, 2.0])])
    assert "has no image" in refusal(write(tmp_path / "a.fits", table)).what


def test_one_dimensional_data(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits", fits.PrimaryHDU(np.ones(100, np.float32)))
    assert refusal(path).what == "has no image: HDU 0 is 1-D (100 values)"


@pytest.mark.parametrize("axes", [(0, 40), (40, 0), (0, 0)])
def test_axes_of_length_zero(tmp_path: Path, axes: tuple[int, int]) -> None:
    path = single(tmp_path / "a.fits")
    raw = path.read_bytes()[:2880]
    for axis, side in enumerate(reversed(axes), start=1):
        old = f"NAXIS{axis}  = {(44, 40)[axis - 1]:>20}".encode()
        assert old in raw
        raw = raw.replace(old, f"NAXIS{axis}  = {side:>20}".encode())
    path.write_bytes(raw)
    assert "axis of length 0" in refusal(path).what


def test_all_nan(tmp_path: Path) -> None:
    error = refusal(single(tmp_path / "a.fits", np.full((20, 20), np.nan, np.float32)))
    assert "every pixel is NaN" in error.what


def test_all_zero_says_that_nothing_was_measured(tmp_path: Path) -> None:
    error = refusal(single(tmp_path / "a.fits", np.zeros((20, 20), np.float32)))
    assert "is zero everywhere" in error.what
    assert "nothing was measured" in str(error)


def test_zero_and_nan_only(tmp_path: Path) -> None:
    data = np.zeros((20, 20), np.float32)
    data[:5] = np.nan
    assert "is zero everywhere" in refusal(single(tmp_path / "a.fits", data)).what


def test_a_band_without_a_measurement_costs_that_band_only(tmp_path: Path) -> None:
    stack = np.stack([lens_image(seed=1), np.zeros((40, 44), np.float32), lens_image(seed=2)])
    cutouts = read(single(tmp_path / "a.fits", stack, BANDS="grz"))
    assert [cutout.band.value for cutout in cutouts] == ["g", "z"]
    assert "not read: 0[1] is zero everywhere" in cutouts[0].warnings


def test_one_third_nan_is_fine(tmp_path: Path) -> None:
    data = lens_image()
    data[:13] = np.nan
    cutout = read(single(tmp_path / "a.fits", data))[0]
    assert np.array_equal(cutout.bad, np.isnan(data))
    assert cutout.lens_center.value is not None


def test_everything_masked(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.fits",
        fits.ImageHDU(lens_image(), wcs_cards(), name="SCI"),
        fits.ImageHDU(np.ones((40, 44), np.int16), name="DQ"),
    )
    assert "every pixel is masked" in refusal(path).what


def test_a_single_pixel(tmp_path: Path) -> None:
    assert "too small" in refusal(single(tmp_path / "a.fits", np.ones((1, 1), np.float32))).what


def test_no_wcs_goes_on_with_a_warning(tmp_path: Path) -> None:
    cutout = read(write(tmp_path / "a.fits", fits.PrimaryHDU(lens_image())))[0]
    assert cutout.pixel_scale.value is None
    assert any(warning.startswith("no WCS") for warning in cutout.warnings)


def test_tan_without_crpix_goes_on_with_a_warning(tmp_path: Path) -> None:
    header = wcs_cards()
    del header["CRPIX1"], header["CRPIX2"]
    cutout = read(write(tmp_path / "a.fits", fits.PrimaryHDU(lens_image(), header)))[0]
    assert any("no CRPIX1 and CRPIX2" in warning for warning in cutout.warnings)
    assert cutout.pixel_scale.value == pytest.approx(0.2)


def test_values_of_1e_11_keep_their_digits(tmp_path: Path) -> None:
    data = lens_image().astype(np.float64) * 1e-13
    path = write(
        tmp_path / "a.fits",
        fits.ImageHDU(data, wcs_cards(), name="SCI"),
        fits.ImageHDU(np.full(data.shape, 5e-14), name="ERR"),
    )
    cutout = read(path)[0]
    np.testing.assert_allclose(cutout.data, data, rtol=1e-7)
    assert cutout.variance is not None
    np.testing.assert_allclose(cutout.variance, 2.5e-27, rtol=1e-5)
    assert cutout.lens_center.value == pytest.approx((21.6, 19.3), abs=0.5)


def test_a_cube_of_46_planes_says_how_to_name_them(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fits", fits.PrimaryHDU(np.ones((46, 9, 9), np.float32)))
    error = refusal(path)
    assert "cube of 46 planes" in error.what
    assert "--band" in str(error.remedy)
    assert "BANDS" in str(error.remedy)
    assert "gives 2" in refusal(path, ReadOptions(bands=("g", "r"))).what


def test_a_missing_file(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nothing.fits").what == "no such file"


def test_a_folder(tmp_path: Path) -> None:
    (tmp_path / "folder.fits").mkdir()
    error = refusal(tmp_path / "folder.fits")
    assert error.what == "is a folder"
    assert "/*.fits" in str(error.remedy)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file")
def test_an_unreadable_file(tmp_path: Path) -> None:
    path = single(tmp_path / "a.fits")
    path.chmod(0)
    assert refusal(path).what == "may not be read"


def test_an_unreadable_file_as_any_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import builtins

    def deny(*arguments: object, **options: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = single(tmp_path / "a.fits")
    monkeypatch.setattr(builtins, "open", deny)
    with pytest.raises(InputError, match=r"a\.fits: may not be read; check its permissions"):
        read(path)


def test_a_name_that_no_file_can_have() -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read("a\0.fits")


@pytest.mark.parametrize(
    "card",
    ["NAXIS1  =                   -4", "BITPIX  =                   17", "NAXIS1  = 'many'              "],
)
def test_sizes_that_fits_does_not_know(tmp_path: Path, card: str) -> None:
    path = single(tmp_path / "a.fits")
    raw = path.read_bytes()
    place = raw.index(card[:8].encode())
    path.write_bytes(raw[:place] + card.encode() + raw[place + len(card) :])
    error = refusal(path)
    assert "HDU 0" in error.what


def test_a_damaged_tile_compressed_file(tmp_path: Path) -> None:
    path = tmp_path / "a.fits.fz"
    data = (lens_image() * 100).astype(np.int16)
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(data, wcs_cards(), "GZIP_1")]).writeto(path)
    raw = bytearray(path.read_bytes())
    raw[-2000:] = bytes(2000)
    raw[-2880:-2000] = b"\xff" * 880
    path.write_bytes(raw)
    assert "cannot be read" in refusal(path).what


def test_bytes_that_are_no_text_in_a_header_are_replaced(tmp_path: Path) -> None:
    path = single(tmp_path / "a.fits", OBJECT="cafe au lait", FILTER="g")
    path.write_bytes(path.read_bytes().replace(b"cafe", b"caf\xe9"))
    cutout = read(path)[0]
    assert cutout.header["OBJECT"] == "caf? au lait"
    assert any("no printable ASCII" in warning for warning in cutout.warnings)


def test_cards_that_cannot_be_parsed_are_no_obstacle(tmp_path: Path) -> None:
    path = single(tmp_path / "a.fits", SEEING=0.6, OBJECT="lens")
    raw = path.read_bytes()
    place = raw.index(b"SEEING  =")
    path.write_bytes(raw[:place] + b"SEEING  = 0.6 arcsec, 'good".ljust(80) + raw[place + 80 :])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cutout = read(path)[0]
    assert cutout.psf.source != "header SEEING"


def test_a_header_of_33200_cards_is_read_fast(tmp_path: Path) -> None:
    import time

    header = wcs_cards()
    blank = "".join(f"{f'X{i:07d}':<8}= {i:>20}".ljust(80) for i in range(33_000))
    header = fits.Header.fromstring(header.tostring(sep="", endcard=False, padding=False) + blank)
    path = write(tmp_path / "a.fits", fits.PrimaryHDU(lens_image(), header))
    start = time.process_time()
    cutout = read(path)[0]
    assert time.process_time() - start < 3.0
    assert cutout.header["X0032999"] == 32999


@settings(max_examples=150, deadline=None)
@given(
    places=st.lists(st.tuples(st.integers(0, 2 * 2880 - 1), st.integers(0, 255)), min_size=1, max_size=20),
    moved=st.lists(st.tuples(st.integers(0, 71), st.integers(0, 71)), max_size=3),
)
def test_damaged_headers_are_read_or_refused_in_one_line(
    places: list[tuple[int, int]], moved: list[tuple[int, int]]
) -> None:
    raw = bytearray(_file_of_two_headers())
    for place, value in places:
        raw[place] = value
    for first, second in moved:
        a, b = slice(80 * first, 80 * first + 80), slice(80 * second, 80 * second + 80)
        raw[a], raw[b] = raw[b], raw[a]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            cutouts = read_raw(bytes(raw), "damaged.fits")
        except InputError as error:
            line = str(error)
        else:
            line = cutouts[0].source.file
    assert line.startswith("damaged.fits")
    assert "\n" not in line


@lru_cache
def _file_of_two_headers() -> bytes:
    buffer = io.BytesIO()
    cards = wcs_cards(BUNIT="nJy", FILTER="g", SEEING=0.7, INHERIT=True)
    sci = fits.ImageHDU(lens_image(), cards, name="SCI")
    fits.HDUList([fits.PrimaryHDU(), sci, fits.ImageHDU(lens_image(), name="ERR")]).writeto(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "options",
    [
        ReadOptions(pixel_scale=-0.2),
        ReadOptions(pixel_scale=float("nan")),
        ReadOptions(pixel_units="furlong"),  # type: ignore[arg-type]
        ReadOptions(zeropoint=float("inf")),
        ReadOptions(lens_center=(1.0, float("nan"))),
        ReadOptions(psf="0"),
        ReadOptions(psf="no_such_file.fits"),
    ],
)
def test_options_that_make_no_sense_are_wrong_usage(tmp_path: Path, options: ReadOptions) -> None:
    path = single(tmp_path / "a.fits")
    with pytest.raises(UsageError):
        read(path, options)
