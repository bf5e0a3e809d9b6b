"""Turn folders of ``lensproc validate`` into the tables and the picture of ``docs/validate.md``.

    lensproc validate richardson-lucy -o validate-richardson-lucy
    python benchmarks/validate_figures.py validate-richardson-lucy --picture docs/images/validate.png

prints the goals as a Markdown table, and takes the picture of the (first) page with Chromium where ``--picture``
is given. Several folders give one table with the baselines of the first and the stage of each; they must have the
same sizes and seed.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from lensproc.evaluate.page import short

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SIZE = (1290, 1215)
"""Of the picture [px]: goals, and the plots of the lensed quasars."""


def number(value: float | None) -> str:
    """Write a number with three digits; null is not known."""
    return short(math.nan if value is None else value)


def cell(row: dict[str, Any] | None) -> str:
    """Value, interval, verdict."""
    if row is None or row["verdict"] == "not measured":
        return "not measured"
    interval = f" [{number(row['low'])}, {number(row['high'])}]" if row["n"] else ""
    return f"{number(row['value'])}{interval} {row['verdict']}"


def markdown(records: list[dict[str, Any]]) -> str:
    """Goals as a table: one row each, the baselines first."""
    first, stages = records[0], [record["stage"] for record in records]
    systems = [name for name in first["systems"] if name != first["stage"]] + stages
    rows = [
        row for record in records for row in record["tables"]["goals"]
        if record is first or row["system"] == record["stage"]
    ]  # fmt: skip
    found = {(row["measure"], row["system"]): row for row in rows}
    goals = {row["measure"]: row["goal"] for row in rows}
    lines = [f"| measure | goal | {' | '.join(systems)} |", "|---" * (2 + len(systems)) + "|"]
    for measure, goal in goals.items():
        cells = " | ".join(cell(found.get((measure, system))) for system in systems)
        lines.append(f"| {measure} | {goal} | {cells} |")
    return "\n".join(lines)


def take_picture(page: Path, picture: Path) -> None:
    """Photograph the head of a page."""
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        sys.exit("no Chromium or Chrome is installed")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
    size = f"--window-size={SIZE[0]},{SIZE[1]}"
    target = f"--screenshot={picture.resolve()}"
    subprocess.run(
        [browser, *flags, size, target, page.resolve().as_uri()], check=True, capture_output=True, timeout=120
    )


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    records = [
        json.loads((folder / "validate.json").read_text(encoding="utf-8")) for folder in arguments.folders
    ]
    if any(
        (record["sizes"], record["seed"]) != (records[0]["sizes"], records[0]["seed"]) for record in records
    ):
        sys.exit("these folders have different sizes or seeds: their rows do not compare")
    sizes = records[0]["sizes"]
    print("sizes:", ", ".join(f"{name} {value}" for name, value in sizes.items()), "\n")
    print(markdown(records))
    if arguments.picture is not None:
        take_picture(arguments.folders[0] / "validate.html", arguments.picture)


if __name__ == "__main__":
    main()
