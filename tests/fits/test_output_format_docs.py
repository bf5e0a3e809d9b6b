"""Every keyword and column that is written stands in the documentation."""

from __future__ import annotations

import re
from pathlib import Path

from lensproc.fits.write import enhanced_to_hdulist
from tests.fits.enhanced_examples import example

PAGE = (Path(__file__).parents[2] / "docs" / "output-format.md").read_text()


def test_every_keyword_of_primary_is_documented() -> None:
    header = enhanced_to_hdulist(example())[0].header
    standard = {"SIMPLE", "BITPIX", "NAXIS", "EXTEND", "HISTORY", "DATASUM", "CHECKSUM"}
    for keyword in set(header) - standard:
        if keyword.startswith(("QA", "E_QA")) or keyword in ("LPTHETAE", "LETHETAE", "LPCLASS"):
            continue
        name = re.sub(r"^LP\d\d", "LPnn", keyword)
        assert f"| {name} |" in PAGE, f"{name} is not in docs/output-format.md"


def test_every_column_of_the_record_and_every_hdu_is_documented() -> None:
    hdus = enhanced_to_hdulist(example())
    table = PAGE[PAGE.index("## The LENSPROC table") :]
    for column in hdus["LENSPROC"].columns.names:
        assert re.search(rf"^\| .*\b{column}\b.* \|", table, re.MULTILINE), column
    for name in ("PRIMARY", "SCI", "ERR", "DQ", "UNCERT", "FIDELITY", "SOURCES", "LENSPROC"):
        assert f"| {name} |" in PAGE
