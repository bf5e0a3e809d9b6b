import json
import math
import re

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("lenstronomy")
pytest.importorskip("matplotlib")

from astropy.table import Table

from lensproc.cli.validate import command
from lensproc.errors import OutputError, UsageError
from lensproc.evaluate import output, run, scenes
from lensproc.evaluate.sizes import Sizes
from lensproc.evaluate.subjects import BASELINES, System, systems_for
from tests.evaluate import enhancers

TINY = Sizes(
    blanks=3,
    control=2,
    quasars=2,
    hosts=1,
    snrs=(5.0, 20.0),
    separations=(0.5, 2.0),
    ratios=(1.0,),
    pair_snrs=(100.0,),
    pairs=1,
    singles=1,
    steady=1,
    repeats=1,
)
ABOUT = {"stage": "dimmer", "options": {}, "dist": "test==1", "lensproc": "0", "quick": True}


@pytest.fixture(scope="module")
def measured():
    return run.validate([enhancers.dimmer(), enhancers.raw()], 7, TINY)


@pytest.fixture(scope="module")
def folder(measured, tmp_path_factory):
    place = tmp_path_factory.mktemp("validate") / "new"
    output.write(measured, ABOUT, place)
    return place


def test_every_experiment_has_table_plot_and_section(folder):
    page = (folder / "validate.html").read_text(encoding="utf-8")
    for experiment in run.EXPERIMENTS:
        assert (folder / f"{experiment.name}.ecsv").exists()
        assert (folder / f"{experiment.name}.png").read_bytes().startswith(b"\x89PNG")
        assert f'<section id="{experiment.name}">' in page
    assert page.count("data:image/png;base64,") == len(run.EXPERIMENTS)
    assert "<!--" not in page


def test_the_page_needs_nothing_from_outside(folder):
    page = (folder / "validate.html").read_text(encoding="utf-8")
    assert not re.search(r'(src|href)="(?!data:)', page)


def test_json_and_tables_say_the_same(folder):
    record = json.loads((folder / "validate.json").read_text(encoding="utf-8"))
    assert record["stage"] == "dimmer"
    assert record["systems"] == ["dimmer", "raw"]
    assert record["seed"] == 7
    assert record["sizes"]["blanks"] == 3
    for name, rows in record["tables"].items():
        table = Table.read(folder / f"{name}.ecsv", format="ascii.ecsv")
        assert len(table) == len(rows)
        assert all(table[column].info.description for column in table.colnames)
        for row, entry in zip(table, rows, strict=True):
            for column, value in entry.items():
                if value is None:
                    assert not np.isfinite(row[column])
                else:
                    assert row[column] == (pytest.approx(value) if isinstance(value, float) else value)


def test_the_lost_fifth_of_the_flux_stands_in_the_goals(folder):
    goals = Table.read(folder / "goals.ecsv", format="ascii.ecsv")
    for system, bias, word in (("dimmer", -20.0, "not met"), ("raw", 0.0, "met")):
        row = goals[(goals["system"] == system) & (goals["measure"] == "flux bias at SNR 20 [%]")][0]
        assert row["value"] == pytest.approx(bias, abs=0.5)
        assert row["verdict"].rstrip("?") == word


def test_the_same_seed_gives_the_same_bytes(measured, folder, tmp_path):
    again = run.validate([enhancers.dimmer(), enhancers.raw()], 7, TINY)
    output.write(again, ABOUT, tmp_path)
    assert (tmp_path / "validate.json").read_bytes() == (folder / "validate.json").read_bytes()
    assert (tmp_path / "validate.html").read_bytes() == (folder / "validate.html").read_bytes()


def test_the_baselines_stand_beside_a_stage_once():
    names = [system.name for system in systems_for("bicubic", {}, "cpu")]
    assert names == ["bicubic", "raw", "richardson-lucy"]
    lanczos = systems_for("lanczos", {"scale": "3"}, "cpu")
    assert [system.name for system in lanczos] == ["lanczos", *BASELINES]
    assert dict(lanczos[0].options) == {"scale": 3}


def test_a_wrong_option_is_refused_before_anything_is_simulated():
    with pytest.raises(UsageError, match="no option 'colour'"):
        systems_for("bicubic", {"colour": "red"}, "cpu")


def test_a_folder_that_cannot_be_is_said_before_anything_is_simulated(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OutputError, match="v: folder cannot be made"):
        CliRunner().invoke(command, ["bicubic", "-o", str(tmp_path / "taken" / "v")], catch_exceptions=False)


def test_a_missing_simulator_is_said_clearly(monkeypatch):
    monkeypatch.setattr(scenes.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"needs lenstronomy.*pip install 'lensproc\[simulate,plot\]'"):
        run.validate([System("raw")], 0, TINY)


def test_the_command_writes_and_sums_up(monkeypatch, tmp_path):
    import lensproc.evaluate.sizes as sizes

    monkeypatch.setattr(sizes, "QUICK", TINY)
    arguments = [
        "lanczos",
        "--set",
        "scale=3",
        "--quick",
        "-o",
        str(tmp_path / "v"),
        "--jobs",
        "1",
        "--device",
        "cpu",
    ]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "flux bias at SNR 20 [%]" in result.output
    record = json.loads((tmp_path / "v" / "validate.json").read_text(encoding="utf-8"))
    assert record["options"] == {"scale": 3}
    assert record["dist"].startswith("lensproc==")
    assert record["systems"] == ["lanczos", "raw", "bicubic", "richardson-lucy"]
    blanks = [row for row in record["tables"]["blanks"] if row["system"] == "lanczos"]
    assert blanks[0]["fields"] == TINY.blanks
    ratio = [r["flux_ratio"] for r in record["tables"]["injection"] if r["system"] == "lanczos"]
    assert all(math.isclose(value, 1.0, abs_tol=0.05) for value in ratio)
