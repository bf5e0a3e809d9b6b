"""Adversarial networks beside others: the tables of docs/adversarial-scores.md.

    python -m benchmarks.adversarial_table measure -o FOLDER [--weights ROW=FILE]… [ROW]…
    python -m benchmarks.adversarial_table show FOLDER [--page]

``measure`` leaves a file per row (``adversarial_table.toml`` has them), each made in a process of its own on one
thread; a row whose stage, options, weights, data and sizes are those of its file is left alone, so the command may
run while trainings go on. ``--estimate`` only measures a small sample and tells how long the whole would take.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import sys
import tomllib
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks.adversarial_rows import PAIRS, QUASARS, SMALL, Record, Row, TableSizes, measure_row
from benchmarks.super_resolution_table import compact, put_into_page
from lensproc.contract.registry import load_registry
from lensproc.errors import LensprocError, UsageError
from lensproc.evaluate.intervals import Measured
from lensproc.evaluate.scoring.markdown import interval, number

ROWS = Path(__file__).with_name("adversarial_table.toml")
PAGE = Path(__file__).parents[1] / "docs" / "adversarial-scores.md"
UNKNOWN = (math.nan, math.nan, math.nan, 0)

# part of the seconds of a row, and the number of images that it grows with
GROWS = {
    QUASARS: "scenes",
    PAIRS: "images",
    "blanks": "blanks",
    "control": "control",
    "pairs": "stars",
}


def rows_of(text: str, weights: Mapping[str, str], names: Sequence[str]) -> tuple[list[Row], dict[str, str]]:
    """Return the rows that can be measured, and why the others cannot.

    Parameters
    ----------
    text : str
        Of ``adversarial_table.toml``.
    weights : mapping of str to str
        Files by row.
    names : sequence of str
        Only these; empty for all.

    Raises
    ------
    UsageError
        For a name that is no row's.
    """
    entries = {entry["name"]: entry for entry in tomllib.loads(text)["row"]}
    for name in (*names, *weights):
        if name not in entries:
            raise UsageError(f"there is no row {name}", remedy=f"there are {', '.join(entries)}")
    rows, left_out = [], {}
    for name, entry in entries.items():
        if names and name not in names:
            continue
        options = dict(entry.get("options", {})) | ({"weights": weights[name]} if name in weights else {})
        row = Row(name, entry["stage"], options, entry.get("baseline", False))
        reason = missing(row, given=entry.get("weights") == "given")
        if reason:
            left_out[name] = reason
        else:
            rows.append(row)
    return rows, left_out


def rows_given(weights: Sequence[str], names: Sequence[str]) -> list[Row]:
    """Return rows by name, with weights given as ROW=FILE; rows that cannot be measured are told and left out.

    Raises
    ------
    UsageError
        For a name that is no row's.
    """
    files = {name: path for name, _, path in (text.partition("=") for text in weights)}
    rows, left_out = rows_of(ROWS.read_text("utf-8"), files, names)
    for name, reason in left_out.items():
        print(f"{name}: left out: {reason}", file=sys.stderr, flush=True)
    return rows


def missing(row: Row, *, given: bool) -> str:
    """Say what a row lacks; empty for nothing."""
    if row.stage not in load_registry().manifests:
        return f"no stage {row.stage} is installed"
    manifest = load_registry().manifest(row.stage)
    takes_weights = any(option.name == "weights" for option in manifest.options)
    if "weights" not in row.options and (given or (takes_weights and not manifest.weights)):
        return f"no weights: --weights {row.name}=FILE"
    return ""


def expected(record: Record, sizes: TableSizes) -> dict[str, float]:
    """Seconds that a row will take by part, from those of a smaller sample."""
    few = TableSizes(**{**record["depends"]["sizes"], "separations": ()})
    was, now = counts(few, len(record["depends"]["sizes"]["separations"])), counts(sizes)
    return {
        part: seconds * (now[GROWS[part]] / was[GROWS[part]] if part in GROWS else 1.0)
        for part, seconds in record["seconds"].items()
    }


def counts(sizes: TableSizes, separations: int | None = None) -> dict[str, int]:
    """Images of each kind."""
    many = len(sizes.separations) if separations is None else separations
    return {
        "blanks": sizes.blanks,
        "control": sizes.control,
        "scenes": sizes.scenes,
        "images": sizes.images,
        "stars": 2 * many * sizes.pairs + sizes.singles,
    }


def measure(folder: Path, rows: Sequence[Row], sizes: TableSizes) -> list[str]:
    """Measure rows that are not measured yet, and write each as soon as it is done.

    Returns
    -------
    list of str
        Rows that failed; why is told at once, and the others go on.
    """
    failed = []
    for row in rows:
        path = folder / f"{row.name}.json"
        try:
            depends = json.loads(json.dumps(row.depends_on(sizes)))
            if path.is_file() and json.loads(path.read_text("utf-8"))["depends"] == depends:
                print(f"{row.name}: measured already", flush=True)
                continue
            write(path, measured_apart(row, sizes))
        except LensprocError as error:
            print(f"{row.name}: {error}", file=sys.stderr, flush=True)
            failed.append(row.name)
    return failed


def measured_apart(row: Row, sizes: TableSizes) -> Record:
    """Measure a row in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=one_thread) as pool:
        return pool.submit(measure_row, row, sizes, partial(print, flush=True)).result()


def one_thread() -> None:
    """Keep this process to one thread and lenstronomy's warnings to itself."""
    import warnings

    import torch

    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", module=r"lenstronomy(\..*)?")


def write(path: Path, record: Record) -> None:
    """Write the file of a row, at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial_file = path.with_suffix(".partial")
    partial_file.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    partial_file.replace(path)


def estimate(rows: Sequence[Row], sizes: TableSizes) -> None:
    """Print how long rows will take."""
    for row in rows:
        seconds = expected(measured_apart(row, SMALL), sizes)
        parts = ", ".join(f"{part} {value:.0f}" for part, value in seconds.items())
        print(f"{row.name}: at most about {sum(seconds.values()):.0f} s of one core ({parts})", flush=True)


def records_in(folder: Path) -> list[Record]:
    """Read the records of a folder, in the order of the rows."""
    order = [entry["name"] for entry in tomllib.loads(ROWS.read_text("utf-8"))["row"]]
    found = [folder / f"{name}.json" for name in order]
    return [json.loads(path.read_text("utf-8")) for path in found if path.is_file()]


def figure(record: Record, name: str, digits: int) -> str:
    """Write a measured value with its interval; a separation wider than any that was tried with >."""
    value, low, high, n = record["measured"].get(name, UNKNOWN)
    if math.isinf(value):
        return f"> {max(record['depends']['sizes']['separations']):g}"
    if math.isinf(high):
        return f"{number(value, digits)} [{number(low, digits)}, –]"
    return interval(Measured(value, low, high, n), digits)


def images_table(records: Sequence[Record]) -> list[str]:
    """PSNR, SSIM and forward χ² by set."""
    sets = {QUASARS: "quasars", PAIRS: "sr-b"}
    heads = [f"{short}, {reference}" for short in sets.values() for reference in ("truth", "gaussian")]
    lines = []
    for record in records:
        cells = [
            f"{figure(record, f'{name} {reference} psnr_of_mean', 2)}<br>"
            f"{figure(record, f'{name} {reference} psnr_mean', 2)}<br>"
            f"{figure(record, f'{name} {reference} ssim', 4)}"
            for name in sets
            for reference in ("truth", "gaussian")
        ]
        chi2 = [figure(record, f"{name} chi2", 3) for name in sets]
        lines.append([f"`{record['row']}`", *cells, *chi2])
    return compact(("row", *heads, *(f"χ², {short}" for short in sets.values())), lines)


SOURCES = (
    ("completeness", (("completeness", 3),)),
    ("purity", (("purity", 3),)),
    ("invented", (("invented", 4),)),
    ("fainter flux on H(output), scatter", (("H(output) ratio", 3), ("H(output) scatter", 2))),
    ("… on the output, scatter", (("output ratio", 3), ("output scatter", 2))),
    ("pairs 1:1 [FWHM]", (("pairs 1", 2),)),
    ("pairs 1:3 [FWHM]", (("pairs 3", 2),)),
    ("split singles", (("splits", 3),)),
    ("HALLUC, false after adjudication, per 1,000 blanks", (("blanks denied", 1), ("blanks supported", 1))),
    ("POINTs, unexplained, per 1,000 lenses", (("control points", 0), ("control invented", 1))),
)
"""Columns of the table of sources: names of what was measured, with their digits."""


def sources_table(records: Sequence[Record]) -> list[str]:
    """Say what becomes of point sources."""
    lines = [
        [
            f"`{record['row']}`",
            *("<br>".join(figure(record, *shown) for shown in column) for _, column in SOURCES),
        ]
        for record in records
    ]
    return compact(("row", *(head for head, _ in SOURCES)), lines)


def about(records: Sequence[Record]) -> list[str]:
    """Sizes that the rows have in common, rows of other sizes, and the weights."""
    if not records:
        return ["nothing is measured"]
    whole = records[0]["depends"]["sizes"]
    first = records[0]["measured"]
    lines = [
        f"- {first[f'{QUASARS} chi2'][3]} scenes with two images of a quasar; fainter image of SNR ≥ 20: "
        f"{first['input ratio'][3]}, on the input {figure(records[0], 'input ratio', 3)} of its flux, scatter "
        f"{figure(records[0], 'input scatter', 2)}",
        f"- {whole['images']} images of {PAIRS}; {whole['blanks']:,} blanks; {whole['control']:,} lenses without "
        f"a quasar; {whole['pairs']} pairs per separation and ratio, {whole['singles']} single stars",
    ]
    other = [f"`{record['row']}`" for record in records if record["depends"]["sizes"] != whole]
    if other:
        lines.append(f"- other sizes: {', '.join(other)}")
    hashes = [
        f"`{record['row']}` {record['depends']['weights_sha256'][:12]}"
        for record in records
        if record["depends"]["weights_sha256"]
    ]
    return [*lines, f"- SHA-256 of the weights: {', '.join(hashes)}"] if hashes else lines


def main() -> int:
    """Measure or show."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    maker = commands.add_parser("measure")
    maker.add_argument("-o", "--output", type=Path, default=Path("adversarial-scores"))
    maker.add_argument("--weights", action="append", default=[], metavar="ROW=FILE")
    maker.add_argument("--quick", action="store_true", help="a small sample, to try a row")
    maker.add_argument("--estimate", action="store_true", help="tell how long it takes, and write nothing")
    maker.add_argument("rows", nargs="*", metavar="ROW")
    shower = commands.add_parser("show")
    shower.add_argument("folder", type=Path)
    shower.add_argument("--page", action="store_true", help=f"replace the tables of {PAGE.name} too")
    arguments = parser.parse_args()
    if arguments.command == "show":
        records = records_in(arguments.folder)
        sections = {
            "images": images_table(records),
            "sources": [*sources_table(records), "", *about(records)],
        }
        for name, lines in sections.items():
            print("\n" + "\n".join(lines))
            if arguments.page:
                put_into_page(name, lines, PAGE)
        return 0
    try:
        rows = rows_given(arguments.weights, arguments.rows)
        sizes = SMALL if arguments.quick else TableSizes()
        if arguments.estimate:
            estimate(rows, TableSizes())
        else:
            return 1 if measure(arguments.output, rows, sizes) else 0
    except LensprocError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
