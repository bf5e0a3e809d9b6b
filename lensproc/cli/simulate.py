"""``lensproc simulate``: make simulated lenses with their truth."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lensproc.cli.counting import counting
from lensproc.errors import UsageError

if TYPE_CHECKING:
    pass


@click.command("simulate", short_help="Make simulated lenses with their truth.")
@click.argument("recipe", required=False)
@click.option(
    "--number", "-n", type=click.IntRange(1), help="How many images  [default: 1; all of a sealed set]"
)
@click.option("--seed", type=click.IntRange(0), help="Seed of the set  [default: 0]")
@click.option("--output", "-o", type=click.Path(file_okay=False, path_type=Path), help="Folder to write to.")
@click.option(
    "--split", type=click.Choice(["train", "val", "test"]), help="Disjoint random streams  [default: train]"
)
@click.option("--jobs", "-j", type=click.IntRange(1), help="Processes  [default: all cores]")
@click.option(
    "--format", "format_", type=click.Choice(["fits", "arrays"]), default="fits", show_default=True,
    help="FITS cutouts with truth, or memory-mapped arrays for training.",
)  # fmt: skip
@click.option(
    "--mass-sheet", type=click.Choice(["fixed", "naive"]),
    help="Hold the mass inside the Einstein radius when substructure is added, or let it grow  [default: fixed]",
)  # fmt: skip
@click.option(
    "--distances", type=click.Choice(["angular", "deeplense-public"]),
    help="Angular-diameter distances, or luminosity distances as in the public DeepLense code  [default: angular]",
)  # fmt: skip
@click.option("--list", "list_", is_flag=True, help="List the recipes and instruments, and stop.")
def command(
    recipe: str | None,
    number: int | None,
    seed: int | None,
    output: Path | None,
    split: str | None,
    jobs: int | None,
    format_: str,
    mass_sheet: str | None,
    distances: str | None,
    list_: bool,
) -> None:
    """Make NUMBER simulated images of RECIPE with their truth.

    RECIPE is a name of --list, NAME@INSTRUMENT to see the same sky with another camera, or a TOML file.
    An interrupted run goes on where it stopped. Image i depends on recipe, seed, split and i only.

    \b
    lensproc simulate quasars --number 20 --seed 1 -o scenes
    lensproc simulate quasars@hst-acs --number 20 --seed 1 -o scenes-hst
    """  # noqa: D301  click reads the backspace character as "keep these lines"
    if list_:
        _list_recipes()
        return
    if recipe is None or output is None:
        raise UsageError(
            "simulate needs a RECIPE and a folder", remedy="lensproc simulate --list shows the recipes"
        )
    from lensproc.simulate.folder import catalogue_path, plan_for, run_plan
    from lensproc.simulate.recipe import load_recipe

    options = load_recipe(recipe).with_options(distances=distances, mass_sheet=mass_sheet)
    if options.sealed and (distances or mass_sheet):
        raise UsageError(f"{recipe} is a sealed test set: its options are fixed")
    plan = plan_for(options, number, seed, split, output, "arrays" if format_ == "arrays" else "fits")
    started = time.perf_counter()
    try:
        with counting(plan.recipe.name, "images") as report:
            table = run_plan(plan, jobs or os.cpu_count() or 1, report)
    except KeyboardInterrupt:
        click.echo("Stopped. What is finished stays; the same command goes on from there.", err=True)
        sys.exit(130)
    seconds = time.perf_counter() - started
    click.echo(f"{len(table)} images of {plan.recipe.name} in {output} ({seconds:.1f} s)")
    click.echo(f"catalogue {catalogue_path(plan)}, split {table.meta['split_sha256'][:16]}")


def _list_recipes() -> None:
    from lensproc.simulate.instrument import instrument_names, load_instrument
    from lensproc.simulate.recipe import load_recipe, recipe_names

    click.echo("Recipes:")
    for name in recipe_names():
        click.echo(f"  {name:<22}{load_recipe(name).summary}")
    click.echo("\nInstruments (RECIPE@INSTRUMENT):")
    for name in instrument_names():
        click.echo(f"  {name:<22}{load_instrument(name).summary}")
