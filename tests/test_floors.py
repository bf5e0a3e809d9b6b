"""Imports go down the floors only, and plugins use what is public."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE, PLUGINS = ROOT / "lensproc", ROOT / "plugins"

FLOORS = (
    ("cli",),
    ("train", "evaluate"),
    ("engine", "report"),
    ("qc", "fits", "config", "testing"),
    ("contract", "cutout", "enhanced"),
    ("nn", "simulate", "errors"),
)
"""Top to bottom. A module imports from its own floor and from those below."""

ALLOWED_UPWARDS = {
    ("nn.psf", "cutout"),  # what a PSF is
    ("nn.forward", "cutout"),  # what an amplitude is, for its types only
}
"""(module, floor member): the exceptions, each with its reason."""

PLUGINS_MAY_IMPORT = {part for floor in FLOORS[3:] for part in floor}
"""Parts of the core that a plugin sees: its own floor and those below."""


def modules(folder: Path) -> list[tuple[str, Path]]:
    """Dotted name and path of every module below a folder."""
    found = []
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder.parent).with_suffix("").parts
        found.append((".".join(parts[:-1] if parts[-1] == "__init__" else parts), path))
    return found


@cache
def imports(path: Path) -> list[tuple[int, str, str]]:
    """Line, module and imported name of every import in a file, also those inside functions."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively; say lensproc.…"
            found += [(node.lineno, node.module or "", alias.name) for alias in node.names]
    return found


def floor_of(part: str) -> int | None:
    return next((i for i, members in enumerate(FLOORS) if part in members), None)


def part_of(module: str, name: str) -> str:
    """``qc`` for lensproc.qc.sources, and for ``from lensproc import qc``; empty for lensproc itself."""
    parts = module.split(".")
    if len(parts) > 1:
        return parts[1]
    return name if floor_of(name) is not None else ""


@pytest.mark.parametrize(("module", "path"), modules(CORE), ids=[name for name, _ in modules(CORE)])
def test_imports_go_down_the_floors(module, path):
    here = floor_of(part_of(module, ""))
    if module == "lensproc":
        return  # the public face looks at everything, lazily
    assert here is not None, f"{module} stands on no floor"
    wrong = []
    for line, target, name in imports(path):
        part = part_of(target, name) if target.split(".")[0] == "lensproc" else ""
        there = floor_of(part)
        if (
            there is not None
            and there < here
            and (module.removeprefix("lensproc."), part) not in ALLOWED_UPWARDS
        ):
            wrong.append(f"{path.name}:{line} imports {target} from a floor above")
    assert wrong == []


@pytest.mark.parametrize(("module", "path"), modules(CORE), ids=[name for name, _ in modules(CORE)])
def test_the_core_imports_no_plugin(module, path):
    plugins = {folder.name for folder in PLUGINS.iterdir() if folder.is_dir()}
    assert [target for _, target, _ in imports(path) if target.split(".")[0] in plugins] == []


@pytest.mark.parametrize(("module", "path"), modules(PLUGINS), ids=[name for name, _ in modules(PLUGINS)])
def test_plugins_import_public_names_of_the_core_and_nothing_of_each_other(module, path):
    mine, wrong = module.split(".")[1], []
    for line, target, name in imports(path):
        top, where = target.split(".")[0], f"{path.name}:{line} {target} {name}"
        if top.startswith("lensproc_") and top != mine:
            wrong.append(f"{where}: another plugin; ask the registry for a stage by its id")
        if top == "lensproc":
            if any(part.startswith("_") and part != "__version__" for part in [*target.split("."), name]):
                wrong.append(f"{where}: a private name")
            part = part_of(target, name)
            if part and part not in PLUGINS_MAY_IMPORT:
                wrong.append(f"{where}: {part} is not for plugins")
    assert wrong == []


def test_the_manifests_of_every_plugin_stand_in_a_module_that_imports_no_library():
    heavy = {"numpy", "torch", "astropy", "scipy", "skimage", "pywt", "photutils"}
    for folder in sorted(folder for folder in PLUGINS.iterdir() if (folder / "__init__.py").is_file()):
        found = {target.split(".")[0] for _, target, _ in imports(folder / "__init__.py")}
        assert not found & heavy, folder.name
