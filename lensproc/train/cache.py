"""Simulated samples on disk: a memory-mapped array per field, filled by worker processes, shared by trainings."""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensproc import __version__
from lensproc.contract.training import DataShare
from lensproc.errors import OutputError, PluginError, UsageError
from lensproc.fits.atomic import atomic_write
from lensproc.simulate.image import Simulated, simulate
from lensproc.simulate.recipe import Recipe, load_recipe
from lensproc.simulate.seeds import split_hash, stream_number
from lensproc.simulate.workers import run_tasks
from lensproc.train.fields import FieldShape, as_arrays, shapes_of
from lensproc.train.lookup import sha256_of_json
from lensproc.train.sources import code_hash

Sample = Callable[[Simulated], Mapping[str, Any]]
Report = Callable[[int, int], None]
"""Called with how many samples are there and how many there will be."""

INDEX, DONE = "index.json", "done"


@dataclass(frozen=True)
class CachedShare:
    """Samples of one recipe that are complete on disk.

    Parameters
    ----------
    folder : pathlib.Path
        Where ``FIELD.npy`` are, each of shape (number, ...).
    recipe : str
        Name of the simulator's recipe.
    number, seed, split
        Which images.
    fields : dict of str to FieldShape
        Shape and type of one sample.
    split_sha256 : str
        Hash of recipe, seed and range of random streams (`lensproc.simulate.seeds.split_hash`).
    data_sha256 : str
        Hash of the bytes of all fields.
    """

    folder: Path
    recipe: str
    number: int
    seed: int
    split: str
    fields: dict[str, FieldShape]
    split_sha256: str
    data_sha256: str

    def open(self, name: str) -> NDArray[Any]:
        """Memory-mapped array of a field, read only."""
        array: NDArray[Any] = np.load(self.folder / f"{name}.npy", mmap_mode="r")
        return array

    def to_json(self) -> dict[str, Any]:
        """Return what a record says of it: everything that does not depend on the machine."""
        names = ("recipe", "number", "seed", "split", "split_sha256", "data_sha256")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class _Plan:
    folder: Path
    recipe: Recipe
    number: int
    seed: int
    split: str
    sample: Sample


@dataclass(frozen=True)
class _Row:
    plan: _Plan
    fields: dict[str, FieldShape]
    index: int


def simulator_recipe(share: DataShare, beside: Path | None = None) -> Recipe:
    """Recipe of the simulator that a share names; a file is looked for beside the training recipe too.

    Raises
    ------
    UsageError
        For an unknown recipe, or a sealed one: a test set is not for training.
    """
    name = share.recipe
    if name.endswith(".toml") and beside is not None and not Path(name).is_file():
        name = str(beside / name)
    recipe = load_recipe(name)
    if recipe.sealed:
        raise UsageError(f"{recipe.name} is a sealed test set: it is for scoring, not for training")
    return recipe


def describe(sample: Sample) -> dict[str, Any]:
    """Name, arguments and code of a sampling function, as far as they decide what it gives.

    The code is its module, the simulator, and what they import of lensproc and of the function's own package: a
    change in any function that it calls gives samples of their own.
    """
    function, bound = sample, []
    while isinstance(function, functools.partial):
        bound.append({"args": repr(function.args), "keywords": repr(sorted(function.keywords.items()))})
        function = function.func
    named = function if inspect.isroutine(function) else type(function)
    try:
        code = code_hash({named.__module__, Simulated.__module__})
    except (OSError, ImportError) as error:
        raise UsageError(f"the source of the sampling function {named} cannot be read: {error}") from None
    return {
        "function": f"{named.__module__}.{named.__qualname__}",
        "object": "" if named is function else repr(function),
        "bound": bound,
        "code": code,
    }


def cached_share(
    folder: Path,
    recipe: Recipe,
    number: int,
    seed: int,
    split: str,
    sample: Sample,
    jobs: int = 1,
    report: Report | None = None,
) -> CachedShare:
    """Give the samples of one recipe; what is not on disk yet is simulated.

    An interrupted simulation goes on where it stopped, and two processes that want the same samples share the
    work. Every sample depends on recipe, seed, split and its number only.

    Parameters
    ----------
    folder : pathlib.Path
        The cache; each share has a folder of its own in it.
    recipe : Recipe
        Of the simulator.
    number, seed, split
        Which images: 0 to `number` - 1 of the split.
    sample : callable
        `Simulated` to fields; it must pickle.
    jobs : int
        Processes.
    report : callable, optional
        Progress.

    Raises
    ------
    PluginError
        For a sample with values that are not finite or whose shape differs from the first one's.
    OutputError
        Where the cache cannot be written.
    """
    stream_number(split, number - 1)
    key = {
        "lensproc": __version__,
        "definition": hashlib.sha256(recipe.definition.encode()).hexdigest(),
        "number": number,
        "seed": seed,
        "split": split,
        "sample": describe(sample),
    }
    digest = sha256_of_json(key)
    home = folder / f"{recipe.stem}-{split}-{digest[:12]}"
    plan = _Plan(home, recipe, number, seed, split, sample)
    try:
        if not (home / INDEX).is_file():
            _fill(plan, key, jobs, report)
        return _read(plan)
    except OSError as error:
        raise OutputError(
            f"the simulated data cannot be written: {error.strerror or error}",
            file=home.name,
            remedy="free some space or choose another folder with --data",
        ) from None


def _read(plan: _Plan) -> CachedShare:
    index = json.loads((plan.folder / INDEX).read_text(encoding="utf-8"))
    fields = {
        name: FieldShape(tuple(entry["shape"]), entry["dtype"]) for name, entry in index["fields"].items()
    }
    return CachedShare(
        plan.folder, plan.recipe.name, plan.number, plan.seed, plan.split, fields,
        index["split_sha256"], index["data_sha256"],
    )  # fmt: skip


def _fill(plan: _Plan, key: Mapping[str, Any], jobs: int, report: Report | None) -> None:
    plan.folder.mkdir(parents=True, exist_ok=True)
    fields = shapes_of(_sample(plan, 0))
    for name, entry in fields.items():
        _create(plan.folder / f"{name}.npy", entry, plan.number)
    _create_done(plan.folder / DONE, plan.number)
    with (plan.folder / DONE).open("r+b", buffering=0) as done:
        while missing := plan.number - sum(os.pread(done.fileno(), plan.number, 0)):
            count = plan.number - missing
            rows = (_Row(plan, fields, index) for index in _missing(done.fileno(), plan.number))
            for index in run_tasks(_simulate_row, rows, min(jobs, missing)):
                os.pwrite(done.fileno(), b"\x01", index)
                count = min(count + 1, plan.number)
                if report is not None:
                    report(count, plan.number)
    content = {
        **key,
        "recipe": plan.recipe.name,
        "fields": {name: asdict(entry) for name, entry in fields.items()},
        "split_sha256": split_hash(plan.recipe.definition, plan.seed, plan.split),
        "data_sha256": _data_hash(plan.folder, fields),
    }
    atomic_write(plan.folder / INDEX, json.dumps(content, indent=1).encode())


def _missing(done: int, number: int) -> Iterator[int]:
    """Rows nobody has made, from a place that differs between processes, so that two of them share the work."""
    start = 0 if not any(os.pread(done, number, 0)) else os.getpid() * 7919 % number
    for offset in range(number):
        index = (start + offset) % number
        if os.pread(done, 1, index) == b"\x00":
            yield index


def _simulate_row(row: _Row) -> int:
    plan = row.plan
    arrays = _sample(plan, row.index)
    found = shapes_of(arrays)
    if found != row.fields:
        raise PluginError(
            f"sample {row.index} of recipe {plan.recipe.name} has other fields than the first one: "
            f"{_in_words(found)}, not {_in_words(row.fields)}"
        )
    for name, array in arrays.items():
        # Written, not mapped: the pages of a mapped file would count as memory of every process that fills it.
        path = plan.folder / f"{name}.npy"
        data = np.ascontiguousarray(array).tobytes()
        with path.open("r+b", buffering=0) as stream:
            os.pwrite(stream.fileno(), data, _data_offset(str(path)) + row.index * len(data))
    return row.index


def _in_words(fields: Mapping[str, FieldShape]) -> str:
    return ", ".join(f"{name} {entry.shape} {entry.dtype}" for name, entry in sorted(fields.items()))


def _sample(plan: _Plan, index: int) -> dict[str, NDArray[Any]]:
    where = f"sample {index} of recipe {plan.recipe.name}"
    return as_arrays(plan.sample(simulate(plan.recipe, plan.seed, plan.split, index)), where)


def _create(path: Path, entry: FieldShape, number: int) -> None:
    """Create an array file, empty, unless it is there; a process that comes second must not empty it again."""
    if path.exists():
        return
    temporary = path.with_name(f".{secrets.token_hex(6)}-{path.name}.tmp")
    shape = (number, *entry.shape)
    np.lib.format.open_memmap(temporary, mode="w+", dtype=np.dtype(entry.dtype), shape=shape).flush()
    _take_name(temporary, path)


def _create_done(path: Path, number: int) -> None:
    if path.exists():
        return
    temporary = path.with_name(f".{secrets.token_hex(6)}-{path.name}.tmp")
    temporary.write_bytes(bytes(number))
    _take_name(temporary, path)


def _take_name(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass  # the other process was first; its file is the same
    finally:
        temporary.unlink()


@functools.lru_cache(maxsize=32)
def _data_offset(path: str) -> int:
    return int(np.load(path, mmap_mode="r").offset)


def _data_hash(folder: Path, fields: Mapping[str, FieldShape]) -> str:
    digest = hashlib.sha256()
    for name in sorted(fields):
        digest.update(name.encode())
        with (folder / f"{name}.npy").open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
