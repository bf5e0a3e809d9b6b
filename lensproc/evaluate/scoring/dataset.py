"""The set that methods are scored on: a recipe of the simulator, or a folder that it wrote."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lensproc.errors import UsageError
from lensproc.evaluate.scoring import truth_files
from lensproc.evaluate.scoring.example import Example, simulated_example

if TYPE_CHECKING:
    from lensproc.simulate.recipe import Recipe

DEFAULT_NUMBER = 100
"""Images of a recipe that fixes no number."""

RANGE_IMAGES = 64
"""The first so many images of a set give its data range, however many are scored."""


@dataclass(frozen=True)
class DataSet:
    """A set of images with known truth; it pickles.

    Parameters
    ----------
    name : str
        Recipe, or name of the folder.
    number, whole : int
        Images that are scored: the first `number` of the `whole`; 0 for a recipe without end.
    seed, split : int, str
        Random streams of a recipe.
    folder : Path or None
        Where the files are.
    """

    name: str
    number: int
    whole: int
    seed: int = 0
    split: str = "test"
    folder: Path | None = None

    @property
    def words(self) -> str:
        """The set in a few words."""
        first = f"first {self.number} of {self.whole}" if self.number < self.whole else f"{self.number}"
        origin = "" if self.folder is not None else f", seed {self.seed}, split {self.split}"
        return f"{self.name} ({first} images{origin})"

    def describe(self) -> dict[str, Any]:
        """Return what the scores depend on, as JSON types."""
        about: dict[str, Any] = {"name": self.name, "images": self.number, "of": self.whole or None}
        if self.folder is not None:
            return {**about, **truth_files.origin_of(self.folder)}
        from lensproc.simulate.seeds import split_hash

        recipe = recipe_of(self.name)
        sha = split_hash(recipe.definition, self.seed, self.split)
        return {**about, "seed": self.seed, "split": self.split, "sealed": recipe.sealed, "split_sha256": sha}

    def examples(self, indices: Sequence[int], scale: int, wanted: tuple[str, ...]) -> list[Example]:
        """Images with the references among `wanted` that there are at `scale`."""
        if self.folder is not None:
            return [truth_files.example(self.folder, index, scale, wanted) for index in indices]
        from lensproc.simulate.image import simulate

        recipe = recipe_of(self.name)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lenstronomy(\..*)?")
            sims = [simulate(recipe, self.seed, self.split, index) for index in indices]
            return [simulated_example(sim, scale, wanted) for sim in sims]

    @property
    def unit_range(self) -> bool:
        """Whether every image is scaled to [0, 1]."""
        if self.folder is not None:
            return truth_files.is_unit_range(self.folder)
        return recipe_of(self.name).normalise == "range"

    @property
    def has_points(self) -> bool:
        """Whether the scenes hold point sources whose hosts are known."""
        if self.folder is not None:
            return False
        recipe = recipe_of(self.name)
        return any(recipe.table(name) is not None for name in ("quasar", "stars", "pair"))


@lru_cache(maxsize=8)
def recipe_of(name: str) -> Recipe:
    """Load a recipe of the simulator."""
    from lensproc.simulate.recipe import load_recipe

    return load_recipe(name)


def open_dataset(data: str, number: int | None = None, seed: int | None = None) -> DataSet:
    """Find a set.

    Parameters
    ----------
    data : str
        A recipe of the simulator, or a folder written by ``lensproc simulate``; a folder that is called like a
        recipe is given as ``./NAME``.
    number : int, optional
        Score the first so many images; by default all of a sealed set or a folder, else 100.
    seed : int, optional
        Of a recipe that is not sealed; 0 by default.

    Raises
    ------
    UsageError
        Where there is no such set, or it does not have so many images.
    """
    from lensproc.simulate.recipe import recipe_names

    folder = Path(data)
    if data not in recipe_names() and folder.is_dir():
        whole = truth_files.count(folder)
        if number is not None and number > whole:
            raise UsageError(f"the set has {whole} images, not {number}", file=folder.name)
        return DataSet(folder.resolve().name, number or whole, whole, folder=folder)
    from lensproc.evaluate.scenes import require_simulator
    from lensproc.simulate.folder import plan_for

    require_simulator()
    recipe = recipe_of(data)
    if recipe.sealed:
        plan = plan_for(recipe, number, seed, None, Path())
        return DataSet(data, plan.number, recipe.number or 0, plan.seed, plan.split)
    plan = plan_for(recipe, number or DEFAULT_NUMBER, seed or 0, "test", Path())
    return DataSet(data, plan.number, 0, plan.seed, plan.split)


def peak_of(dataset: DataSet, index: int, scale: int) -> float:
    """Brightest noise-free pixel of an image above its darkest, at the scale of the output."""
    truth = dataset.examples([index], scale, ("truth",))[0].references["truth"].image
    return float(np.ptp(truth))


def range_indices(dataset: DataSet) -> range:
    """Numbers of the images that give the data range."""
    return range(min(RANGE_IMAGES, dataset.whole or RANGE_IMAGES))
