"""Weights and calibrations that ship inside a plugin's package, opened only if their hash is right."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

from lensproc.contract.manifest import DataFile, Manifest
from lensproc.errors import WeightsError


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hex digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def package_folder(manifest: Manifest) -> Path:
    """Folder of the package that a stage comes from.

    Raises
    ------
    WeightsError
        Where it is a single module: that holds no data files.
    """
    package = manifest.factory.split(":")[0].split(".")[0]
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise WeightsError(f"stage {manifest.id}: package {package} holds no data files", plugin=package)
    return Path(next(iter(spec.submodule_search_locations)))


def verified_path(manifest: Manifest, data: DataFile) -> Path:
    """Path of a file that the manifest names, after checking its bytes.

    Raises
    ------
    WeightsError
        Where the file is missing or its SHA-256 is another one.
    """
    folder = package_folder(manifest)
    package, path = folder.name, folder / data.file
    if not path.is_file():
        raise WeightsError(
            f"stage {manifest.id}: {data.file} is missing", plugin=package, remedy=f"reinstall {package}"
        )
    found = sha256_of(path)
    if found != data.sha256:
        raise WeightsError(
            f"stage {manifest.id}: {data.file} has SHA-256 {found[:12]}…, its manifest says {data.sha256[:12]}…",
            plugin=package,
            remedy=f"reinstall {package}; this is not the file its author published",
        )
    return path
