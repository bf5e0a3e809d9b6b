"""The table of adversarial networks: which rows can be made, when one is made again, how figures are written."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

pytest.importorskip("lenstronomy")

from benchmarks import adversarial_table as table
from benchmarks.adversarial_rows import SMALL, Row, TableSizes, of_fluxes, of_pairs
from lensproc.errors import UsageError
from lensproc.evaluate import pairs
from lensproc.evaluate.scoring.points import PointFlux

ROWS = """
[[row]]
name = "bicubic"
stage = "bicubic"
baseline = true
[[row]]
name = "lens-sr-points"
stage = "lens-sr"
weights = "given"
[[row]]
name = "nothing"
stage = "no-such-stage"
"""


def test_rows_without_weights_or_stage_are_named():
    rows, left_out = table.rows_of(ROWS, {}, [])
    assert [row.name for row in rows] == ["bicubic"]
    assert rows[0].baseline
    assert "--weights lens-sr-points=FILE" in left_out["lens-sr-points"]
    assert "no stage no-such-stage" in left_out["nothing"]
    rows, _ = table.rows_of(ROWS, {"lens-sr-points": "w.safetensors"}, ["lens-sr-points"])
    assert rows == [Row("lens-sr-points", "lens-sr", {"weights": "w.safetensors"})]
    with pytest.raises(UsageError, match="there is no row lens-gan"):
        table.rows_of(ROWS, {"lens-gan": "w"}, [])


def test_every_row_of_the_table_is_one_of_the_page():
    names = [entry["name"] for entry in table.tomllib.loads(table.ROWS.read_text("utf-8"))["row"]]
    assert len(set(names)) == len(names) >= 10
    page = table.PAGE.read_text("utf-8")
    assert all(f"`{name}`" in page for name in names)


def test_a_row_is_measured_again_where_what_it_depends_on_changed(tmp_path, monkeypatch):
    measured = []

    def apart(row, sizes):
        measured.append(row.name)
        return {"row": row.name, "depends": row.depends_on(sizes)}

    monkeypatch.setattr(table, "measured_apart", apart)
    weights = tmp_path / "w.safetensors"
    weights.write_bytes(b"first")
    row = Row("lens-sr-points", "lens-sr", {"weights": str(weights)})
    for _ in range(2):
        table.measure(tmp_path, [row], SMALL)
    assert len(measured) == 1
    moved = weights.rename(tmp_path / "moved.safetensors")
    table.measure(tmp_path, [dataclasses.replace(row, options={"weights": str(moved)})], SMALL)
    assert len(measured) == 1, "the same weights elsewhere"
    moved.write_bytes(b"second")
    table.measure(tmp_path, [dataclasses.replace(row, options={"weights": str(moved)})], SMALL)
    table.measure(tmp_path, [dataclasses.replace(row, options={"weights": str(moved)})], TableSizes())
    assert len(measured) == 3
    assert json.loads((tmp_path / "lens-sr-points.json").read_text())["depends"]["sizes"]["blanks"] == 1000


def test_a_row_that_fails_is_told_and_the_next_one_goes_on(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(table, "measured_apart", lambda row, sizes: {"row": row.name})
    rows = [Row("srgan", "srgan", {"weights": str(tmp_path / "missing")}), Row("bicubic", "bicubic")]
    assert table.measure(tmp_path, rows, SMALL) == ["srgan"]
    assert "srgan: " in (told := capsys.readouterr().err)
    assert "no such file of weights" in told
    assert (tmp_path / "bicubic.json").is_file()


def test_the_fainter_image_alone_is_summed_up():
    rng = np.random.default_rng(1)

    def fluxes(place, fainter, snr, ratio):
        return [
            PointFlux(i, "s", place, fainter, snr, ratio + 0.02 * rng.normal(), 1.5 * rng.normal())
            for i in range(400)
        ]

    mixed = [
        *fluxes("H(output)", True, 30.0, 1.0),
        *fluxes("H(output)", False, 30.0, 3.0),
        *fluxes("H(output)", True, 10.0, 3.0),
        *fluxes("output", True, 30.0, 0.9),
    ]
    found = of_fluxes("s", mixed)
    assert found["H(output) ratio"].n == found["output ratio"].n == 400
    assert found["H(output) ratio"].value == pytest.approx(1.0, abs=0.005)
    assert found["output ratio"].value == pytest.approx(0.9, abs=0.005)
    assert found["H(output) scatter"].value == pytest.approx(1.5, abs=0.15)
    assert math.isnan(found["input ratio"].value)


def test_pairs_and_single_stars_are_told_apart():
    trials = [pairs.Double("s", 0.0, 1.0, 100.0, k < 1, False) for k in range(10)]
    trials += [pairs.Double("s", d, 1.0, 100.0, d > 0.6, False) for d in (0.5, 0.7) for _ in range(10)]
    found = of_pairs("s", trials)
    assert found["splits"].value == pytest.approx(0.1)
    assert found["pairs 1"].value == pytest.approx(0.6)
    assert math.isnan(found["pairs 3"].value)


def test_seconds_grow_with_the_images():
    record = {
        "depends": {"sizes": dataclasses.asdict(SMALL)},
        "seconds": {"calibration": 2.0, "blanks": 1.0, "pairs": 3.0},
    }
    seconds = table.expected(record, dataclasses.replace(SMALL, blanks=240, pairs=8, singles=16))
    assert seconds == pytest.approx({"calibration": 2.0, "blanks": 10.0, "pairs": 6.0})


def test_figures_are_written_with_their_interval():
    record = {
        "depends": {"sizes": {"separations": [0.5, 2.0]}},
        "measured": {
            "a": [0.6, 0.55, 0.66, 9],
            "never": [math.inf, 1.8, math.inf, 9],
            "perhaps": [1.9, 1.7, math.inf, 9],
        },
    }
    assert table.figure(record, "a", 2) == "0.60 [0.55, 0.66]"
    assert table.figure(record, "never", 2) == "> 2"
    assert table.figure(record, "perhaps", 2) == "1.90 [1.70, –]"
    assert table.figure(record, "other", 2) == "–"
