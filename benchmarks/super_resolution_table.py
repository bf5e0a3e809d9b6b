"""Print the tables of docs/super-resolution.md from the scores that were made; ``--page`` puts them there.

A cell has the PSNR of the mean MSE [dB], its gain over bicubic with the 95 % interval, and below the mean PSNR of
the images and the SSIM, of the value each method is quoted with (docs/evaluate.md).

Usage: python benchmarks/super_resolution_table.py FOLDER [--page]
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lensproc.evaluate.intervals import Measured
from lensproc.evaluate.scoring.markdown import interval, number
from lensproc.evaluate.scoring.points import bootstrapped, half_width

ROWS = Path(__file__).with_name("super_resolution_rows.toml")
PAGE = Path(__file__).parents[1] / "docs" / "super-resolution.md"
COLUMNS = (
    ("sealed-sr-a", "noisy"),
    ("sealed-sr-a", "truth"),
    ("sealed-sr-b", "partner"),
    ("sealed-sr-b", "truth"),
    ("sealed-sr-b", "gaussian"),
    ("sealed-deeplense-1", "truth"),
    ("sealed-deeplense-1", "gaussian"),
)
"""Set and reference of each column."""

POINTS = "sealed-quasars"
FAINTER_SNR = 20.0

Record = dict[str, Any]


def latest(folder: Path) -> dict[str, list[Record]]:
    """Scores of a set by the name of their place in the table.

    Of a row those of its newest weights, and of these the number of images that most rows have, so that all rest
    on the same images; else the largest.
    """
    rows: dict[str, dict[int, Record]] = {}
    for path in sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime):
        record = json.loads(path.read_text("utf-8"))
        of_row = rows.setdefault(record["row"], {})
        if any(other["weights_sha256"] != record["weights_sha256"] for other in of_row.values()):
            of_row.clear()
        of_row[record["data"]["images"]] = record
    counts = Counter(number for of_row in rows.values() for number in of_row)
    usual = max(counts, key=lambda number: (counts[number], number), default=0)
    found: dict[str, list[Record]] = {}
    for of_row in rows.values():
        record = of_row[usual if usual in of_row else max(of_row)]
        place = "richardson-lucy" if record["stage"] == "richardson-lucy" else record["row"]
        found.setdefault(place, []).append(record)
    return found


def cell(records: Sequence[Record], reference: str) -> str:
    """Figures of a method against a reference: of the best of its settings, which is named."""
    those = [record for record in records if reference in record["scores"]]
    if not those:
        return "–"
    best = max(those, key=lambda record: record["scores"][reference]["psnr_of_mean"][0])
    of = best["scores"][reference]
    gain = interval(Measured(of["gain"][0], of["gain"][1], of["gain"][2], 0), 2, sign=True)
    text = number(of["psnr_of_mean"][0], 2) + (f" {gain}" if best["row"] != "bicubic" else "")
    named = f" ({best['options']['iterations']})" if len(records) > 1 else ""
    return f"{text}{named}<br>{number(of['psnr_mean'][0], 2)}, {number(of['ssim'][0], 4)}"


def training_of(record: Record) -> str:
    """Tell steps, minutes and precision of the trainings that led to weights."""
    parts = []
    for one in record["training"]:
        bf16 = ", bf16" if one["precision"] == "bf16-mixed" else ""
        where = "" if one["device"] == "cpu" else f", {one['device']}"
        parts.append(f"{one['steps']:,} steps, {one['minutes']:.0f} min{bf16}{where}")
    return " + ".join(parts)


def scores_table(folder: Path) -> list[str]:
    """Lines of the one table."""
    sets = {name: latest(folder / name) for name, _ in COLUMNS}
    heads = [f"{name.removeprefix('sealed-')}, {reference}" for name, reference in COLUMNS]
    lines = []
    for row in tomllib.loads(ROWS.read_text("utf-8"))["row"]:
        records = [record for found in sets.values() for record in found.get(row["name"], [])]
        if not records:
            continue
        first = records[0]
        if len({record["weights_sha256"] for record in records}) > 1:
            print(f"scores of different weights: {row['name']}", file=sys.stderr)
        counts = f"{first['parameters']:,}" if first["parameters"] else "–"
        cells = [cell(sets[name].get(row["name"], []), reference) for name, reference in COLUMNS]
        name = f"`{row['name']}`"
        lines.append([name, counts, training_of(first) or "–", *cells, row.get("reported", "–")])
    return compact(("row", "weights", "training", *heads, "reported, other data"), lines)


def counts_of(folder: Path) -> list[str]:
    """Lines that say how many images were scored, and which rows had fewer."""
    lines = []
    for name in dict.fromkeys(name for name, _ in COLUMNS):
        images: dict[int, list[str]] = {}
        for records in latest(folder / name).values():
            for record in records:
                images.setdefault(record["data"]["images"], []).append(record["row"])
        if images:
            usual = max(images, key=lambda number: len(images[number]))
            rest = [f"{', '.join(rows)}: {number}" for number, rows in images.items() if number != usual]
            lines.append(f"- {name}: {usual} images" + (f"; {'; '.join(rest)}" if rest else ""))
    scored = {place for name, _ in COLUMNS for place in latest(folder / name)}
    names = [row["name"] for row in tomllib.loads(ROWS.read_text("utf-8"))["row"]]
    missing = [f"`{name}`" for name in names if name not in scored]
    return [*lines, f"- not scored: {', '.join(missing)}"] if missing else lines


def points_table(folder: Path) -> list[str]:
    """Lines of the table of the fainter of two images."""
    found = latest(folder / POINTS)
    lines = []
    records = [record for records in found.values() for record in records]
    if not records:
        return ["no point sources were measured"]
    lines.append(["input", *fluxes(records[0]["input"], "H(output)"), "–", "–"])
    for record in sorted(records, key=lambda record: record["row"]):
        points = record["points"]
        lines.append([f"`{record['row']}`", *fluxes(points, "H(output)"), *fluxes(points, "output")])
    lines.append(["sources", *sizes(records[0]["input"]), "", ""])
    heads = ("flux on H(output)", "its scatter", "flux on the output", "its scatter")
    return compact((f"fainter image, SNR ≥ {FAINTER_SNR:g}", *heads), lines)


def fluxes(points: Sequence[Sequence[Any]], place: str) -> tuple[str, str]:
    """Median of measured over true flux, and half the middle 68 % of their difference over the photon error."""
    those = [one for one in points if one[1] == place and one[2] and one[3] >= FAINTER_SNR]
    ratio, pull = (np.array([one[i] for one in those], np.float64) for i in (4, 5))
    middle = bootstrapped(ratio, lambda values: np.median(values, axis=-1))
    width = bootstrapped(pull, half_width)
    return interval(middle, 3), interval(width, 2)


def compact(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table, without padding."""
    return [f"| {' | '.join(cells)} |" for cells in (heads, ["---"] * len(heads), *rows)]


def sizes(points: Sequence[Sequence[Any]]) -> tuple[str, str]:
    """Count the fainter images, and give their median SNR."""
    snrs = [one[3] for one in points if one[1] == "H(output)" and one[2] and one[3] >= FAINTER_SNR]
    return f"{len(snrs)}", f"median SNR {np.median(snrs) if snrs else math.nan:.0f}"


def sections(folder: Path) -> Mapping[str, Sequence[str]]:
    """Everything that is printed, by the name of its marks in the page."""
    return {
        "scores": [*scores_table(folder), "", *counts_of(folder)],
        "points": points_table(folder),
    }


def put_into_page(name: str, lines: Sequence[str], page: Path = PAGE) -> None:
    """Replace what stands between the marks of a table in a page."""
    begin, end = f"<!-- figures: {name} -->\n", f"<!-- end: {name} -->"
    before, rest = page.read_text("utf-8").split(begin)
    text = "\n".join(lines)
    page.write_text(f"{before}{begin}\n{text}\n\n{end}{rest.split(end)[1]}", "utf-8")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Print the tables of super-resolution.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--page", action="store_true", help=f"replace those of {PAGE.name} too")
    arguments = parser.parse_args()
    for name, lines in sections(arguments.folder).items():
        print("\n" + "\n".join(lines))
        if arguments.page:
            put_into_page(name, lines)


if __name__ == "__main__":
    main()
