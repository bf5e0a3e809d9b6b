"""Simulated images for torch: from a folder, from memory-mapped arrays, or simulated on the fly."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

import numpy as np
import torch
from astropy.io import fits
from astropy.table import Table
from numpy.typing import NDArray
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from lensproc.errors import InputError, UsageError
from lensproc.simulate.arrays import ArrayStore, target_of
from lensproc.simulate.image import simulate
from lensproc.simulate.layouts import read_science
from lensproc.simulate.recipe import Recipe
from lensproc.simulate.seeds import stream_number


class Sample(TypedDict):
    """What a dataset yields; the default collation of torch makes batches of it."""

    image: torch.Tensor
    """(1, H, W) float32, the image with noise."""
    target: torch.Tensor
    """(1, sH, sW) float32: the partner, or the noise-free image at twice the scale; (0,) where there is none."""
    label: int
    """Number of the class in the recipe's list."""
    index: int
    """Number of the image."""


def _sample(image: NDArray[np.float32], target: NDArray[np.float32] | None, label: int, index: int) -> Sample:
    # Copied: torch warns of read-only memory, and FITS is big-endian.
    pixels = torch.from_numpy(np.array(image, np.float32))[None]
    wanted = torch.zeros(0) if target is None else torch.from_numpy(np.array(target, np.float32))[None]
    return {"image": pixels, "target": wanted, "label": label, "index": index}


class ArrayDataset(Dataset[Sample]):
    """A split in memory-mapped arrays, as ``lensproc simulate --format arrays`` makes it.

    Parameters
    ----------
    folder : pathlib.Path
        Where the arrays are.
    split : str
        train, val or test.

    Raises
    ------
    InputError
        When the split is not there or not complete.
    """

    def __init__(self, folder: Path, split: str = "train") -> None:
        self.store = ArrayStore(Path(folder), split)
        self.index = self.store.read_index()
        self.labels: list[int] = self.index["labels"]
        self.classes: list[str] = self.index["classes"]
        self._open: dict[str, NDArray[np.float32]] = {}

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, number: int) -> Sample:
        if not 0 <= number < len(self):
            raise IndexError(number)
        target = self._array("targets")[number] if "targets" in self.index["arrays"] else None
        return _sample(self._array("images")[number], target, self.labels[number], number)

    def __getstate__(self) -> dict[str, object]:
        """Pickle without the maps: each worker opens its own."""
        return {**self.__dict__, "_open": {}}

    def _array(self, kind: str) -> NDArray[np.float32]:
        if kind not in self._open:
            self._open[kind] = self.store.open(kind)
        return self._open[kind]


class FolderDataset(Dataset[Sample]):
    """A folder of FITS cutouts beside their truth, as ``lensproc simulate`` makes it.

    Parameters
    ----------
    folder : pathlib.Path
        Where ``catalog.ecsv`` is.
    target : str
        HDU of the truth files to give as target: HIGHRES, TRUTH1, TRUTH2, TRUTH4 or SHARP2.

    Raises
    ------
    InputError
        When there is no catalogue.
    """

    def __init__(self, folder: Path, target: str = "TRUTH2") -> None:
        self.folder = Path(folder)
        path = self.folder / "catalog.ecsv"
        if not path.exists():
            raise InputError("no catalog.ecsv of a simulated set in the folder", file=self.folder.name)
        self.catalogue = Table.read(path, format="ascii.ecsv")
        self.target = target

    def __len__(self) -> int:
        return len(self.catalogue)

    def __getitem__(self, number: int) -> Sample:
        if not 0 <= number < len(self):
            raise IndexError(number)
        row = self.catalogue[number]
        name = f"{row['name']}.fits"
        image = read_science(self.folder / name)
        with fits.open(self.folder / "truth" / name) as truth:
            if self.target not in truth:
                raise InputError(f"the truth has no HDU {self.target}", file=name)
            target = np.array(truth[self.target].data, np.float32)
        return _sample(image, target, int(row["label"]), int(row["index"]))


class SimulatedDataset(IterableDataset[Sample]):
    """Images simulated on the fly, in the worker processes of a ``DataLoader``.

    Every epoch yields new images: epoch e of length n holds the images e n to (e + 1) n - 1 of the split, whatever
    the number of workers. Call `set_epoch` before each epoch when workers are persistent.

    Parameters
    ----------
    recipe : Recipe
        What to simulate.
    seed : int
        Seed of the set.
    split : str
        train, val or test.
    length : int
        Images per epoch.

    Raises
    ------
    UsageError
        For a sealed recipe: a test set is not for training.
    """

    def __init__(self, recipe: Recipe, seed: int, split: str = "train", length: int = 10000) -> None:
        if recipe.sealed:
            raise UsageError(f"{recipe.name} is a sealed test set: it is for scoring, not for training")
        stream_number(split, 0)
        self.recipe = recipe
        self.seed = seed
        self.split = split
        self.length = length
        # Shared with persistent workers.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]

    def __len__(self) -> int:
        return self.length

    def set_epoch(self, epoch: int) -> None:
        """Choose which images the next iteration yields."""
        self._epoch.fill_(epoch)

    def __iter__(self) -> Iterator[Sample]:
        info = get_worker_info()
        first, step = (0, 1) if info is None else (info.id, info.num_workers)
        start = int(self._epoch) * self.length
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lenstronomy(\..*)?")
            for number in range(first, self.length, step):
                sim = simulate(self.recipe, self.seed, self.split, start + number)
                label = self.recipe.classes.index(sim.scene.class_name)
                yield _sample(sim.exposure.data, target_of(sim), label, sim.index)
