"""The page on quality checks names every keyword, column and limit that the code has."""

from pathlib import Path

from lensproc.qc import thresholds
from lensproc.qc.keywords import MEANING
from lensproc.qc.table import COLUMNS

PAGE = (Path(__file__).parents[2] / "docs" / "quality.md").read_text(encoding="utf-8")
ROWS = {
    key.strip(): [cell.strip() for cell in cells]
    for line in PAGE.splitlines()
    if line.startswith("| QA")
    for names, *cells in [line.strip("| ").split("|")]
    for key in names.split(",")
}


def test_every_keyword_and_column_is_explained():
    assert set(MEANING) == set(ROWS)
    for name in COLUMNS:
        assert any(name in line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| ")), name


def test_limits_on_the_page_are_those_of_the_code():
    for key, limit in thresholds.LIMITS.items():
        passes, fails = ROWS[key][2], ROWS[key][3]
        if limit.fails > 0:
            assert f"{limit.passes:g}".replace("0.001", "1e-3") in passes, key
            assert f"{limit.fails:g}".replace("0.01", "1e-2" if key == "QANEG" else "0.01") in fails, key


def test_header_comments_fit_into_their_cards():
    for name, (unit, meaning) in MEANING.items():
        assert len(name) <= 8
        assert len(f"[{unit}] {meaning}, p=1e-05") <= 72, name
        assert meaning.isascii()
