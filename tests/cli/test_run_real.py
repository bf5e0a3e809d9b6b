"""``lensproc run`` over real survey files: each is enhanced, or refused for the reason it should be."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import warnings
from pathlib import Path

import pytest
from astropy.io import fits
from astropy.wcs import WCS
from click.testing import CliRunner

from lensproc.cli import cli

pytestmark = pytest.mark.real

REFUSED = {
    "22_jwst_miri_F1800W_COSJ100018_ALLZERO.fits": "zero everywhere",
    "31_hst_acs_flt_SCI_ERR_DQ_x2_TAN-SIP_headeronly.fits": "too small",
    "39_mosaic3_zd_TPV_DQ_tilecompressed.fits": "zero everywhere",
    "46_des_i_cube46x91x91_NOWCS.fits": "nothing says that they are bands",
}
"""File name to a part of the reason."""


@pytest.fixture(scope="module")
def outputs(
    real_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[dict[str, object]]]:
    folder = tmp_path_factory.mktemp("real")
    files = sorted(str(path) for path in real_data.glob("*.fits*"))
    result = CliRunner().invoke(cli, ["run", *files, "-o", str(folder), "--stages", "lanczos", "--jobs", "1"])
    assert result.exit_code in (0, 1), result.output
    return folder, [json.loads(line) for line in (folder / "ledger.jsonl").read_text().splitlines()]


def test_each_file_is_enhanced_or_refused_for_its_reason(
    outputs: tuple[Path, list[dict[str, object]]],
) -> None:
    for record in outputs[1]:
        name = str(record["file"])
        if name in REFUSED:
            assert record["status"] == "FAILED"
            assert REFUSED[name] in str(record["message"])
        else:
            assert record["status"] == "OK", f"{name}: {record['message']} {record['cutouts']}"


def test_astropy_and_fitsverify_find_no_error(outputs: tuple[Path, list[dict[str, object]]]) -> None:
    paths = sorted(outputs[0].glob("*_enhanced.fits"))
    assert paths
    for path in paths:
        with fits.open(path, checksum=True) as hdus:
            hdus.verify("exception")
            assert all(hdu.verify_checksum() == 1 for hdu in hdus)
    if shutil.which("fitsverify") is None:
        pytest.skip("astropy finds none; the program fitsverify is not installed")
    for path in paths:
        report = subprocess.run(["fitsverify", "-q", str(path)], capture_output=True, text=True).stdout
        assert "0 errors" in report or "verification OK" in report, f"{path.name}: {report}"


def warned(path: Path, hdu: int | str) -> set[str]:
    """What `WCS` warns of in a file, by the first words of each message."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with fits.open(path) as hdus:
            WCS(hdus[hdu].header, fobj=hdus, naxis=2)
    return {re.split(r"['.=]", str(warning.message))[0] for warning in caught}


def test_the_sky_of_an_output_raises_no_warning_that_the_inputs_did_not(
    outputs: tuple[Path, list[dict[str, object]]], real_data: Path
) -> None:
    for path in outputs[0].glob("*_enhanced.fits"):
        primary = fits.getheader(path, 0)
        source, hdu = real_data / primary["LPINFILE"], primary["LPINEXT"].split("[")[0]
        name, _, version = hdu.partition(",")
        key = int(name) if name.isdigit() else (name, int(version or 1))
        assert warned(path, "SCI") <= warned(source, key), path.name
