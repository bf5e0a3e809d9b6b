"""``lensproc calibrate`` writes a file that the checks find by the stage's options."""

import hashlib
import json

import pytest
from click.testing import CliRunner

from lensproc.cli.calibrate import command
from lensproc.contract.registry import load_registry
from lensproc.errors import LensprocError, UsageError
from lensproc.qc.calibration_file import find_calibration


def calibrate(*arguments):
    result = CliRunner().invoke(
        command, [*map(str, arguments), "--blanks", "2", "--size", "40", "--device", "cpu"]
    )
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_each_set_of_options_has_its_entry(tmp_path):
    path = tmp_path / "bicubic.calibration.json"
    calibrate("bicubic", "-o", path)
    result = calibrate("bicubic", "--set", "scale=3", "-o", path)
    assert hashlib.sha256(path.read_bytes()).hexdigest() in result.output
    manifest = load_registry().manifest("bicubic")
    for scale in (2, 3):
        found = find_calibration(
            path.read_text(), manifest.resolve_options({"scale": scale}), manifest.version
        )
        assert found.level_at(3.0, 0.0).width == pytest.approx(3.0 * scale, rel=0.1)
    assert (
        find_calibration(path.read_text(), manifest.resolve_options({"scale": 4}), manifest.version) is None
    )


def test_the_same_command_gives_the_same_bytes(tmp_path):
    for name in ("a.json", "b.json"):
        calibrate("bicubic", "-o", tmp_path / name)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_wrong_stages_options_and_files_are_refused(tmp_path):
    with pytest.raises(LensprocError, match="no stage is called"):
        calibrate("nosuch")
    with pytest.raises(UsageError, match="scale"):
        calibrate("bicubic", "--set", "scale=9")
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"answer": 42}))
    with pytest.raises(UsageError, match="calibration file"):
        calibrate("bicubic", "-o", other)
    assert json.loads(other.read_text()) == {"answer": 42}
