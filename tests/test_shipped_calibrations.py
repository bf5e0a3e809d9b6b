"""Calibrations that ship with stages: fit the stages of today, serve a run, are made again in place."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from lensproc.cli import cli
from lensproc.cli.calibrate import command
from lensproc.contract import datafiles
from lensproc.contract.datafiles import sha256_of, verified_path
from lensproc.contract.registry import load_registry
from lensproc.engine.pipeline import Pipeline
from lensproc.errors import OutputError, UsageError, WeightsError
from lensproc.evaluate.calibrate import probe_stage, rename_digest
from lensproc.qc.calibration_file import changes, find_calibration, read_calibrations
from tests.scenes import write_cutout

REGISTRY = load_registry()
SHIPPING = [m for m in REGISTRY.manifests.values() if m.calibration is not None]


def entries(manifest):
    text = verified_path(manifest, manifest.calibration).read_text(encoding="utf-8")
    return list(read_calibrations(text).values())


ENTRIES = [
    pytest.param(manifest, entry, id="-".join([manifest.id, *map(str, entry.options.values())]))
    for manifest in SHIPPING
    for entry in entries(manifest)
]


def test_the_classical_stages_ship_one_for_their_default_options():
    assert {m.id for m in SHIPPING} >= {"bicubic", "lanczos", "richardson-lucy", "nlm", "wavelet"}
    for manifest in SHIPPING:
        text = verified_path(manifest, manifest.calibration).read_text(encoding="utf-8")
        assert find_calibration(text, manifest.defaults, manifest.version) is not None


@pytest.mark.parametrize(("manifest", "entry"), ENTRIES)
def test_a_shipped_calibration_fits_the_stage_of_today(manifest, entry):
    remedy = f"run lensproc calibrate --shipped {manifest.id}"
    assert entry.version == manifest.version, remedy
    assert changes(entry.probe, probe_stage(manifest, entry.options)) == [], remedy


def test_pixels_changed_by_a_per_cent_are_noticed(monkeypatch):
    from lensproc_classical import interpolation

    manifest = REGISTRY.manifest("bicubic")
    (entry,) = (e for e in entries(manifest) if e.options == {"scale": 2})
    keys = interpolation.cubic_convolution
    monkeypatch.setattr(interpolation, "cubic_convolution", lambda x: keys(x, a=-0.52))
    found = changes(entry.probe, probe_stage(manifest, entry.options))
    assert any(line.startswith("gain was") for line in found)
    assert any(line.startswith("conformal factor of sky was") for line in found)


def checks_row(path, stage):
    with Pipeline([stage]) as pipeline:
        (result,) = pipeline.run([path])
    (row,) = (a for a in result.activities if a.id == "checks")
    return json.loads(row.options)


def test_a_run_takes_what_ships_and_measures_nothing(tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("calibrated although a file ships")

    monkeypatch.setattr("lensproc.qc.calibration.measure_calibration", refuse)
    row = checks_row(write_cutout(tmp_path / "a.fits"), "richardson-lucy")
    assert row["calibrated_in_memory"] is False
    assert row["calibration"] == REGISTRY.manifest("richardson-lucy").calibration.sha256


@pytest.mark.parametrize(
    ("stages", "settings", "reason"),
    [
        ("richardson-lucy", ["iterations=3"], "for richardson-lucy 1 with scale=2, iterations=3"),
        ("wavelet,lanczos", [], "for wavelet and lanczos together"),
    ],
)
def test_a_run_says_where_it_calibrates_for_itself(tmp_path, stages, settings, reason):
    file = write_cutout(tmp_path / "a.fits")
    options = [part for s in settings for part in ("--set", f"{stages}.{s}")]
    result = CliRunner().invoke(
        cli, ["run", str(file), "-o", str(tmp_path / "out"), "--stages", stages, *options, "--jobs", "1"]
    )
    assert result.exit_code == 0, result.output
    assert f"calibrated first, on a few blanks: none ships {reason}" in result.output
    again = CliRunner().invoke(
        cli, ["run", str(file), "-o", str(tmp_path / "lanczos"), "--stages", "lanczos", "--jobs", "1"]
    )
    assert again.exit_code == 0
    assert "blanks" not in again.output


def test_another_version_of_the_stage_is_measured_anew(tmp_path, monkeypatch):
    registry = load_registry()
    registry.manifests["bicubic"] = replace(registry.manifests["bicubic"], version="2")
    monkeypatch.setattr("lensproc.engine.pipeline.load_registry", lambda: registry)
    row = checks_row(write_cutout(tmp_path / "a.fits"), "bicubic")
    assert row["calibrated_in_memory"] is True
    assert row["calibration"] == "none ships for bicubic 2 with scale=2"


def test_other_bytes_than_the_manifest_names_are_refused_before_any_pixel(monkeypatch):
    registry = load_registry()
    manifest = registry.manifests["bicubic"]
    wrong = replace(manifest, calibration=replace(manifest.calibration, sha256="0" * 64))
    registry.manifests["bicubic"] = wrong
    monkeypatch.setattr("lensproc.engine.pipeline.load_registry", lambda: registry)
    with pytest.raises(WeightsError, match=r"bicubic\.calibration\.json has SHA-256"):
        Pipeline(["bicubic"]).load()


def test_another_calibration_is_another_configuration(monkeypatch):
    before = Pipeline(["bicubic"]).config_sha256
    registry = load_registry()
    registry.manifests["bicubic"] = replace(registry.manifests["bicubic"], calibration=None)
    monkeypatch.setattr("lensproc.engine.pipeline.load_registry", lambda: registry)
    assert Pipeline(["bicubic"]).config_sha256 != before


def test_shipped_files_are_made_again_in_place(tmp_path, monkeypatch):
    package = Path(datafiles.package_folder(REGISTRY.manifest("nlm")))
    copy = tmp_path / package.name
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(datafiles, "package_folder", lambda manifest: copy)
    few = ["--blanks", "2", "--size", "40", "--scenes", "0", "--device", "cpu"]
    result = CliRunner().invoke(command, ["--shipped", "nlm", *few])
    assert result.exception is None, result.output
    file = copy / "weights" / "nlm.calibration.json"
    digest = sha256_of(file)
    assert digest != REGISTRY.manifest("nlm").calibration.sha256
    source = (copy / "__init__.py").read_text(encoding="utf-8")
    assert source.count(digest) == 1
    assert source != (package / "__init__.py").read_text(encoding="utf-8")
    (made,) = read_calibrations(file.read_text(encoding="utf-8")).values()
    assert made.options == REGISTRY.manifest("nlm").defaults
    assert made.effort == {"blanks": 2, "size": 40, "scenes": 0, "seed": 0}
    assert made.conformal is None


def test_a_digest_is_renamed_only_where_it_stands_once(tmp_path):
    (tmp_path / "__init__.py").write_text("A = 'old'\n")
    assert rename_digest(tmp_path, "old", "new") == tmp_path / "__init__.py"
    assert (tmp_path / "__init__.py").read_text() == "A = 'new'\n"
    with pytest.raises(OutputError, match="0 times"):
        rename_digest(tmp_path, "old", "new")


def test_calibrate_says_what_it_lacks():
    for arguments, message in (
        ([], "name one STAGE"),
        (["bicubic", "lanczos"], "name one STAGE"),
        (["bicubic", "--shipped", "--set", "scale=3"], "no --set"),
    ):
        result = CliRunner().invoke(command, arguments)
        assert isinstance(result.exception, UsageError)
        assert message in str(result.exception)
