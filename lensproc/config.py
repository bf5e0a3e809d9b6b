"""Recipes and options: which stages, with what, from TOML files and the command line."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from lensproc.errors import UsageError

DEFAULT_RECIPE = "lens-sr"
CHECKS = ("none", "quick", "full")


@dataclass(frozen=True)
class StageSpec:
    """A stage of a chain, by id, with the options that were given.

    Parameters
    ----------
    id : str
        Stage id.
    options : mapping
        Option name to value, as given; the manifest parses and completes them.
    """

    id: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """A named chain of stages.

    Parameters
    ----------
    name : str
        Name of the recipe, or the base name of its file.
    stages : tuple of StageSpec
        In order.
    summary : str
        One line.
    """

    name: str
    stages: tuple[StageSpec, ...]
    summary: str = ""


def recipe_names() -> list[str]:
    """Names of the recipes that come with lensproc."""
    folder = files("lensproc") / "recipes"
    return sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_recipe(name: str) -> Recipe:
    """Load a recipe that comes with lensproc by its name, or one of the user's by its file.

    Parameters
    ----------
    name : str
        A name of `recipe_names`, or a path that ends in ``.toml``.

    Raises
    ------
    UsageError
        Where there is no such recipe, or the file is not one.
    """
    if name.endswith(".toml"):
        path = Path(name)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise UsageError(f"recipe cannot be read: {reason}", file=path.name) from None
        return parse_recipe(text, path.name)
    if name not in recipe_names():
        known = ", ".join(recipe_names())
        raise UsageError(f"no recipe is called {name!r}", remedy=f"known: {known}; or give a .toml file")
    text = (files("lensproc") / "recipes" / f"{name}.toml").read_text(encoding="utf-8")
    return parse_recipe(text, name)


def parse_recipe(text: str, name: str) -> Recipe:
    """Read a recipe from TOML: a ``summary`` and a list of ``[[stages]]`` with ``id`` and ``options``."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"recipe is not valid TOML: {error}", file=name) from None
    unknown = set(table) - {"summary", "stages"}
    if unknown:
        raise UsageError(f"recipe has unknown keys {sorted(unknown)}", file=name, remedy="summary and stages")
    entries = table.get("stages")
    if not isinstance(entries, list) or not entries:
        raise UsageError("recipe lists no [[stages]]", file=name)
    return Recipe(name, tuple(_stage_spec(entry, name) for entry in entries), str(table.get("summary", "")))


def _stage_spec(entry: object, name: str) -> StageSpec:
    if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
        raise UsageError("each of the recipe's [[stages]] needs an id", file=name)
    if set(entry) - {"id", "options"}:
        extra = sorted(set(entry) - {"id", "options"})
        raise UsageError(f"stage {entry['id']} has unknown keys {extra}", file=name, remedy="id and options")
    options = entry.get("options", {})
    if not isinstance(options, dict):
        raise UsageError(f"stage {entry['id']}: options must be a table", file=name)
    return StageSpec(entry["id"], options)


def choose_stages(
    stages: str | Sequence[str] | None, recipe: str | None, settings: Iterable[str] = ()
) -> tuple[StageSpec, ...]:
    """Chain of stages from what the user said.

    Parameters
    ----------
    stages : str or sequence of str, optional
        Stage ids, as ``wavelet,lanczos`` or a list.
    recipe : str, optional
        Recipe name or file; the default recipe where neither is given.
    settings : iterable of str
        ``stage.option=value``, applied to every stage of that id.

    Raises
    ------
    UsageError
        Where both are given, none is named, or a setting is no ``stage.option=value`` of a stage in the chain.
    """
    if stages and recipe:
        raise UsageError("--stages and --recipe exclude each other")
    if stages is not None:
        names = stages.split(",") if isinstance(stages, str) else list(stages)
        chain = tuple(StageSpec(name.strip()) for name in names if name.strip())
        if not chain:
            raise UsageError("--stages names no stage")
    else:
        chain = load_recipe(recipe or DEFAULT_RECIPE).stages
    return apply_settings(chain, settings)


def apply_settings(chain: Sequence[StageSpec], settings: Iterable[str]) -> tuple[StageSpec, ...]:
    """Return the chain with ``stage.option=value`` settings added."""
    result = list(chain)
    for setting in settings:
        target, equals, value = setting.partition("=")
        stage, dot, option = target.rpartition(".")
        if not equals or not dot or not stage or not option:
            raise UsageError(f"--set {setting!r} is not stage.option=value")
        hits = [i for i, spec in enumerate(result) if spec.id == stage]
        if not hits:
            have = ", ".join(spec.id for spec in result)
            raise UsageError(
                f"--set {setting!r}: stage {stage!r} is not in the chain", remedy=f"it has: {have}"
            )
        for i in hits:
            result[i] = StageSpec(stage, {**result[i].options, option: value})
    return tuple(result)
