"""The code that decides what a sample holds: modules, and what they import of their own project."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Set
from pathlib import Path

PROJECT = "lensproc"


def code_hash(modules: Iterable[str]) -> str:
    """SHA-256 (hex) of the source of modules and of all they import, directly or not, from their own project.

    Parameters
    ----------
    modules : iterable of str
        Dotted names. Followed are imports, also those inside functions, of lensproc and of the packages that these
        modules belong to; other libraries are not looked into.

    Raises
    ------
    ImportError
        Where one of `modules` has no source file.
    """
    given = tuple(modules)
    packages = {PROJECT, *(name.partition(".")[0] for name in given)}
    waiting, found = list(given), dict[str, bytes]()
    while waiting:
        name = waiting.pop()
        if name in found or name.partition(".")[0] not in packages:
            continue
        origin = _source_file(name)
        if origin is None:  # a package that is a bare folder holds no code
            if name in given:
                raise ImportError(f"module {name} has no source file", name=name)
            continue
        found[name] = origin.read_bytes()
        waiting += _imports(found[name], packages)
    digest = hashlib.sha256()
    for name in sorted(found):
        digest.update(f"{name} {len(found[name])}\n".encode() + found[name])
    return digest.hexdigest()


def _imports(source: bytes, packages: Set[str]) -> Iterator[str]:
    """Modules of `packages` that a source imports."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in packages:
            yield node.module
            origin = _source_file(node.module)
            if origin is None or origin.name == "__init__.py":  # of a package; then names may be modules
                names = (f"{node.module}.{alias.name}" for alias in node.names)
                yield from (name for name in names if _source_file(name) is not None)


def _source_file(name: str) -> Path | None:
    loaded = getattr(sys.modules.get(name), "__file__", None)
    if loaded is None:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):  # what should be its package is none
            return None
        loaded = None if spec is None else spec.origin
    return Path(loaded) if loaded is not None and loaded.endswith(".py") else None
