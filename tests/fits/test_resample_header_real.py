"""The sky of every real image stays when its header is resampled, and no reader finds anything new to warn of."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lensproc.cutout import DistortionTable
from lensproc.fits.resample_header import resample_header
from tests.fits.skies import Sky, numbers_lost, on_output, pixels, resampled, separation

pytestmark = pytest.mark.real


def skies(folder: Path) -> Iterator[tuple[str, Sky, tuple[int, int]]]:
    """Every image of every file, with its look-up tables."""
    for path in sorted(folder.iterdir()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with fits.open(path) as hdus:
                tables = tuple(
                    DistortionTable(hdu.name, hdu.ver, hdu.header, hdu.data)
                    for hdu in hdus
                    if hdu.name in ("D2IMARR", "WCSDVARR")
                )
                for n, hdu in enumerate(hdus):
                    if hdu.is_image and hdu.header["NAXIS"] >= 2 and hdu.name not in ("D2IMARR", "WCSDVARR"):
                        uses = tables if "CPDIS1" in hdu.header else ()
                        yield f"{path.name}[{n}]", Sky(hdu.header, uses), hdu.shape[-2:]


def versions(header: fits.Header) -> set[str]:
    """Versions of the WCS that a header holds; the blank one is the primary."""
    return {key[6:] or " " for key in header if key.startswith("CTYPE1")}


@pytest.mark.parametrize("scale", [2.0, 3.0, 1.5, 0.5, (2.0, 3.0)])
def test_the_sky_of_any_pixel_stays(real_data: Path, scale: float | tuple[float, float]) -> None:
    seen = 0
    for name, sky, shape in skies(real_data):
        if len(sky.header) > 1000 and scale != 2:
            continue  # WCS() takes a second for each of these.
        out = resampled(sky, scale, shape)
        points = pixels(shape)
        for version in versions(sky.header):
            before, after = sky.wcs(version), out.wcs(version)
            seen += 1
            if before.has_celestial:
                assert separation(before, points, after, on_output(points, scale)) <= 1, (name, version)
            else:
                a, b = before.all_pix2world(points, 1), after.all_pix2world(on_output(points, scale), 1)
                np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-9, err_msg=f"{name} {version}")
    assert seen > 40


def test_readers_find_nothing_new_to_warn_of(real_data: Path) -> None:
    for name, sky, shape in skies(real_data):
        if len(sky.header) < 1000:
            assert resampled(sky, 2, shape).complaints() <= sky.complaints(), name


@pytest.mark.parametrize("scale", [2.0, 3.0, 1.5])
def test_there_and_back_gives_every_header_again(real_data: Path, scale: float) -> None:
    for name, sky, shape in skies(real_data):
        if len(sky.header) > 1000 and scale != 2:
            continue
        there = resample_header(sky.header, scale)
        back = resample_header(there.header, 1 / scale).header
        dropped = " ".join(there.notes)
        kept = [card for card in sky.header.cards if not card.is_blank and card.keyword not in dropped]
        lost = numbers_lost(fits.Header(kept), back, max(shape))
        assert not lost, (name, lost)


def test_headers_of_33200_cards_take_less_than_reading_their_wcs(real_data: Path) -> None:
    header = fits.getheader(real_data / "13_hst_acs_F814W_COSJ100024+021749_hugeheader.fits")
    assert len(header) == 33200
    resample_header(header, 2)
    start = time.perf_counter()
    out = resample_header(header, 2).header
    assert time.perf_counter() - start < 2
    assert len(set(map(str, out.cards)) - set(map(str, header.cards))) < 20
