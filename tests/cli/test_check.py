"""``lensproc check``: the ruler of a run, laid on files of other programs too."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner, Result
from scipy.ndimage import zoom

from lensproc.cli import cli
from lensproc.errors import LensprocError, UsageError
from tests.scenes import FWHM, NOISE, star_field, write_cutout

STARS = ((16.3, 30.8, 2000.0), (33.1, 14.6, 900.0))
"""Of `star_field`: SNR 124 and 56."""


def check(*arguments: object) -> Result:
    result = CliRunner().invoke(cli, ["check", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def records(*arguments: object) -> list[dict]:
    return json.loads(check(*arguments, "--json").output)


def other_program(path: Path, data: np.ndarray) -> Path:
    """Write pixels as a program does that knows nothing of WCS, units or PSF."""
    fits.writeto(path, np.asarray(data, np.float32))
    return path


def twice(stars: tuple[tuple[float, float, float], ...]) -> np.ndarray:
    """Stars without noise on a grid twice as fine, values kept."""
    finer = tuple((2 * x + 0.5, 2 * y + 0.5, 4 * flux) for x, y, flux in stars)
    return star_field((96, 96), finer, noise=0.0, fwhm=2 * FWHM)


@pytest.fixture
def original(tmp_path: Path) -> Path:
    return write_cutout(tmp_path / "lens.fits")


def values(record: dict) -> dict:
    return {name: entry["value"] for name, entry in record["qa"].items()}


def test_an_output_of_lensproc_gets_the_values_that_its_run_wrote(original, tmp_path):
    run = ["run", str(original), "-o", str(tmp_path / "out"), "--stages", "lanczos", "--jobs", "1"]
    assert CliRunner().invoke(cli, run).exit_code == 0
    output = tmp_path / "out" / "lens_enhanced.fits"
    (record,) = records(original, output)
    header = fits.getheader(output)
    assert record["basis"]["threshold"] == "blanks through the recorded stages"
    for name, value in values(record).items():
        if value is None or isinstance(value, str):
            assert value == header[name]
        else:
            assert value == pytest.approx(header[name], rel=1e-3, abs=1e-4), name
    assert "input" not in record["basis"]
    table = fits.getdata(output, "SOURCES")
    assert [row["verdict"] for row in record["sources"]] == [str(v) for v in table["verdict"]]


def test_an_output_that_was_made_from_another_file_says_so(original, tmp_path):
    run = ["run", str(original), "-o", str(tmp_path / "out"), "--stages", "bicubic", "--checks", "none"]
    assert CliRunner().invoke(cli, [*run, "--jobs", "1"]).exit_code == 0
    other = write_cutout(tmp_path / "other.fits", seed=1)
    (record,) = records(other, tmp_path / "out" / "lens_enhanced.fits")
    assert record["basis"]["input"].startswith("not the file that the output was made from")
    assert record["basis"]["output PSF"] == "same [declared by the recorded stages]"


def test_a_faithful_output_of_another_program_passes(original, tmp_path):
    (record,) = records(original, other_program(tmp_path / "theirs.fits", twice(STARS)))
    seen = values(record)
    assert seen["QASTAT"] == "PASS"
    assert seen["QANIN"] == seen["QANMAT"] == 2
    assert seen["QACHI2"] == pytest.approx(1.0, abs=0.1)
    assert record["basis"]["threshold"] == "the output's own blank sky"
    assert record["basis"]["amplitude"].startswith("surface brightness [measured")
    fluxes = [row["flux_out"] for row in record["sources"]]
    assert fluxes == pytest.approx([2000.0, 900.0], rel=0.02)


@pytest.mark.parametrize("factor", [1.0, 0.25])
def test_kept_sums_and_kept_values_give_the_same_findings(original, tmp_path, factor):
    output = other_program(tmp_path / "theirs.fits", factor * twice(STARS))
    (record,) = records(original, output)
    assert values(record)["QAFLX"] == pytest.approx(0.0, abs=3.0)
    kept = "flux" if factor == 0.25 else "surface-brightness"
    (told,) = records(original, output, "--amplitude", kept)
    assert values(told)["QAFLX"] == pytest.approx(values(record)["QAFLX"])


def test_an_erased_source_is_lost_and_strict_says_so(original, tmp_path):
    output = other_program(tmp_path / "theirs.fits", twice(STARS[:1]))
    (record,) = records(original, output)
    assert record["qa"]["QANLOST"]["value"] == 1
    assert record["qa"]["QANLOST"]["state"] == record["qa"]["QACHIP"]["state"] == "FAIL"
    (lost,) = [row for row in record["sources"] if row["verdict"] == "LOST"]
    assert (lost["x"], lost["y"]) == pytest.approx(STARS[1][:2], abs=0.2)
    assert check(original, output).exit_code == 0
    assert check(original, output, "--strict").exit_code == 3


def test_an_invented_source_is_denied_by_the_input(original, tmp_path):
    noisy = zoom(star_field(), 2, order=3, grid_mode=True, mode="nearest")
    invented = noisy + twice(((34.0, 34.0, 300.0),))
    (record,) = records(original, other_program(tmp_path / "theirs.fits", invented))
    (row,) = [row for row in record["sources"] if row["verdict"] == "HALLUC"]
    assert (row["x"], row["y"]) == pytest.approx((34.0, 34.0), abs=0.3)
    assert record["qa"]["QANHAL"]["state"] == "FAIL"


def test_a_narrower_output_is_judged_at_the_psf_that_it_is_said_to_have(original, tmp_path):
    stars = tuple((2 * x + 0.5, 2 * y + 0.5, 4 * flux) for x, y, flux in STARS)
    sharp = star_field((96, 96), stars, noise=0.0, fwhm=FWHM)
    output = other_program(tmp_path / "theirs.fits", sharp)
    (said,) = records(original, output, "--output-psf", 0.5)
    (unsaid,) = records(original, output)
    assert said["qa"]["QASTAT"]["value"] == "PASS"
    assert unsaid["qa"]["QACHI2"]["state"] == "FAIL"


def test_lines_for_people_tell_basis_values_and_sources(original, tmp_path):
    text = check(original, other_program(tmp_path / "theirs.fits", twice(STARS))).output
    assert "theirs.fits [0] against lens.fits" in text
    assert "output PSF   same [assumed; say it with --output-psf]" in text
    assert text.count("MATCHED") == 2
    assert "\x1b" not in text


def test_what_does_not_go_together_is_said(original, tmp_path):
    odd = other_program(tmp_path / "odd.fits", np.ones((97, 96)))
    with pytest.raises(LensprocError, match=r"96 x 97 px is not a whole number times the 48 x 48 px"):
        check(original, odd)
    flat = other_program(tmp_path / "flat.fits", np.random.default_rng(0).normal(0, NOISE, (96, 96)))
    blank = write_cutout(tmp_path / "blank.fits")
    with fits.open(blank, mode="update") as hdus:
        hdus["SCI"].data = star_field(stars=(), seed=3)
    with pytest.raises(UsageError, match="--amplitude"):
        check(blank, flat)
    with pytest.raises(UsageError, match="fraction"):
        check(original, flat, "--output-psf", "wide")
