"""``lensproc weights``: the weights and calibrations that ship with the stages, and whether they are intact."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lensproc.contract.manifest import DataFile, Manifest
    from lensproc.contract.registry import Registry


@dataclass(frozen=True)
class ShippedFile:
    """A file of a stage.

    Parameters
    ----------
    stage, package : str
        Id of the stage, and ``distribution==version`` that it comes from.
    kind : str
        ``weights`` or ``calibration``.
    file : str
        Path inside the package; empty for a stage that needs weights and ships none.
    sha256, licence : str
        As the manifest says.
    size : int
        Bytes on disk; 0 where it is missing.
    status : str
        ``OK``, ``WRONG`` (other bytes than the manifest names), ``MISSING``, ``NONE`` (none ships).
    message : str
        What is wrong.
    """

    stage: str
    package: str
    kind: str
    file: str = ""
    sha256: str = ""
    licence: str = ""
    size: int = 0
    status: str = "NONE"
    message: str = ""


@click.group("weights")
def command() -> None:
    """List the weights that ship with the stages, or verify them."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document.")
def list_weights(as_json: bool) -> None:
    """Show each stage's files: size, SHA-256, licence, and whether they are what the manifest names."""
    registry, files = _load()
    if as_json:
        click.echo(_as_json(files))
        return
    rows = [
        (f.stage, f.status, f.file, _size(f.size), f.sha256[:12], f.licence)
        if f.file
        else (f.stage, f.status, "none ships", "", "", "")
        for f in files
    ]
    _table(("stage", "status", "file", "size", "sha256", "licence"), rows)
    for line in _not_seen(registry):
        click.echo(f"note: {line}", err=True)


@command.command("verify")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document.")
@click.pass_context
def verify_weights(ctx: click.Context, as_json: bool) -> None:
    """Hash every file that ships with a stage.

    Exits with 1 where one is missing or is not the one its manifest names, or a plugin could not be loaded.
    """
    registry, files = _load()
    shipped = [file for file in files if file.file]
    wrong = [file for file in shipped if file.status != "OK"]
    unseen = _not_seen(registry)
    if as_json:
        click.echo(_as_json(files))
    else:
        for file in wrong:
            click.echo(f"{file.status:8s}{file.message} [{file.package}]; reinstall {_name(file.package)}")
        click.echo(_sum_of(shipped, len(wrong)))
    for line in unseen:
        click.echo(f"lensproc: {line}", err=True)
    if wrong or unseen:
        ctx.exit(1)


def _load() -> tuple[Registry, list[ShippedFile]]:
    from lensproc.contract.registry import load_registry

    registry = load_registry()
    files = [
        file
        for stage, manifest in registry.manifests.items()
        for file in _files_of(manifest, registry.packages[stage])
    ]
    return registry, files


def _files_of(manifest: Manifest, package: str) -> Iterator[ShippedFile]:
    for data in manifest.weights:
        yield _look(manifest, package, "weights", data)
    if not manifest.weights and any(option.name == "weights" for option in manifest.options):
        yield ShippedFile(manifest.id, package, "weights")
    if manifest.calibration is not None:
        yield _look(manifest, package, "calibration", manifest.calibration)


def _look(manifest: Manifest, package: str, kind: str, data: DataFile) -> ShippedFile:
    from lensproc.contract.datafiles import package_folder, verified_path
    from lensproc.errors import WeightsError

    status, message, size = "OK", "", 0
    try:
        path = package_folder(manifest) / data.file
        size = path.stat().st_size if path.is_file() else 0
        status = "OK" if path.is_file() else "MISSING"
        verified_path(manifest, data)
    except WeightsError as error:
        status, message = "WRONG" if status == "OK" else "MISSING", error.what
    return ShippedFile(
        manifest.id, package, kind, data.file, data.sha256, data.licence, size, status, message
    )


def _not_seen(registry: Registry) -> list[str]:
    return [
        f"plugin {record.name} [{record.package}] is BROKEN, its files are not checked: {record.reason}"
        for record in registry.records
        if record.status == "BROKEN"
    ]


def _as_json(files: list[ShippedFile]) -> str:
    return json.dumps([dataclasses.asdict(file) for file in files], indent=2)


def _sum_of(shipped: Sequence[ShippedFile], wrong: int) -> str:
    if not shipped:
        return "no stage ships a file"
    count = "1 file" if len(shipped) == 1 else f"{len(shipped)} files"
    total = _size(sum(file.size for file in shipped))
    return f"{count}, {total}: " + (f"{wrong} wrong" if wrong else "all as published")


def _name(package: str) -> str:
    return package.partition("==")[0]


def _size(size: int) -> str:
    return f"{size / 1e6:.2f} MB" if size >= 1e5 else f"{size / 1e3:.1f} kB"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo(line.rstrip())
