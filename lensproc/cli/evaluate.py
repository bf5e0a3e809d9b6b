"""``lensproc evaluate``: score stages on images with known truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lensproc.cli.counting import counting


@click.command(
    "evaluate",
    epilog="Example: lensproc evaluate edsr --set edsr.weights=edsr.safetensors --data sealed-sr-a -n 100",
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
    """Score one or more STAGEs beside bicubic, Lanczos and Richardson-Lucy on images whose truth is known.

    PSNR by both averages, SSIM, errors by region, and fluxes of point sources, with 95 % intervals. The folder
    gets evaluate.json, evaluate.md, tables (ECSV) and examples.png. The same command gives the same numbers.
    """
    from lensproc import __version__
    from lensproc.contract.registry import load_registry
    from lensproc.engine.device import resolve_device, usable_cores
    from lensproc.evaluate.folder import prepare_folder
    from lensproc.evaluate.scoring.dataset import open_dataset
    from lensproc.evaluate.scoring.example import REFERENCES
    from lensproc.evaluate.scoring.markdown import report_of
    from lensproc.evaluate.scoring.methods import DECONVOLVER, methods_for
    from lensproc.evaluate.scoring.output import write
    from lensproc.evaluate.scoring.run import evaluate
    from lensproc.report.stretch import require_matplotlib

    require_matplotlib()
    options = _options([*stages, DECONVOLVER, *extra], settings)
    methods, scale = methods_for(stages, options, device, extra=extra, best_iterations=best_iterations)
    dataset = open_dataset(data, number, seed)
    folder = output or Path(f"evaluate-{'-'.join(dict.fromkeys(stages))}-{dataset.name}".replace(":", "-"))
    prepare_folder(folder)
    if dataset.number < dataset.whole:
        click.echo(f"the first {dataset.number} of the {dataset.whole} images of {dataset.name}", err=True)
    on_gpu = resolve_device(device).type != "cpu"
    with counting(f"evaluating on {dataset.name}", "images") as report:
        measured = evaluate(
            dataset,
            methods,
            scale,
            against=against or tuple(REFERENCES),
            points=points,
            jobs=jobs or (1 if on_gpu else usable_cores()),
            progress=report,
        )
    packages = load_registry().packages
    about: dict[str, Any] = {
        "lensproc": __version__,
        "dists": {stage: packages[stage] for stage in dict.fromkeys(stages)},
    }
    write(measured, about, folder)
    click.echo(report_of(measured), nl=False)
    click.echo(f"\n{folder}/evaluate.json", err=True)


def _options(chain: list[str], settings: tuple[str, ...]) -> dict[str, dict[str, object]]:
    from lensproc.config import StageSpec, apply_settings

    names = list(dict.fromkeys(chain))
    if len(names) == 1:
        settings = tuple(s if "." in s.partition("=")[0] else f"{names[0]}.{s}" for s in settings)
    specs = apply_settings([StageSpec(name) for name in names], settings)
    return {spec.id: dict(spec.options) for spec in specs}
