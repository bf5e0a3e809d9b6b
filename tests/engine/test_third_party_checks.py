"""Checks of plugins: their findings stand in file and catalogue, and what they do wrong costs only them."""

from __future__ import annotations

import json
from types import ModuleType

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from lensproc.contract.hookspecs import hookimpl
from lensproc.contract.registry import PluginRecord, load_registry
from lensproc.engine.pipeline import Pipeline, PipelineConfig
from lensproc.engine.run import RunOptions, run_files
from lensproc.enhanced import Value
from tests.scenes import write_cutout


def peak(enhanced):
    return {"MYPEAK": Value(float(np.nanmax(enhanced.image.data)), description="brightest pixel")}


def use_checks(monkeypatch, *hooks):
    """Let every pipeline know the installed stages, and one more plugin per hook: zz0, zz1 …"""

    def registry():
        found = load_registry()
        for i, hook in enumerate(hooks):
            module = ModuleType(f"zz{i}")
            module.lensproc_register_checks = hook
            found.manager.register(module, module.__name__)
            found.records.append(PluginRecord(f"zz{i}", f"zz-{i}==1.{i}", "OK"))
        return found

    monkeypatch.setattr("lensproc.engine.pipeline.load_registry", registry)


def registers(**checks):
    @hookimpl
    def lensproc_register_checks(register):
        for name, check in checks.items():
            register(name, check)

    return lensproc_register_checks


@hookimpl
def raising_hook(register):
    register("never", peak)
    raise RuntimeError("no such table")


def results(tmp_path, count=1):
    paths = [write_cutout(tmp_path / f"lens{i}.fits", seed=i) for i in range(count)]
    with Pipeline(["bicubic"]) as pipeline:
        return list(pipeline.run(paths))


def checks_row(enhanced):
    return enhanced.activities[-1]


def test_findings_stand_in_the_primary_header_and_in_the_catalogue(tmp_path, monkeypatch):
    use_checks(monkeypatch, registers(brightest=peak))
    config = PipelineConfig(Pipeline(["bicubic"]).config.stages)
    summary = run_files(
        [str(write_cutout(tmp_path / "lens.fits"))], config, RunOptions(str(tmp_path / "out"), jobs=1)
    )
    assert summary.done == 1
    with fits.open(tmp_path / "out" / "lens_enhanced.fits") as hdus:
        header = hdus[0].header
        assert header["MYPEAK"] == pytest.approx(float(hdus["SCI"].data.max()), rel=1e-6)
        assert header.comments["MYPEAK"] == "brightest pixel"
    table = Table.read(tmp_path / "out" / "catalog.ecsv")
    assert table["MYPEAK"][0] == pytest.approx(header["MYPEAK"])
    assert table["MYPEAK"].description == "brightest pixel"


def test_a_check_sees_the_verdicts_and_is_named_in_the_record(tmp_path, monkeypatch):
    use_checks(monkeypatch, registers(count=lambda e: {"MYN": Value(len(e.sources))}))
    (enhanced,) = results(tmp_path)
    assert enhanced.qa["MYN"].value == len(enhanced.sources) == 2
    assert json.loads(checks_row(enhanced).options)["registered"] == {"count": "zz-0==1.0"}
    assert checks_row(enhanced).message == ""


def test_a_check_that_raises_costs_only_its_own_findings(tmp_path, monkeypatch):
    def broken(enhanced):
        raise KeyError("no column")

    use_checks(monkeypatch, registers(broken=broken), registers(brightest=peak))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    (enhanced,) = results(tmp_path)
    row = checks_row(enhanced)
    assert row.message == "check broken [zz-0==1.0]: KeyError: 'no column'"
    assert row.status == "OK"  # lensproc's own checks ran
    assert enhanced.qa["MYPEAK"].value > 0
    assert enhanced.qa["QACHI2"].value is not None


def test_a_hook_that_raises_costs_only_its_plugin_and_is_told(tmp_path, monkeypatch):
    use_checks(monkeypatch, raising_hook, registers(brightest=peak))
    for enhanced in results(tmp_path, 2):
        message = "lensproc_register_checks: RuntimeError: no such table [zz-0==1.0]"
        assert checks_row(enhanced).message == message
        assert enhanced.qa["MYPEAK"].value > 0


def test_no_check_can_change_pixels_sources_or_qastat(tmp_path, monkeypatch):
    (before,) = results(tmp_path)

    def scribbles(enhanced):
        enhanced.image.header["OBJECT"] = "mine"
        enhanced.image.data[:] = 0

    def hides(enhanced):
        enhanced.sources.columns["verdict"][:] = "MATCHED"

    def decides(enhanced):
        return {"QASTAT": Value("PASS")}

    use_checks(monkeypatch, registers(scribbles=scribbles, hides=hides, decides=decides))
    (after,) = results(tmp_path)
    assert np.array_equal(before.image.data, after.image.data)
    assert list(before.sources.columns["verdict"]) == list(after.sources.columns["verdict"])
    assert before.qa["QASTAT"] == after.qa["QASTAT"]
    assert "OBJECT" not in after.image.header
    assert checks_row(after).message.count("read-only") == 2
    assert "QASTAT: keywords in LP and QA are lensproc's" in checks_row(after).message


@pytest.mark.parametrize(
    ("findings", "why"),
    [
        ({"my_peak": Value(1.0)}, "is no keyword"),
        ({"TOOLONGNAME": Value(1.0)}, "is no keyword"),
        ({"LPMINE": Value(1.0)}, "LP and QA are lensproc's"),
        ({"QAMINE": Value(1.0)}, "LP and QA are lensproc's"),
        ({"NAXIS": Value(1)}, "FITS has its own"),
        ({"MYPEAK": Value(1.0)}, "is given already"),
        ({"MYX": 1.0}, "expected a Value"),
        ({"MYX": Value([1.0])}, "holds a list"),
        (3.0, "expected keyword to Value"),
    ],
)
def test_findings_that_cannot_be_written_are_refused(findings, why, tmp_path, monkeypatch):
    use_checks(monkeypatch, registers(first=peak, second=lambda enhanced: findings))
    (enhanced,) = results(tmp_path)
    assert why in checks_row(enhanced).message
    assert set(findings if isinstance(findings, dict) else ()) & set(enhanced.qa) <= {"MYPEAK"}
