"""An output says which weights made it, and a run does not take what other weights made."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from astropy.io import fits
from astropy.table import Table
from click.testing import CliRunner, Result

from lensproc.cli import cli
from lensproc.contract.datafiles import sha256_of
from lensproc.errors import LensprocError
from lensproc.nn.weights import read_weights, save_weights
from tests.scenes import write_cutout


def lensproc(command: str, *arguments: object) -> Result:
    result = CliRunner().invoke(cli, [command, *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def run(folder: Path, weights: Path) -> str:
    setting = f"srresnet.weights={weights}"
    result = lensproc(
        "run", folder / "lens.fits", "--stages", "srresnet", "--set", setting,
        "-o", folder / "out", "--checks", "none", "--jobs", 1,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    return result.output


def recorded(folder: Path) -> tuple[str, str, str]:
    with fits.open(folder / "out" / "lens_enhanced.fits") as hdus:
        table = Table.read(hdus["LENSPROC"])
        row = table[-1]
        header = next(hdu.header for hdu in hdus if "LP01WSHA" in hdu.header)
        return str(row["WEIGHTS"]), str(row["WSHA256"]), str(header["LP01WSHA"])


def test_the_weights_that_were_loaded_are_recorded_and_others_are_another_run(tmp_path, interpolating):
    own = tmp_path / "own.safetensors"
    own.write_bytes(interpolating("srresnet").read_bytes())
    write_cutout(tmp_path / "lens.fits")
    assert "1 done, 0 failed, 0 skipped" in run(tmp_path, own)
    first = sha256_of(own)
    assert recorded(tmp_path) == ("own.safetensors", first, first)
    assert "0 done, 0 failed, 1 skipped" in run(tmp_path, own)

    weights = read_weights(own)
    weights.state["last.bias"] += 0.25
    save_weights(own, weights.state, weights.metadata)
    assert "1 done, 0 failed, 0 skipped" in run(tmp_path, own), "the same name, other contents"
    second = sha256_of(own)
    assert second != first
    assert recorded(tmp_path)[1:] == (second, second)


def test_a_replay_says_where_weights_have_changed(tmp_path, interpolating):
    own = tmp_path / "own.safetensors"
    own.write_bytes(interpolating("srresnet").read_bytes())
    write_cutout(tmp_path / "lens.fits")
    run(tmp_path, own)
    arguments = (tmp_path / "out" / "lens_enhanced.fits", "--input", tmp_path / "lens.fits")
    assert lensproc("replay", *arguments).exit_code == 0
    weights = read_weights(own)
    weights.state["last.bias"] += torch.tensor([0.25])
    save_weights(own, weights.state, weights.metadata)
    changed = lensproc("replay", *arguments)
    assert changed.exit_code == 1
    assert "stage srresnet has other weights than recorded" in changed.output


def test_a_stage_without_weights_says_how_to_train_it(tmp_path):
    write_cutout(tmp_path / "lens.fits")
    with pytest.raises(
        LensprocError,
        match=r"ships no weights; train it with lensproc train srcnn, then --set srcnn\.weights",
    ):
        lensproc(
            "run",
            tmp_path / "lens.fits",
            "--stages",
            "srcnn",
            "-o",
            tmp_path,
            "--checks",
            "none",
            "--jobs",
            1,
        )
