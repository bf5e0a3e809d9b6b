"""``lensproc evaluate``: score stages on images with known truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lensproc.cli.counting import counting
from lensproc.errors import UsageError

if TYPE_CHECKING:
    from lensproc.evaluate.scoring.dataset import DataSet
    from lensproc.evaluate.scoring.methods import Method


@click.command(
    "evaluate",
    epilog="Examples: lensproc evaluate edsr --set edsr.weights=edsr.safetensors --data sealed-sr-a -n 100; "
    "lensproc evaluate substructure resnet-simple --data sealed-common-test",
)
@click.argument("stages", nargs=-1, required=True, metavar="STAGE...")
@click.option(
    "--data", required=True, metavar="SET", help="A recipe of lensproc simulate, or a folder that it wrote."
)
@click.option(
    "-n",
    "--number",
    type=click.IntRange(1),
    help="Score the first N images. [default: all of a sealed set or a folder, else 100]",
)
@click.option("--seed", type=click.IntRange(0), help="Of a recipe that is not sealed. [default: 0]")
@click.option("--set", "settings", multiple=True, metavar="STAGE.OPTION=VALUE", help="Set an option.")
@click.option(
    "--against",
    multiple=True,
    type=click.Choice(["noisy", "partner", "truth", "sharp", "gaussian"]),
    help="Reference; may be given again. [default: all that the set has]",
)
@click.option("--with", "extra", multiple=True, metavar="STAGE", help="A further baseline, as starlet.")
@click.option(
    "--best-iterations",
    is_flag=True,
    help="Richardson-Lucy with 5, 10, 20 and 40 iterations, each on its own line.",
)
@click.option(
    "--points/--no-points", default=None, help="Measure point sources. [default: where there are some]"
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--jobs", "-j", type=click.IntRange(1), help="Processes. [default: all cores; 1 on a GPU]")
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder. [default: evaluate-STAGE-SET]",
)
def command(
    stages: tuple[str, ...],
    data: str,
    number: int | None,
    seed: int | None,
    settings: tuple[str, ...],
    against: tuple[str, ...],
    extra: tuple[str, ...],
    best_iterations: bool,
    points: bool | None,
    device: str,
    jobs: int | None,
    output: Path | None,
) -> None:
    """Score one or more STAGEs on images whose truth is known.

    Stages that make images stand beside bicubic, Lanczos and Richardson-Lucy: PSNR by both averages, SSIM,
    errors by region, and fluxes of point sources. Classifiers: ROC AUC, accuracy, confusion, calibration,
    conformal sets, risk against coverage. All with 95 % intervals. The folder gets evaluate.json, evaluate.md,
    tables (ECSV) and pictures. The same command gives the same numbers.
    """
    from lensproc.evaluate.classification.stages import are_classifiers
    from lensproc.evaluate.folder import prepare_folder
    from lensproc.evaluate.scoring.dataset import open_dataset
    from lensproc.report.stretch import require_matplotlib

    require_matplotlib()
    classify = are_classifiers(stages)
    images_only = {
        "--against": against, "--with": extra, "--best-iterations": best_iterations, "--points": points
    }  # fmt: skip
    if classify and any(images_only.values()):
        given = ", ".join(name for name, value in images_only.items() if value)
        raise UsageError(f"{given}: for stages that make images; {', '.join(stages)} classify")
    if classify:
        methods, scale = _classifiers(stages, settings, device), 1
    else:
        methods, scale = _image_methods(stages, settings, device, extra, best_iterations=best_iterations)
    dataset = open_dataset(data, number, seed)
    folder = output or Path(f"evaluate-{'-'.join(dict.fromkeys(stages))}-{dataset.name}".replace(":", "-"))
    prepare_folder(folder)
    if dataset.number < dataset.whole:
        click.echo(f"the first {dataset.number} of the {dataset.whole} images of {dataset.name}", err=True)
    processes = jobs or _processes(device)
    if classify:
        report = _score_classifiers(dataset, methods, processes, folder)
    else:
        report = _score_images(
            dataset, methods, processes, folder, scale=scale, against=against, points=points
        )
    click.echo(report, nl=False)
    click.echo(f"\n{folder}/evaluate.json", err=True)


def _classifiers(stages: Sequence[str], settings: tuple[str, ...], device: str) -> list[Method]:
    """Classifiers with the options that were set."""
    from lensproc.evaluate.classification.stages import classifiers

    return classifiers(stages, _options(list(stages), settings), device)


def _image_methods(
    stages: Sequence[str],
    settings: tuple[str, ...],
    device: str,
    extra: Sequence[str],
    *,
    best_iterations: bool,
) -> tuple[list[Method], int]:
    """Stages that make images, with the baselines, and their scale."""
    from lensproc.evaluate.scoring.methods import DECONVOLVER, methods_for

    options = _options([*stages, DECONVOLVER, *extra], settings)
    return methods_for(stages, options, device, extra=extra, best_iterations=best_iterations)


def _score_classifiers(dataset: DataSet, methods: Sequence[Method], jobs: int, folder: Path) -> str:
    from lensproc.evaluate.classification.markdown import report_of
    from lensproc.evaluate.classification.output import write
    from lensproc.evaluate.classification.run import evaluate

    with counting(f"evaluating on {dataset.name}", "images") as report:
        measured = evaluate(dataset, methods, jobs=jobs, progress=report)
    write(measured, _about(methods), folder)
    return report_of(measured)


def _score_images(
    dataset: DataSet,
    methods: Sequence[Method],
    jobs: int,
    folder: Path,
    *,
    scale: int,
    against: Sequence[str],
    points: bool | None,
) -> str:
    from lensproc.evaluate.scoring.example import REFERENCES
    from lensproc.evaluate.scoring.markdown import report_of
    from lensproc.evaluate.scoring.output import write
    from lensproc.evaluate.scoring.run import evaluate

    with counting(f"evaluating on {dataset.name}", "images") as report:
        measured = evaluate(
            dataset,
            methods,
            scale,
            against=against or tuple(REFERENCES),
            points=points,
            jobs=jobs,
            progress=report,
        )
    write(measured, _about([method for method in methods if not method.baseline]), folder)
    return report_of(measured)


def _processes(device: str) -> int:
    from lensproc.engine.device import resolve_device, usable_cores

    return usable_cores() if resolve_device(device).type == "cpu" else 1


def _about(methods: Sequence[Method]) -> dict[str, Any]:
    from lensproc import __version__
    from lensproc.contract.registry import load_registry

    registry = load_registry()
    return {
        "lensproc": __version__,
        "dists": {method.stage: registry.package(method.stage) for method in methods},
    }


def _options(chain: list[str], settings: tuple[str, ...]) -> dict[str, dict[str, object]]:
    from lensproc.config import StageSpec, apply_settings

    names = list(dict.fromkeys(chain))
    if len(names) == 1:
        settings = tuple(s if "." in s.partition("=")[0] else f"{names[0]}.{s}" for s in settings)
    specs = apply_settings([StageSpec(name) for name in names], settings)
    return {spec.id: dict(spec.options) for spec in specs}
