"""From a stage to its training recipe and its task; no torch is imported before the task is made."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lensproc.contract.datafiles import package_folder
from lensproc.contract.manifest import Manifest
from lensproc.contract.training import TrainingRecipe, TrainingTask
from lensproc.errors import PluginError, UsageError, WeightsError

REQUIRED = {"lightning": "lensproc[train]", "lenstronomy": "lensproc[simulate]"}
"""Library to what pip installs it."""


def require_libraries() -> None:
    """Refuse to start without what training needs.

    Raises
    ------
    UsageError
        Where a library is missing; the remedy names what to install.
    """
    for library, extra in REQUIRED.items():
        if importlib.util.find_spec(library) is None:
            raise UsageError(f"training needs {library}", remedy=f"pip install '{extra}'")


def file_stem(stage_id: str) -> str:
    """Stage id as the beginning of file names."""
    return stage_id.replace(":", "-")


def recipe_folder(manifest: Manifest) -> Path | None:
    """Folder ``recipes`` of the package that a stage comes from; None where it has none."""
    try:
        folder = package_folder(manifest) / "recipes"
    except WeightsError:  # a single module
        return None
    return folder if folder.is_dir() else None


def recipe_names(manifest: Manifest, stages: Iterable[str] = ()) -> list[str]:
    """Names of the recipes that ship with a stage, its own first.

    Parameters
    ----------
    manifest : Manifest
        Of the stage.
    stages : iterable of str
        Ids of all stages: ``edsr-wide.toml`` is not of ``edsr`` where there is a stage ``edsr-wide``.
    """
    folder, stem = recipe_folder(manifest), file_stem(manifest.id)
    if folder is None:
        return []
    longer = tuple(other for other in map(file_stem, stages) if other.startswith(f"{stem}-"))
    names = {path.stem for path in folder.glob(f"{stem}*.toml")}
    own = {name for name in names if name == stem or name.startswith(f"{stem}-")}
    theirs = {name for name in own for other in longer if name == other or name.startswith(f"{other}-")}
    return sorted(own - theirs)


def recipe_path(manifest: Manifest, name: str = "") -> Path:
    """File of a training recipe.

    Parameters
    ----------
    manifest : Manifest
        Of the stage.
    name : str
        A file (``*.toml``), or the name of a recipe that ships: ``edsr-report``, or only its end ``report``.
        Empty for ``recipes/ID.toml``.

    Raises
    ------
    UsageError
        Where there is no such file; the names that there are stand in the remedy.
    """
    if name.endswith(".toml"):
        path = Path(name).expanduser()
        if not path.is_file():
            raise UsageError("no such training recipe", file=path.name)
        return path
    stem, folder = file_stem(manifest.id), recipe_folder(manifest)
    known = recipe_names(manifest)
    for candidate in (name or stem, f"{stem}-{name}"):
        if folder is not None and (folder / f"{candidate}.toml").is_file():
            return folder / f"{candidate}.toml"
    what = f"no training recipe {name!r}" if name else "no training recipe of its own"
    ships = f"it ships {', '.join(known)}" if known else "give one with --recipe FILE.toml"
    raise UsageError(f"stage {manifest.id} has {what}", remedy=ships)


def read_recipe(path: Path) -> TrainingRecipe:
    """Read a recipe file, which gives the recipe its name."""
    return TrainingRecipe.from_toml(path.read_text(encoding="utf-8"), path.stem)


def recipe_sha256(recipe: TrainingRecipe) -> str:
    """SHA-256 of everything in a recipe that decides the outcome: all but its name and its line of prose."""
    content = {key: value for key, value in recipe.to_json().items() if key not in ("name", "summary")}
    return sha256_of_json(content)


def sha256_of_json(content: Mapping[str, Any] | list[Any]) -> str:
    """SHA-256 of the canonical JSON text of some values."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def require_training(manifest: Manifest) -> None:
    """Refuse a stage that hands over no training task."""
    if manifest.training is None:
        raise UsageError(
            f"stage {manifest.id} has nothing to train",
            remedy="its manifest names no training task (docs/training.md)",
        )


def make_task(manifest: Manifest, recipe: TrainingRecipe, package: str = "") -> TrainingTask:
    """Call what the manifest names as its `training`; the network gets fresh weights.

    Raises
    ------
    UsageError
        Where the stage has nothing to train.
    PluginError
        Where the plugin's function cannot be imported, raises, or gives something else.
    """
    require_training(manifest)
    assert manifest.training is not None
    module, _, attribute = manifest.training.partition(":")
    try:
        task = getattr(importlib.import_module(module), attribute)(manifest, recipe)
    except (PluginError, UsageError):
        raise
    except Exception as error:
        raise PluginError(
            f"the training task of stage {manifest.id} could not be made: {type(error).__name__}: {error}",
            plugin=package,
        ) from error
    if not isinstance(task, TrainingTask):
        raise PluginError(
            f"{manifest.training} gave {type(task).__name__}, expected a TrainingTask", plugin=package
        )
    return task
