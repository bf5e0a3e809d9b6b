"""``lensproc train``: train a stage's network."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lensproc.contract.training import TrainingRecipe


@click.command("train", short_help="Train a stage's network.")
@click.argument("stage")
@click.option(
    "--recipe", "-r", default="", metavar="NAME|FILE.toml",
    help="A recipe that ships with the stage, or a file  [default: the stage's own]",
)  # fmt: skip
@click.option(
    "--output", "-o", type=click.Path(file_okay=False, path_type=Path),
    help="Folder to write to  [default: train-STAGE]",
)  # fmt: skip
@click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path),
    help="Folder of simulated samples; several trainings may share it  [default: OUTPUT/data]",
)  # fmt: skip
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option(
    "--devices", type=click.IntRange(1), default=1, show_default=True, help="Devices that share each batch."
)
@click.option(
    "--precision", type=click.Choice(["32", "bf16-mixed", "16-mixed"]), help="Instead of the recipe's."
)
@click.option(
    "--budget", type=click.FloatRange(0.0), metavar="MINUTES", help="Instead of the recipe's; 0: no limit."
)
@click.option("--epochs", type=click.IntRange(1), help="Instead of the recipe's.")
@click.option(
    "--seed", type=click.IntRange(0), help="Seed of weights, order and noise, instead of the recipe's."
)
@click.option(
    "--start", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE.safetensors",
    help="Weights to start from, of the same network.",
)  # fmt: skip
@click.option("--jobs", "-j", type=click.IntRange(1), help="Processes that simulate  [default: all cores]")
@click.option(
    "--checkpoint", type=click.FloatRange(0.0), default=1.0, show_default=True, metavar="MINUTES",
    help="Time between checkpoints within an epoch.",
)  # fmt: skip
@click.option(
    "--no-resume", is_flag=True, help="Start anew, also where the folder holds an unfinished training."
)
@click.option("--list", "list_", is_flag=True, help="List the recipes that ship with STAGE, and stop.")
def command(
    stage: str,
    recipe: str,
    output: Path | None,
    data: Path | None,
    device: str,
    devices: int,
    precision: str | None,
    budget: float | None,
    epochs: int | None,
    seed: int | None,
    start: Path | None,
    jobs: int | None,
    checkpoint: float,
    no_resume: bool,
    list_: bool,
) -> None:
    """Train the network of STAGE on simulated images, as a recipe says.

    An interrupted training goes on with the same command. OUTPUT gets the best weights (STAGE.safetensors), the
    record of how they came about (STAGE.training.json), metrics.csv, curve.png and a TensorBoard log.

    \b
    lensproc train srresnet -o srresnet
    lensproc run cutouts/*.fits --stages srresnet --set srresnet.weights=srresnet/srresnet.safetensors
    """  # noqa: D301  click reads the backspace character as "keep these lines"
    from lensproc.contract.registry import load_registry
    from lensproc.train.lookup import (
        file_stem,
        read_recipe,
        recipe_names,
        recipe_path,
        require_libraries,
        require_training,
    )

    registry = load_registry()
    manifest = registry.manifest(stage)
    require_training(manifest)
    if list_:
        for name in recipe_names(manifest, registry.manifests):
            click.echo(f"{name:<34}{read_recipe(recipe_path(manifest, name)).summary}")
        return
    path = recipe_path(manifest, recipe)
    chosen = with_settings(read_recipe(path), precision=precision, budget=budget, epochs=epochs, seed=seed)
    require_libraries()

    from lensproc.cli.training_progress import TrainingProgress
    from lensproc.engine.device import usable_cores
    from lensproc.train.run import TrainingRun, train

    folder = output or Path(f"train-{file_stem(stage)}")
    run = TrainingRun(
        manifest=manifest,
        recipe=chosen,
        output=folder,
        data=data or folder / "data",
        beside=path.parent,
        package=registry.package(stage),
        device=device,
        devices=devices,
        jobs=jobs or usable_cores(),
        start=start,
        resume=not no_resume,
        every=60.0 * checkpoint,
    )
    with TrainingProgress() as watcher:
        try:
            trained = train(run, watcher)
        except (KeyboardInterrupt, SystemExit):
            click.echo("Stopped. The same command goes on from the last checkpoint.", err=True)
            sys.exit(130)
    if trained is None:
        return
    record, best = trained.record, trained.record["best"]
    click.echo(
        f"{trained.weights}: {record['monitor']} {best['value']:.6g} in validation at epoch {best['epoch']}, "
        f"after {record['time']['minutes']:.1f} min ({record['steps']} steps; ended by {record['stopped']})"
    )
    click.echo(f"use it with --set {stage}.weights={trained.weights}")


def with_settings(recipe: TrainingRecipe, **changes: object) -> TrainingRecipe:
    """Recipe with the settings of the command line; what these only repeat leaves its SHA-256 alone."""
    given = {
        name: value
        for name, value in changes.items()
        if value is not None and value != getattr(recipe.settings, name)
    }
    return dataclasses.replace(recipe, settings=dataclasses.replace(recipe.settings, **given))  # type: ignore[arg-type]
