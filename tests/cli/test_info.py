"""``lensproc info``: readable lines with sources, JSON, and bad files that cost only themselves."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner, Result

from lensproc.cli import cli
from lensproc.cli.read_options import build_read_options
from lensproc.errors import UsageError
from tests.scenes import FWHM, PIXEL_SCALE, write_cutout


def info(*arguments: object) -> Result:
    result = CliRunner().invoke(cli, ["info", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_every_value_stands_with_its_source(tmp_path: Path) -> None:
    result = info(write_cutout(tmp_path / "lens.fits"))
    assert result.exit_code == 0
    assert "lens.fits [SCI]  48 x 48 px, dialect multi-extension" in result.output
    assert "27.000 mag  [header MAGZERO]" in result.output
    assert "0.2 arcsec  [header CD]" in result.output
    assert f"FWHM {FWHM:.2f} px = {FWHM * PIXEL_SCALE:.3f} arcsec  [header SEEING]" in result.output
    assert "adu  [header BUNIT]" in result.output
    assert "a variance per pixel; 0 bad pixels (0.0 %)" in result.output


def test_options_are_shown_as_options(tmp_path: Path) -> None:
    path = write_cutout(tmp_path / "lens.fits")
    result = info(
        path, "--zeropoint", 25.5, "--psf", "2.5px", "--lens-center", "20,21.5", "--pixel-scale", 0.3
    )
    assert "25.500 mag  [option]" in result.output
    assert "FWHM 2.50 px = 0.750 arcsec  [option]" in result.output
    assert "(20.00, 21.50)  [option]" in result.output
    assert "0.3 arcsec  [option]" in result.output


def test_a_bad_file_gives_its_line_and_the_others_go_on(tmp_path: Path) -> None:
    first, last = (write_cutout(tmp_path / name) for name in ("a.fits", "c.fits"))
    (tmp_path / "b.fits").write_text("no FITS")
    result = info(first, tmp_path / "b.fits", last)
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert "b.fits: is not a FITS file (does not begin with SIMPLE); give a FITS image" in lines
    assert [line.split(" [")[0] for line in lines if "px, dialect" in line] == ["a.fits", "c.fits"]


def test_json_is_one_array(tmp_path: Path) -> None:
    path = write_cutout(tmp_path / "lens.fits")
    result = info("--json", path, tmp_path / "missing.fits")
    assert result.exit_code == 1
    good, bad = json.loads(result.stdout)
    assert good["zeropoint"] == {"value": 27.0, "source": "header MAGZERO"}
    assert good["psf"]["value"]["fwhm_arcsec"] == pytest.approx(0.6)
    assert good["shape"] == [48, 48]
    assert good["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert bad == {"file": "missing.fits", "error": "no such file", "remedy": "check the path"}


def test_bands_of_a_cube(tmp_path: Path) -> None:
    data = np.random.default_rng(1).normal(5, 1, (2, 30, 30)).astype(np.float32)
    fits.PrimaryHDU(data).writeto(tmp_path / "cube.fits")
    refused = info(tmp_path / "cube.fits")
    assert refused.exit_code == 1
    assert "--band" in refused.output
    named = info(tmp_path / "cube.fits", "--band", "g,r")
    assert named.exit_code == 0
    assert "cube.fits [0[0]]" in named.output
    assert "r  [option]" in named.output
    assert "warning: no WCS" in named.output


def test_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no input files"):
        info()
    path = write_cutout(tmp_path / "lens.fits")
    with pytest.raises(UsageError, match="--lens-center a,b"):
        info(path, "--lens-center", "a,b")
    with pytest.raises(UsageError, match="--pixel-scale -1"):
        info(path, "--pixel-scale", "-1")


def test_options_become_read_options() -> None:
    options = build_read_options(
        {"bands": ("g,r", "SCI:2"), "pixel_units": "surface-brightness", "lens_center": "3,4.5", "psf": "0.6"}
    )
    assert options.bands == ("g", "r", "SCI:2")
    assert options.pixel_units == "surface brightness"
    assert options.lens_center == (3.0, 4.5)
    assert options.psf == "0.6"


def test_info_imports_no_torch(tmp_path: Path) -> None:
    path = write_cutout(tmp_path / "lens.fits")
    code = (
        "import sys; from lensproc.cli import cli\n"
        f"try: cli(['info', {str(path)!r}])\n"
        "except SystemExit: pass\n"
        "print('torch' in sys.modules, file=sys.stderr)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stderr.strip() == "False"
    assert "lens.fits [SCI]" in result.stdout
