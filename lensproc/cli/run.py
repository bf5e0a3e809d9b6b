"""``lensproc run``: enhance FITS cutouts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lensproc.cli.read_options import build_read_options, read_options
from lensproc.config import CHECKS, DEFAULT_RECIPE, choose_stages
from lensproc.errors import UsageError

if TYPE_CHECKING:
    from lensproc.engine.pipeline import PipelineConfig


@click.command("run")
@click.argument("files", nargs=-1, metavar="FILES...")
@click.option("-o", "--output", "folder", default="enhanced", show_default=True, help="Output folder.")
@click.option("--stages", metavar="A,B", help="Stages in order, by id (see `lensproc plugins list`).")
@click.option("--recipe", metavar="NAME|FILE.toml", help=f"A named chain. [default: {DEFAULT_RECIPE}]")
@click.option("--set", "settings", multiple=True, metavar="STAGE.OPTION=VALUE", help="Set a stage's option.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "bfloat16"]),
    default="float32",
    show_default=True,
    help="bfloat16 is faster and wrong by 0.3 to 1 %: for looking, not for measuring.",
)
@click.option("--jobs", type=click.IntRange(min=0), default=0, help="Processes. [default: one per core]")
@click.option(
    "--batch-size", type=click.IntRange(min=0), default=0, help="Largest micro-batch. [default: auto]"
)
@click.option(
    "--checks", type=click.Choice(CHECKS), default="quick", show_default=True, help="Quality checks."
)
@read_options
@click.option("--no-images", is_flag=True, help="Write the catalogue only.")
@click.option("--no-resume", is_flag=True, help="Redo files that are done.")
@click.option("--strict", is_flag=True, help="Exit with 3 where a check fails.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first file that fails.")
@click.option("--manifest", "list_file", metavar="FILE|-", help="Read input paths from a file, one per line.")
def command(
    files: tuple[str, ...],
    folder: str,
    stages: str | None,
    recipe: str | None,
    settings: tuple[str, ...],
    device: str,
    dtype: str,
    jobs: int,
    batch_size: int,
    checks: str,
    no_images: bool,
    no_resume: bool,
    strict: bool,
    fail_fast: bool,
    list_file: str | None,
    **reading: object,
) -> None:
    """Enhance FITS cutouts into FOLDER, with a catalogue and a ledger.

    Exit code: 0 all well; 1 some file failed; 2 wrong usage; 3 a check failed (with --strict); 130 interrupted.
    """
    paths = [*files, *(_listed(list_file) if list_file else [])]
    if not paths:
        raise UsageError("no input files", remedy="lensproc run survey_cutouts/*.fits")
    chain = choose_stages(stages, recipe, settings)
    read = build_read_options(reading)

    from lensproc.cli.progress import Progress
    from lensproc.engine.pipeline import PipelineConfig
    from lensproc.engine.run import RunOptions, exit_code, run_files

    config = PipelineConfig(chain, read, checks, dtype, device, batch_size)
    options = RunOptions(folder, jobs, not no_images, not no_resume, fail_fast)
    _say_what_is_calibrated(config)
    with Progress(len(paths)) as progress:
        summary = run_files(paths, config, options, progress.advance)
    progress.summarise(summary, folder)
    sys.exit(exit_code(summary, strict))


def _say_what_is_calibrated(config: PipelineConfig) -> None:
    from lensproc.engine.calibrating import shipped_calibration
    from lensproc.engine.pipeline import Pipeline

    if config.checks == "none":
        return
    calibration, reason = shipped_calibration(Pipeline(config).links)
    if calibration is None and reason:
        click.echo(f"The checks are calibrated first, on a few blanks: {reason}", err=True)


def _listed(name: str) -> list[str]:
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"--manifest cannot be read: {reason}", file=Path(name).name) from None
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
