"""The ledger survives kills and full disks; the catalogue is made from it."""

import json
import os
from pathlib import Path

import pytest

from lensproc.contract.context import CutoutResult, FileResult
from lensproc.engine.catalogue import build_catalogue, write_catalogue
from lensproc.engine.ledger import NAME, Ledger, from_record, to_line
from lensproc.enhanced import Value
from lensproc.errors import OutputError


def result(name: str, flux: float | None = 1.5, status: str = "OK", sha: str = "ab") -> FileResult:
    row = {
        "LPINFILE": Value(f"{name}.fits"),
        "LPOUT": Value(f"{name}_enhanced.fits"),
        "BAND": Value("i"),
        "RA": Value(150.1, unit="deg", description="right ascension"),
        "LPFLUX": Value(flux, 0.25, "adu", "a flux"),
        "LPSYNTH": Value(False),
        "QANIN": Value(3),
    }
    cutout = CutoutResult("SCI", "i", status, f"{name}_enhanced.fits", "", row if status != "FAILED" else {})
    return FileResult(f"/somewhere/{name}.fits", status, sha, "", 0.125, (cutout,))


def test_a_line_gives_the_result_back() -> None:
    line = to_line(result("a"), "c" * 64, "2026-01-01T00:00:00", set())
    back = from_record(json.loads(line), "/somewhere/a.fits")
    assert back == result("a")
    assert back.cutouts[0].row["LPFLUX"] == Value(1.5, 0.25, "adu", "a flux")
    assert "/somewhere" not in line, "no path of the machine stands in the ledger"


def test_columns_are_described_once() -> None:
    known: set[str] = set()
    first = json.loads(to_line(result("a"), "c", "t", known))
    second = json.loads(to_line(result("b"), "c", "t", known))
    assert first["columns"]["RA"] == ["deg", "right ascension"]
    assert "columns" not in second


def test_a_line_cut_short_by_a_kill_is_passed_over_and_the_next_starts_afresh(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append(to_line(result("a"), "c", "t", set()))
    ledger.close()
    with (tmp_path / NAME).open("a") as stream:
        stream.write('{"file": "b.fits", "cuto')
    ledger = Ledger(tmp_path)
    ledger.append(to_line(result("c"), "c", "t", set()))
    assert [record["file"] for record in ledger.records()] == ["a.fits", "c.fits"]
    ledger.close()


def test_done_means_the_same_bytes_the_same_configuration_and_no_failure(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.append(to_line(result("a"), "config1", "t", set()))
    ledger.append(to_line(result("b"), "config2", "t", set()))
    ledger.append(to_line(result("c", status="FAILED"), "config1", "t", set()))
    assert set(ledger.done("config1")) == {("a.fits", "ab")}
    ledger.close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_said_at_once(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="choose another folder"):
        Ledger(tmp_path)


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    (tmp_path / NAME).symlink_to("/dev/full")
    ledger = Ledger(tmp_path)
    with pytest.raises(OutputError, match="No space left"):
        ledger.append("{}")
    ledger.close()


def test_the_catalogue_has_one_row_per_output_with_units_and_masks(tmp_path: Path) -> None:
    known: set[str] = set()
    lines = [
        to_line(result("b", flux=None), "c", "t", known),
        to_line(result("a", flux=1.0), "c", "t", known),
        to_line(result("a", flux=2.0), "c2", "t", known),
        to_line(result("x", status="FAILED"), "c", "t", known),
    ]
    table = build_catalogue(json.loads(line) for line in lines)
    assert list(table["LPINFILE"]) == ["a.fits", "b.fits"]
    assert table["LPFLUX"][0] == 2.0, "the last run of an output counts"
    assert table["LPFLUX"].mask.tolist() == [False, True]
    assert str(table["LPFLUX"].unit) == "adu"
    assert table["LPFLUX_ERR"][0] == 0.25
    assert table["RA"].unit == "deg"
    assert table["RA"].description == "right ascension"
    assert table["QANIN"].dtype.kind == "i"
    assert table["LPSYNTH"].dtype.kind == "b"
    write_catalogue([json.loads(line) for line in lines], tmp_path)
    from astropy.table import Table

    read = Table.read(tmp_path / "catalog.ecsv")
    assert read["LPFLUX"].mask.tolist() == [False, True]
    assert read.colnames[:3] == ["LPINFILE", "LPOUT", "BAND"]


def test_an_empty_run_gives_an_empty_catalogue(tmp_path: Path) -> None:
    write_catalogue([], tmp_path)
    from astropy.table import Table

    assert len(Table.read(tmp_path / "catalog.ecsv")) == 0
