"""Memory-mapped arrays of a simulated split, so that training is never starved by FITS."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensproc.errors import InputError
from lensproc.simulate.image import Simulated
from lensproc.simulate.recipe import Recipe


def image_size(recipe: Recipe) -> int:
    """Side [px] of the delivered images of a recipe."""
    halved = (recipe.table("partner") or {}).get("kind") == "bicubic-half"
    return recipe.instrument.size // 2 if halved else recipe.instrument.size


def target_size(recipe: Recipe) -> int | None:
    """Side [px] of what a network shall make of them: the partner, else the noise-free image at twice the scale.

    None for recipes that are about classes (no partner, and not every scale of truth).
    """
    if recipe.partner is not None:
        return recipe.partner.size
    if recipe.table("partner") is not None:
        return recipe.instrument.size
    return 2 * recipe.instrument.size if recipe.supersampling == 4 and 2 in recipe.truth_scales else None


def target_of(sim: Simulated) -> NDArray[np.float32] | None:
    """Return the target image of `target_size`."""
    if sim.partner is not None:
        return sim.partner.data
    return sim.truth(2) if target_size(sim.recipe) is not None else None


class ArrayStore:
    """``SPLIT.images.npy``, ``SPLIT.targets.npy`` where the recipe has targets, and ``SPLIT.json``.

    Parameters
    ----------
    folder : pathlib.Path
        Where they are.
    split : str
        train, val or test.
    """

    def __init__(self, folder: Path, split: str) -> None:
        self.folder = Path(folder)
        self.split = split

    @property
    def index_path(self) -> Path:
        """The JSON index, written when the split is complete."""
        return self.folder / f"{self.split}.json"

    def path(self, kind: str) -> Path:
        """Array file of `kind` (images or targets)."""
        return self.folder / f"{self.split}.{kind}.npy"

    def holds(self, recipe: Recipe, number: int) -> bool:
        """Whether the arrays are there with the shapes that `recipe` and `number` need."""
        for kind, side in (("images", image_size(recipe)), ("targets", target_size(recipe))):
            if side is None:
                continue
            if not self.path(kind).exists():
                return False
            if np.load(self.path(kind), mmap_mode="r").shape != (number, side, side):
                return False
        return True

    def put(self, index: int, sim: Simulated) -> None:
        """Write one image into its row; processes may write different rows at once."""
        _write_row(self.path("images"), index, sim.exposure.data)
        target = target_of(sim)
        if target is not None:
            _write_row(self.path("targets"), index, target)

    def write_index(self, meta: dict[str, Any], labels: Sequence[int]) -> None:
        """Write the index: what the split is, its hashes and its labels."""
        kinds = [kind for kind in ("images", "targets") if self.path(kind).exists()]
        shapes = {kind: list(np.load(self.path(kind), mmap_mode="r").shape) for kind in kinds}
        content = {**meta, "arrays": shapes, "labels": list(labels)}
        temporary = self.index_path.with_name(f".lensproc-{self.index_path.name}.tmp")
        temporary.write_text(json.dumps(content, indent=1), encoding="utf-8")
        temporary.replace(self.index_path)

    def read_index(self) -> dict[str, Any]:
        """Read the index.

        Raises
        ------
        InputError
            When the split is not there or not complete.
        """
        if not self.index_path.exists():
            raise InputError(
                f"no complete arrays of split {self.split} in the folder",
                file=self.folder.name,
                remedy="make them with lensproc simulate RECIPE --format arrays",
            )
        content: dict[str, Any] = json.loads(self.index_path.read_text(encoding="utf-8"))
        return content

    def open(self, kind: str) -> NDArray[np.float32]:
        """Memory-mapped array of `kind`, shape (N, ny, nx), read only."""
        array: NDArray[np.float32] = np.load(self.path(kind), mmap_mode="r")
        return array


def create_store(folder: Path, split: str, recipe: Recipe, number: int) -> ArrayStore:
    """Create the array files, empty, unless they are there with the right shapes."""
    store = ArrayStore(folder, split)
    if store.holds(recipe, number):
        return store
    store.index_path.unlink(missing_ok=True)
    for kind, side in (("images", image_size(recipe)), ("targets", target_size(recipe))):
        store.path(kind).unlink(missing_ok=True)
        if side is not None:
            shape = (number, side, side)
            array = np.lib.format.open_memmap(store.path(kind), mode="w+", dtype=np.float32, shape=shape)
            array.flush()
    return store


def _write_row(path: Path, index: int, image: NDArray[np.float32]) -> None:
    # Written, not mapped: the pages of a mapped file would count as memory of every process that fills it.
    start = _data_offset(str(path)) + index * image.nbytes
    with path.open("r+b") as stream:
        stream.seek(start)
        stream.write(np.ascontiguousarray(image, np.float32).tobytes())


@lru_cache(maxsize=8)
def _data_offset(path: str) -> int:
    return int(np.load(path, mmap_mode="r").offset)
