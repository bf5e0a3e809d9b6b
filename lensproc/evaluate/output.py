"""What ``lensproc validate`` writes: JSON, ECSV tables, PNG plots and the page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lensproc.evaluate.experiment import Column, make_table, records_of
from lensproc.evaluate.folder import ecsv_of, write_files
from lensproc.evaluate.goals import Outcome
from lensproc.evaluate.run import Validation

if TYPE_CHECKING:
    from astropy.table import Table

SCHEMA = 1


def goals_table(outcomes: tuple[Outcome, ...]) -> Table:
    """Put the goals into a table."""
    rows: list[dict[str, object]] = [
        {
            "system": outcome.system,
            "measure": outcome.name,
            "value": outcome.measured.value,
            "low": outcome.measured.low,
            "high": outcome.measured.high,
            "n": outcome.measured.n,
            "goal": outcome.goal,
            "verdict": outcome.verdict,
        }
        for outcome in outcomes
    ]
    columns = {
        "system": Column("what was measured"),
        "measure": Column("quantity"),
        "value": Column("measured"),
        "low": Column("lower end of its 95 % interval"),
        "high": Column("upper end of its 95 % interval"),
        "n": Column("trials it rests on"),
        "goal": Column("range it shall lie in"),
        "verdict": Column("met or not; with a question mark where the interval reaches over the limit"),
    }
    return make_table(rows, columns)


def all_tables(validation: Validation) -> dict[str, Table]:
    """Collect the tables by file name, goals first."""
    return {"goals": goals_table(validation.goals), **validation.tables}


def to_json(validation: Validation, about: Mapping[str, Any]) -> str:
    """Return everything as JSON; what is not finite becomes null.

    Parameters
    ----------
    validation : Validation
        What was measured.
    about : mapping
        Stage, options and version, put first.
    """
    record = {
        "schema": SCHEMA,
        **about,
        "systems": list(validation.systems),
        "seed": validation.seed,
        "sizes": asdict(validation.sizes),
        "tables": {name: records_of(table) for name, table in all_tables(validation).items()},
    }
    return json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write(validation: Validation, about: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write all files into a folder, which is made where it is missing.

    Returns
    -------
    list of Path
        Files written, the page last.

    Raises
    ------
    UsageError
        Where matplotlib is not installed.
    OutputError
        Where a file cannot be written.
    """
    from lensproc.evaluate.page import page_html
    from lensproc.evaluate.plots import plots_of

    plots = plots_of(validation)
    files: dict[str, bytes] = {"validate.json": to_json(validation, about).encode()}
    meta = {**about, "seed": validation.seed}
    files |= {f"{name}.ecsv": ecsv_of(table, meta) for name, table in all_tables(validation).items()}
    files |= {f"{name}.png": png for name, png in plots.items()}
    files["validate.html"] = page_html(validation, about, plots).encode()
    return write_files(folder, files)
