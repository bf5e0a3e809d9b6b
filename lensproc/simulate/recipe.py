"""What is simulated: a recipe names an instrument, the classes, and how every parameter is drawn."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from lensproc.errors import UsageError
from lensproc.simulate.cosmology import Distances
from lensproc.simulate.instrument import Instrument, instrument_from, load_instrument
from lensproc.simulate.substructure import CLASSES

GENERATOR = 1
"""Version of the drawing code; it grows when the same recipe and seed give other images."""

MassSheet = Literal["fixed", "naive"]
"""``fixed``: the mass inside θ_E stays when substructure is added; ``naive``: substructure adds to it."""

TABLES = ("lens", "substructure", "lens_light", "source", "quasar", "stars", "neighbours", "pair", "partner")
"""Tables of a recipe that hold distributions; one that is absent leaves that part of the scene out."""


@dataclass(frozen=True)
class Recipe:
    """A recipe as the file ``recipes/NAME.toml`` gives it.

    Parameters
    ----------
    name, summary : str
        Name (with ``@instrument`` where that was exchanged) and a line about it.
    instrument : Instrument
        The camera.
    tables : mapping
        The tables of `TABLES` that the recipe has.
    classes : tuple of str
        Substructure classes, equally likely.
    supersampling : int
        Points per pixel side at which the light is computed.
    truth_scales : tuple of int
        Scales of the noise-free truth images, among 1, 2 and 4.
    z_lens, z_source : float
        Redshifts.
    distances, mass_sheet : str
        See `Distances` and `MassSheet`.
    normalise : str
        ``none``, or ``range``: the image is scaled to [0, 1] and its truth with it.
    defects : float
        Mean number of bad spots (cosmic rays, dead pixels) per image.
    partner : Instrument or None
        The camera of the high-resolution partner.
    sealed : bool
        A test set with a seed, number and split of its own, on which models are scored.
    seed, number, split
        Of a sealed set.
    """

    name: str
    summary: str
    instrument: Instrument
    tables: Mapping[str, Mapping[str, Any]]
    classes: tuple[str, ...] = ("no",)
    supersampling: int = 4
    truth_scales: tuple[int, ...] = (1, 2, 4)
    z_lens: float = 0.5
    z_source: float = 1.0
    distances: Distances = "angular"
    mass_sheet: MassSheet = "fixed"
    normalise: Literal["none", "range"] = "none"
    defects: float = 0.0
    partner: Instrument | None = None
    sealed: bool = False
    seed: int | None = None
    number: int | None = None
    split: str | None = None
    extends: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        unknown = [c for c in self.classes if c not in CLASSES]
        if unknown or not self.classes:
            raise UsageError(
                f"recipe {self.name}: no substructure class {', '.join(unknown) or '(none given)'}",
                remedy=f"there are {', '.join(CLASSES)}",
            )
        if self.supersampling not in (1, 2, 4) or set(self.truth_scales) - {1, 2, 4}:
            raise UsageError(f"recipe {self.name}: supersampling and truth_scales must be among 1, 2, 4")

    def table(self, name: str) -> Mapping[str, Any] | None:
        """One table of distributions, or None where the recipe leaves that part out."""
        return self.tables.get(name)

    @property
    def stream(self) -> str:
        """Name that the random streams go by: without the instrument, so that all cameras see one sky."""
        return self.name.partition("@")[0]

    @property
    def stem(self) -> str:
        """Beginning of the names of the files."""
        return self.name.replace("@", "-")

    @property
    def definition(self) -> str:
        """Canonical JSON of everything that decides the pixels, for hashes; it leaves the prose out."""
        content = asdict(self)
        for key in ("summary", "seed", "number", "split", "sealed", "extends"):
            content.pop(key)
        for camera in (content["instrument"], content["partner"]):
            if camera is not None:
                camera.pop("summary")
                camera.pop("sources")
        content["generator"] = GENERATOR
        return json.dumps(content, sort_keys=True, separators=(",", ":"))

    def with_options(
        self, distances: str | None = None, mass_sheet: str | None = None, **camera: Any
    ) -> Recipe:
        """Return the recipe with other distances or mass sheet, or with fields of its instrument changed."""
        changes: dict[str, Any] = {}
        if distances is not None:
            changes["distances"] = distances
        if mass_sheet is not None:
            changes["mass_sheet"] = mass_sheet
        if camera:
            changes["instrument"] = replace(self.instrument, **camera)
        return replace(self, **changes)


def recipe_names() -> list[str]:
    """Names of the recipes that lensproc ships, sorted."""
    folder = files("lensproc.simulate") / "recipes"
    return sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_recipe(name: str) -> Recipe:
    """Read a recipe by name, ``name@instrument`` to exchange its instrument, or by the path of a TOML file.

    Raises
    ------
    UsageError
        For an unknown name or a file that does not hold a recipe.
    """
    if name.endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise UsageError("no such recipe file", file=path.name)
        try:
            table = tomllib.loads(path.read_text("utf-8"))
        except tomllib.TOMLDecodeError as error:
            raise UsageError(f"not a TOML file: {error}", file=path.name) from None
        return recipe_from(path.stem, table)
    base, _, camera = name.partition("@")
    table = _shipped(base)
    if camera:
        if table.get("sealed"):
            raise UsageError(f"recipe {base} is a sealed set: its instrument cannot be exchanged")
        table["instrument"] = camera
    return recipe_from(name, table)


def _shipped(name: str) -> dict[str, Any]:
    entry = files("lensproc.simulate") / "recipes" / f"{name}.toml"
    if not entry.is_file():
        raise UsageError(f"no recipe {name!r}", remedy="lensproc simulate --list shows them all")
    return tomllib.loads(entry.read_text("utf-8"))


def recipe_from(name: str, table: Mapping[str, Any]) -> Recipe:
    """Make a `Recipe` of the content of a TOML file, on top of the recipe that it ``extends``."""
    merged = _extended(name, table)
    tables = {key: merged.pop(key) for key in TABLES if key in merged}
    camera = _camera(name, str(merged.pop("instrument", "")), merged.pop("override", {}))
    partner = None
    if "partner" in tables and "instrument" in tables["partner"]:
        extra = tables["partner"].get("override", {})
        partner = _camera(name, str(tables["partner"]["instrument"]), extra)
    for key in ("classes", "truth_scales"):
        if key in merged:
            merged[key] = tuple(merged[key])
    if merged.get("sealed") and not {"seed", "number", "split"} <= set(merged):
        raise UsageError(f"recipe {name}: a sealed set needs seed, number and split")
    try:
        return Recipe(name=name, instrument=camera, partner=partner, tables=tables, **merged)
    except TypeError as error:
        raise UsageError(f"recipe {name}: {error}") from None


def _extended(name: str, table: Mapping[str, Any], below: tuple[str, ...] = ()) -> dict[str, Any]:
    base = table.get("extends")
    if base is None:
        return dict(table)
    if base in below:
        raise UsageError(f"recipe {name}: it extends itself, {' -> '.join((*below, str(base)))}")
    return {**_extended(name, _shipped(str(base)), (*below, str(base))), **table}


def _camera(recipe: str, name: str, override: Mapping[str, Any]) -> Instrument:
    if not name:
        raise UsageError(f"recipe {recipe}: it names no instrument")
    camera = load_instrument(name)
    if not override:
        return camera
    checked = instrument_from(name, {**_as_table(camera), **override})
    return replace(checked, name=name)


def _as_table(camera: Instrument) -> dict[str, Any]:
    table = asdict(camera)
    table.pop("name")
    return table
