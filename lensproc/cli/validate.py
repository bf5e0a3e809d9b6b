"""``lensproc validate``: measure what a stage does to sources whose truth is known."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lensproc.cli.counting import counting

if TYPE_CHECKING:
    from lensproc.evaluate.run import Validation


@click.command("validate", epilog="Example: lensproc validate richardson-lucy --set iterations=40 --quick")
@click.argument("stage")
@click.option("--set", "settings", multiple=True, metavar="OPTION=VALUE", help="Set an option of the stage.")
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder. [default: validate-STAGE]",
)
@click.option("--quick", is_flag=True, help="Few trials, wide intervals: about a minute on two cores.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the scenes.")
@click.option("--jobs", "-j", type=click.IntRange(1), help="Processes. [default: all cores; 1 on a GPU]")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
def command(
    stage: str,
    settings: tuple[str, ...],
    output: Path | None,
    quick: bool,
    seed: int,
    jobs: int | None,
    device: str,
) -> None:
    """Measure what STAGE does to known sources, beside the input itself, bicubic and Richardson-Lucy.

    Simulated scenes go through all of them: empty fields, lenses without a quasar, injected stars, pairs, lensed
    quasars, harmless changes of the input. The folder gets validate.html, validate.json, and a table (ECSV) and a
    plot (PNG) per experiment. The same seed gives the same numbers.
    """
    from lensproc import __version__
    from lensproc.config import StageSpec, apply_settings
    from lensproc.contract.registry import load_registry
    from lensproc.engine.device import resolve_device, usable_cores
    from lensproc.evaluate.folder import prepare_folder
    from lensproc.evaluate.output import write
    from lensproc.evaluate.run import validate
    from lensproc.evaluate.sizes import FULL, QUICK
    from lensproc.evaluate.standing import standing
    from lensproc.evaluate.subjects import systems_for
    from lensproc.report.stretch import require_matplotlib

    require_matplotlib()
    full = [s if s.partition("=")[0].startswith(f"{stage}.") else f"{stage}.{s}" for s in settings]
    options = dict(apply_settings([StageSpec(stage)], full)[0].options)
    systems = systems_for(stage, options, device)
    folder = output or Path(f"validate-{stage.replace(':', '-')}")
    prepare_folder(folder)
    on_gpu = resolve_device(device).type != "cpu"
    started = time.perf_counter()
    with counting(f"validating {stage}", "images") as report:
        measured = validate(
            systems,
            seed,
            QUICK if quick else FULL,
            jobs=jobs or (1 if on_gpu else usable_cores()),
            progress=report,
        )
    about: dict[str, Any] = {
        "stage": stage,
        "options": dict(systems[0].options),
        "dist": load_registry().package(stage),
        "lensproc": __version__,
        "quick": quick,
        "standing": None,
    }
    if load_registry().manifest(stage).generative:
        found = standing(measured.goals, measured.systems[0], quick)
        about["standing"] = {**asdict(found), "sentence": found.sentence}
    files = write(measured, about, folder)
    _summarise(measured, stage)
    if about["standing"]:
        click.echo(about["standing"]["sentence"])
    click.echo(f"{files[-1]} ({time.perf_counter() - started:.0f} s)")


def _summarise(measured: Validation, stage: str) -> None:
    from lensproc.evaluate.page import short

    for outcome in measured.goals:
        if outcome.system != stage:
            continue
        value = outcome.measured
        interval = f" [{short(value.low)}, {short(value.high)}]" if value.n else ""
        click.echo(
            f"{outcome.verdict:<13}{outcome.name}: {short(value.value)}{interval}, goal {outcome.goal}"
        )
