"""Headers of real surveys become headers that no FITS reader finds fault with."""

from __future__ import annotations

import io
import shutil
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lensproc.cutout import Cutout, DistortionTable, Source
from lensproc.enhanced import Enhanced
from lensproc.fits.resample_header import resample_header, resample_tables
from lensproc.fits.write import enhanced_to_bytes

pytestmark = pytest.mark.real
TABLES = ("WCSDVARR", "D2IMARR")


def outputs(folder: Path) -> dict[str, tuple[fits.Header, bytes]]:
    """Header of the first image of each file, and the bytes of an output of twice its scale, by name."""
    found = {}
    for path in sorted(folder.iterdir()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with fits.open(path) as hdus:
                header, tables = science_header(hdus)
        if header is None:
            continue
        cutout = Cutout(
            np.zeros((4, 5), np.float32),
            None,
            np.zeros((4, 5), np.uint32),
            header,
            Source(path.name, "0", "a" * 64, "test"),
            distortion=tables,
        )
        image = cutout.replace(
            data=np.zeros((8, 10), np.float32),
            mask=np.zeros((8, 10), np.uint32),
            header=resample_header(header, 2, (4, 5)).header,
            distortion=resample_tables(tables, 2, header=header),
        )
        found[path.name] = header, enhanced_to_bytes(Enhanced(cutout, image, 2.0))
    return found


def science_header(hdus: fits.HDUList) -> tuple[fits.Header | None, tuple[DistortionTable, ...]]:
    images = [hdu for hdu in hdus if hdu.is_image and hdu.header["NAXIS"] >= 2]
    tables = tuple(
        DistortionTable(hdu.name, hdu.ver, hdu.header, np.asarray(hdu.data, np.float32))
        for hdu in images
        if hdu.name in TABLES
    )
    return (images[0].header if images else None), tables


@pytest.fixture(scope="module")
def written(real_data: Path) -> dict[str, tuple[fits.Header, bytes]]:
    return outputs(real_data)


def test_astropy_finds_no_fault(written: dict[str, tuple[fits.Header, bytes]]) -> None:
    for name, (_, content) in written.items():
        with fits.open(io.BytesIO(content), checksum=True) as hdus:
            hdus.verify("exception")
            for hdu in hdus:
                assert (hdu.verify_checksum(), hdu.verify_datasum()) == (1, 1), name
                assert not [k for k in hdu.header if len(k) > 8 and "." not in k], name
    assert len(written) > 30


@pytest.mark.skipif(shutil.which("fitsverify") is None, reason="the program fitsverify is not installed")
def test_fitsverify_finds_no_error(written: dict[str, tuple[fits.Header, bytes]], tmp_path: Path) -> None:
    for name, (_, content) in written.items():
        (tmp_path / "out.fits").write_bytes(content)
        report = subprocess.run(
            ["fitsverify", "-e", str(tmp_path / "out.fits")], capture_output=True, text=True
        ).stdout
        assert "0 error(s)" in report or "0 errors" in report, f"{name}: {report[-1500:]}"


def test_history_comments_and_unknown_cards_stay(written: dict[str, tuple[fits.Header, bytes]]) -> None:
    for name, (before, content) in written.items():
        with fits.open(io.BytesIO(content)) as hdus:
            after = hdus["SCI"].header
        for keyword in ("HISTORY", "COMMENT"):
            lines = list(after.get(keyword, []))
            missing = [line for line in before.get(keyword, []) if str(line).isascii() and line not in lines]
            assert not missing, f"{name}: {keyword} {missing[:3]}"
        for keyword in ("OBJECT", "EXPTIME", "FILTER", "TELESCOP", "DATE-OBS", "PHOTFLAM", "MAGZERO"):
            if before.get(keyword) not in (None, ""):
                assert after[keyword] == before[keyword], f"{name}: {keyword}"
