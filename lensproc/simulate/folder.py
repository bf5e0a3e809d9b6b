"""A simulated set on disk: FITS cutouts beside their truth, or arrays for training, and a catalogue."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lensproc.errors import OutputError, UsageError
from lensproc.simulate.arrays import ArrayStore, create_store
from lensproc.simulate.catalogue import Row, catalogue, data_hash, row_of, write_catalogue
from lensproc.simulate.image import simulate
from lensproc.simulate.recipe import Recipe
from lensproc.simulate.seeds import split_hash, stream_number
from lensproc.simulate.workers import run_tasks

if TYPE_CHECKING:
    from astropy.io.fits import HDUList
    from astropy.table import Table

Format = Literal["fits", "arrays"]
LEDGER = "simulate.jsonl"


@dataclass(frozen=True)
class Plan:
    """What to make.

    Parameters
    ----------
    recipe : Recipe
        What is simulated.
    number : int
        How many images.
    seed, split
        Which random streams.
    folder : pathlib.Path
        Where to.
    format : str
        ``fits`` (cutouts and truth) or ``arrays`` (memory-mapped, for training).
    """

    recipe: Recipe
    number: int
    seed: int
    split: str
    folder: Path
    format: Format = "fits"

    @property
    def meta(self) -> dict[str, Any]:
        """What the ledger and the catalogue say of the whole set."""
        recipe = self.recipe
        start = stream_number(self.split, 0)
        return {
            "recipe": recipe.name,
            "summary": recipe.summary,
            "instrument": recipe.instrument.name,
            "classes": list(recipe.classes),
            "seed": self.seed,
            "split": self.split,
            "first_stream": start,
            "split_sha256": split_hash(recipe.definition, self.seed, self.split),
            "distances": recipe.distances,
            "mass_sheet": recipe.mass_sheet,
            "sealed": recipe.sealed,
            "format": self.format,
        }


def plan_for(
    recipe: Recipe,
    number: int | None,
    seed: int | None,
    split: str | None,
    folder: Path,
    format: Format = "fits",
) -> Plan:
    """Make a plan, taking seed, number and split of a sealed set from its recipe.

    Raises
    ------
    UsageError
        When another seed, split or a larger number is asked of a sealed set, or none is given for another.
    """
    if recipe.sealed:
        if seed not in (None, recipe.seed) or split not in (None, recipe.split):
            raise UsageError(
                f"{recipe.name} is a sealed test set: its seed {recipe.seed} and split {recipe.split} are fixed",
                remedy="leave --seed and --split out",
            )
        if number is not None and number > (recipe.number or 0):
            raise UsageError(f"{recipe.name} is a sealed test set of {recipe.number} images, not {number}")
        seed, split, number = recipe.seed, recipe.split, number or recipe.number
    number = 1 if number is None else number
    if number < 1:
        raise UsageError(f"--number must be at least 1, got {number}")
    stream_number(split or "train", number - 1)
    return Plan(recipe, number, 0 if seed is None else seed, split or "train", folder, format)


@dataclass(frozen=True)
class _Task:
    plan: Plan
    index: int


def run_plan(plan: Plan, jobs: int = 1, on_row: Callable[[int, int], None] | None = None) -> Table:
    """Make every image of `plan` that is not there yet, and write the catalogue.

    Parameters
    ----------
    plan : Plan
        What to make.
    jobs : int
        Number of processes; it changes nothing in the result.
    on_row : callable, optional
        Called with (images there, images asked for) after each image.

    Returns
    -------
    astropy.table.Table
        The catalogue, as written to ``catalog.ecsv`` (``<split>.ecsv`` for arrays).

    Raises
    ------
    UsageError
        When the folder holds another set.
    OutputError
        When it cannot be written.
    """
    try:
        _make_folders(plan)
        rows = _resume(plan)
        store = (
            create_store(plan.folder, plan.split, plan.recipe, plan.number)
            if plan.format == "arrays"
            else None
        )
        missing = (i for i in range(plan.number) if i not in rows)
        tasks = (_Task(plan, index) for index in missing)
        function = _make_array if store is not None else _make_fits
        with _ledger_path(plan).open("a", encoding="utf-8") as ledger:
            for row in run_tasks(function, tasks, jobs):
                rows[int(row["index"])] = row
                ledger.write(json.dumps(row) + "\n")
                ledger.flush()
                if on_row is not None:
                    on_row(len(rows), plan.number)
        wanted = [rows[i] for i in range(plan.number)]
        meta = {**plan.meta, "number": plan.number, "data_sha256": data_hash(wanted)}
        table = catalogue(wanted, meta)
        write_catalogue(table, catalogue_path(plan))
        if store is not None:
            store.write_index(meta, [int(row["label"]) for row in wanted])
    except OSError as error:
        raise OutputError(
            f"cannot write the simulated set: {error.strerror or error}", file=plan.folder.name
        ) from error
    return table


def catalogue_path(plan: Plan) -> Path:
    """Where the catalogue of `plan` is written."""
    return plan.folder / (f"{plan.split}.ecsv" if plan.format == "arrays" else "catalog.ecsv")


def _ledger_path(plan: Plan) -> Path:
    return plan.folder / (f"{plan.split}.{LEDGER}" if plan.format == "arrays" else LEDGER)


def _make_folders(plan: Plan) -> None:
    plan.folder.mkdir(parents=True, exist_ok=True)
    if plan.format == "fits":
        (plan.folder / "truth").mkdir(exist_ok=True)


def _resume(plan: Plan) -> dict[int, Row]:
    """Rows of images that are there already; starts the ledger where there is none."""
    path = _ledger_path(plan)
    head = {"set": {k: plan.meta[k] for k in ("recipe", "seed", "split", "split_sha256", "format")}}
    if not path.exists():
        path.write_text(json.dumps(head) + "\n", encoding="utf-8")
        return {}
    lines = list(_whole_lines(path))
    if not lines or lines[0] != head:
        raise UsageError(
            "the folder holds another simulated set (recipe, options, seed or split differ)",
            file=plan.folder.name,
            remedy="choose an empty folder with -o",
        )
    rows = {int(row["index"]): row for row in lines[1:]}
    if plan.format == "arrays":
        store = ArrayStore(plan.folder, plan.split)
        if not store.holds(plan.recipe, plan.number):
            # Arrays of another length cannot grow in place; they are made anew.
            path.write_text(json.dumps(head) + "\n", encoding="utf-8")
            return {}
        return rows
    return {i: row for i, row in rows.items() if all(p.exists() for p in _paths(plan, i))}


def _whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Lines of a ledger; a last line cut short by a crash is left out, and cut off the file."""
    good = 0
    with path.open("rb") as stream:
        for line in stream:
            try:
                if not line.endswith(b"\n"):
                    break
                yield json.loads(line)
            except ValueError:
                break
            good += len(line)
    if good < path.stat().st_size:
        os.truncate(path, good)


def _paths(plan: Plan, index: int) -> tuple[Path, Path]:
    name = f"{plan.recipe.stem}-{index:06d}.fits"
    return plan.folder / name, plan.folder / "truth" / name


def _make_fits(task: _Task) -> Row:
    from lensproc.simulate.layouts import hdulist
    from lensproc.simulate.truth import center_position, truth_hdulist

    plan = task.plan
    sim = simulate(plan.recipe, plan.seed, plan.split, task.index)
    image, truth = _paths(plan, task.index)
    _write(truth_hdulist(sim), truth)
    _write(hdulist(sim), image)
    return row_of(sim, center_position(sim))


def _make_array(task: _Task) -> Row:
    plan = task.plan
    sim = simulate(plan.recipe, plan.seed, plan.split, task.index)
    ArrayStore(plan.folder, plan.split).put(task.index, sim)
    return row_of(sim)


def _write(hdus: HDUList, path: Path) -> None:
    temporary = path.with_name(f".lensproc-{path.name}.tmp")
    hdus.writeto(temporary, overwrite=True)
    temporary.replace(path)
