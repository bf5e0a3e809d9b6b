"""``lensproc replay``: run the recorded chain of an output again and compare."""

from __future__ import annotations

import sys

import click


@click.command("replay")
@click.argument("output", metavar="FILE")
@click.option("--input", "original", required=True, metavar="ORIGINAL", help="The file it was made from.")
@click.option("--psf", metavar="FILE", help="The PSF file the run used, if it used one.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
def command(output: str, original: str, psf: str | None, device: str) -> None:
    """Run the chain recorded in FILE on ORIGINAL again and say whether the pixels agree.

    Exit code: 0 where they agree within 1e-5 of the peak, 1 where not.
    """
    from lensproc.engine.replay import replay

    outcome = replay(output, original, psf, device)
    for note in outcome.notes:
        click.echo(f"note: {note}")
    if outcome.identical:
        click.echo("identical: every pixel is as recorded")
    elif outcome.agrees:
        click.echo(f"agrees: the largest difference is {outcome.difference:.1e} of the peak")
    else:
        click.echo(f"differs: the largest difference is {outcome.difference:.1e} of the peak")
        sys.exit(1)
