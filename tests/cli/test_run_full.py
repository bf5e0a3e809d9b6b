"""``lensproc run --checks full``: errors of the pixels, their scatter, and the same file every time."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from click.testing import CliRunner

from lensproc.cli import cli
from tests.scenes import NOISE, write_cutout


def run(source: Path, folder: Path, *more: str) -> Path:
    command = [
        "run",
        str(source),
        "-o",
        str(folder),
        "--checks",
        "full",
        "--jobs",
        "1",
        "--stages",
        "bicubic",
    ]
    result = CliRunner().invoke(cli, [*command, *more])
    assert result.exit_code == 0, result.output
    return folder / "lens_enhanced.fits"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cutout(tmp_path_factory.mktemp("in") / "lens.fits")


@pytest.fixture(scope="module")
def output(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        return run(source, tmp_path_factory.mktemp("one"))


def test_errors_of_the_pixels_are_those_of_interpolated_noise(output: Path) -> None:
    with fits.open(output) as hdus:
        header, error, image = hdus[0].header, hdus["UNCERT"].data, hdus["SCI"].data
    assert error.shape == image.shape == (96, 96)
    assert error.dtype == np.dtype(">f4")
    assert (error > 0).all()
    # flux per pixel: an output pixel holds a quarter of an input pixel, its noise between (5/8)² and 1 times that
    sky = np.median(error) / (NOISE / 4)
    assert 0.5 < sky < 1.1
    assert header["QAUNC"] == pytest.approx(1.645 * sky, rel=0.15)
    assert header["QATTA"] < 0.01, "cubic convolution does not care how the sky lies on the detector"


def test_header_catalogue_and_record_say_the_same(output: Path) -> None:
    header = fits.getheader(output)
    row = Table.read(output.parent / "catalog.ecsv")[0]
    for key in ("QASTAT", "QAUNC", "QATTA", "QANIN", "QANMAT"):
        assert row[key] == header[key], key
    assert header["QANIN"] == header["QANMAT"] == 2
    assert header["QANHAL"] == header["QANLOST"] == 0
    assert header["QASTAT"] == "WARN", "the noise was copied"
    line = json.loads((output.parent / "ledger.jsonl").read_text().splitlines()[0])
    assert "quick checks only" not in line["cutouts"][0]["message"]


def test_a_second_run_in_other_batches_gives_the_same_bytes(
    source: Path, output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    again = run(source, tmp_path, "--batch-size", "3")
    assert again.read_bytes() == output.read_bytes()


def test_quick_checks_write_no_errors(source: Path, tmp_path: Path) -> None:
    with fits.open(run(source, tmp_path, "--checks", "quick")) as hdus:
        assert "UNCERT" not in hdus
        assert not {"QAUNC", "QATTA"} & set(hdus[0].header)
