"""``lensproc report``: one HTML page of a run."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command("report")
@click.argument("folder", metavar="OUT")
@click.option(
    "-o", "--output", "destination", metavar="FILE.html", help="The page. [default: OUT/report.html]"
)
@click.option(
    "--input-dir",
    "input_dirs",
    multiple=True,
    metavar="DIR",
    help="Where the inputs are; can be given again. [default: the folder that OUT is in]",
)
@click.option(
    "--max",
    "most",
    type=click.IntRange(min=0),
    default=200,
    show_default=True,
    help="Cutouts to show panels of, worst first; the table has all.",
)
def command(folder: str, destination: str | None, input_dirs: tuple[str, ...], most: int) -> None:
    """Make one self-contained HTML page of OUT, the output folder of a run.

    Every cutout with its input, output, difference and fidelity, its sources and their verdicts, quality values
    coloured by what passes, and how it was made.
    """
    from lensproc.report.page import write_page

    observe = _count if sys.stderr.isatty() else None
    path, page = write_page(
        Path(folder), Path(destination) if destination else None, input_dirs, most, observe
    )
    left = f", {page.left_out} in the table only" if page.left_out else ""
    click.echo(f"{path}: {page.shown} cutouts with panels{left}")
    if page.without_input:
        click.echo(f"inputs of {page.without_input} not found: give their folder with --input-dir", err=True)


def _count(done: int, total: int) -> None:
    click.echo(f"\r{done} of {total} cutouts", nl=done == total, err=True)
