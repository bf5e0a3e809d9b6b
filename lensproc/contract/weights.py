"""Which weights a stage loads: the file that ships with it, or one of the user's."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from lensproc.contract.datafiles import sha256_of, verified_path
from lensproc.contract.manifest import DataFile, Manifest, Option, OptionValue
from lensproc.errors import WeightsError


def weights_option() -> Option:
    """Option ``weights`` of a stage that loads a network."""
    return Option("weights", "str", "", "file of weights to use instead of the one that ships (safetensors)")


def weights_path(manifest: Manifest, options: Mapping[str, OptionValue]) -> Path:
    """Path of the weights of a stage: its option ``weights``, else the file that ships, checked by its hash.

    Raises
    ------
    WeightsError
        Where the option names no file, the shipped file is missing or another one, or none ships.
    """
    given = str(options.get("weights", ""))
    if given:
        path = Path(given).expanduser()
        if not path.is_file():
            raise WeightsError(f"stage {manifest.id}: weights file {given} does not exist")
        return path
    if not manifest.weights:
        raise WeightsError(
            f"stage {manifest.id} ships no weights",
            remedy=f"train it with lensproc train {manifest.id}, then --set {manifest.id}.weights=FILE",
        )
    return verified_path(manifest, manifest.weights[0])


def chosen_weights(manifest: Manifest, options: Mapping[str, OptionValue]) -> tuple[DataFile, ...]:
    """Weights that a stage will load under `options`, with their hashes.

    Returns
    -------
    tuple of DataFile
        Those of the manifest; the first one replaced where the option ``weights`` names a file.

    Raises
    ------
    WeightsError
        Where the option names no file.
    """
    if not str(options.get("weights", "")):
        return manifest.weights
    path = weights_path(manifest, options)
    facts = path.stat()
    sha256 = _sha256_once(str(path.resolve()), facts.st_mtime_ns, facts.st_size)
    return (DataFile(path.name, sha256, ""), *manifest.weights[1:])


@lru_cache(maxsize=64)
def _sha256_once(path: str, modified: int, size: int) -> str:
    return sha256_of(Path(path))


def loaded_weights(stage: object, manifest: Manifest) -> tuple[DataFile, ...]:
    """Weights that a loaded stage has in memory.

    Parameters
    ----------
    stage : Stage
        One that offers ``loaded_weights``, a tuple of `DataFile`, is believed, as `NetworkStage` does; for any
        other it is what its manifest names.
    manifest : Manifest
        Its manifest.
    """
    found = getattr(stage, "loaded_weights", ())
    return tuple(found) if found else manifest.weights
