"""``lensproc calibrate``: measure what a stage makes of pure noise, for the checks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lensproc.cli.counting import counting
from lensproc.errors import OutputError, UsageError

if TYPE_CHECKING:
    from lensproc.contract.manifest import Manifest, OptionValue
    from lensproc.evaluate.calibrate import Effort


FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("calibrate")
@click.argument("stages", nargs=-1, metavar="STAGE")
@click.option("--set", "settings", multiple=True, metavar="OPTION=VALUE", help="Set an option of the stage.")
@click.option("-o", "--output", metavar="FILE", help="File to write. [default: STAGE.calibration.json]")
@click.option(
    "--shipped",
    is_flag=True,
    help="Measure again, in place, the files that ship with the stages, for all options they hold. "
    "Without a STAGE: of every stage that has one.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--blanks", type=click.IntRange(min=2), help="Blanks per setting. [default: 32]")
@click.option("--size", type=click.IntRange(min=40), help="Side of a blank [px]. [default: 64]")
@click.option(
    "--scenes",
    type=click.IntRange(min=0),
    help="Scenes with known truth for the pixels' errors; 16 passes each. 0: none. [default: 32]",
)
@click.option("--seed", type=click.IntRange(min=0), help="Seed of the noise. [default: 0]")
@click.option(
    "--domain",
    type=click.IntRange(min=0),
    help="Images of its training that a trained stage's inputs are compared with. 0: none. [default: 300]",
)
@click.option("--recipe", type=FILE, help="Recipe of the training. [default: the one that the weights name]")
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Simulated data of the training (--data of lensproc train). [default: simulated again]",
)
def command(
    stages: tuple[str, ...],
    settings: tuple[str, ...],
    output: str | None,
    shipped: bool,
    device: str,
    blanks: int | None,
    size: int | None,
    scenes: int | None,
    seed: int | None,
    domain: int | None,
    recipe: Path | None,
    data: Path | None,
) -> None:
    """Measure the noise gain, the blank maximum, the star width and the errors of STAGE with its options.

    A file that exists keeps what it holds for other options. Ship it beside the stage's weights and name it, with
    its SHA-256, as the manifest's `calibration`; without one a run measures a small one for itself.
    """
    said = {"blanks": blanks, "size": size, "scenes": scenes, "seed": seed, "domain": domain}
    effort = {name: number for name, number in said.items() if number is not None}
    if shipped:
        if settings or output:
            raise UsageError("--shipped takes the file and the options as they ship: no --set, no --output")
        _calibrate_shipped(stages, effort, partial(_write, device=device, recipe=recipe, data=data))
        return
    if len(stages) != 1:
        raise UsageError("name one STAGE to calibrate", remedy="`lensproc plugins list` shows them")
    write = partial(_write, device=device, recipe=recipe, data=data)
    _calibrate_one(stages[0], settings, output, effort, write)


def _calibrate_one(
    stage: str,
    settings: Sequence[str],
    output: str | None,
    effort: Mapping[str, int],
    write: Callable[..., str],
) -> None:
    from lensproc.config import StageSpec, apply_settings
    from lensproc.contract.registry import load_registry
    from lensproc.evaluate.calibrate import Effort

    full = [s if s.partition("=")[0].startswith(f"{stage}.") else f"{stage}.{s}" for s in settings]
    manifest = load_registry().manifest(stage)
    options = manifest.resolve_options(apply_settings([StageSpec(stage)], full)[0].options)
    path = Path(output or f"{stage.replace(':', '-')}.calibration.json")
    digest = write(path, manifest, [(options, Effort(**effort))])
    click.echo(f"sha256 {digest}")


def _calibrate_shipped(stages: Sequence[str], effort: Mapping[str, int], write: Callable[..., str]) -> None:
    from lensproc.contract.datafiles import package_folder, verified_path
    from lensproc.contract.registry import load_registry
    from lensproc.evaluate.calibrate import Effort, rename_digest
    from lensproc.qc.calibration_file import read_calibrations

    registry = load_registry()
    chosen = [registry.manifest(stage) for stage in stages] or [
        manifest for manifest in registry.manifests.values() if manifest.calibration is not None
    ]
    for manifest in chosen:
        if manifest.calibration is None:
            raise UsageError(f"stage {manifest.id} ships no calibration file", remedy="leave out --shipped")
    for manifest in chosen:
        assert manifest.calibration is not None
        path = verified_path(manifest, manifest.calibration)
        entries = read_calibrations(path.read_text(encoding="utf-8")).values()
        wanted = [
            (manifest.resolve_options(entry.options), Effort(**{**entry.effort, **effort}))
            for entry in entries
        ]
        digest = write(path, manifest, wanted, others=False)
        if digest != manifest.calibration.sha256:
            source = rename_digest(package_folder(manifest), manifest.calibration.sha256, digest)
            click.echo(f"{source}: sha256 {digest}")


def _write(
    path: Path,
    manifest: Manifest,
    wanted: Sequence[tuple[dict[str, OptionValue], Effort]],
    device: str,
    others: bool = True,
    recipe: Path | None = None,
    data: Path | None = None,
) -> str:
    """Measure for some options, join with what the file holds for `others`, and return its new SHA-256."""
    from lensproc.evaluate.calibrate import calibrate
    from lensproc.fits.atomic import atomic_write
    from lensproc.qc.calibration_file import calibrations_to_text, read_calibrations

    try:
        text = path.read_text(encoding="utf-8") if others and path.exists() else ""
    except OSError as error:
        raise OutputError(f"{path.name} cannot be read: {error.strerror}") from None
    kept = read_calibrations(text) if text else {}
    for chosen, effort in wanted:
        with counting(f"calibrating {manifest.id}", "images") as report:
            measured, images = calibrate(manifest, chosen, effort, device, report, recipe, data)
        kept[measured.options_sha256] = measured
        words = "".join(f" {name}={value}" for name, value in chosen.items())
        click.echo(f"{path}: {manifest.id}{words} calibrated on {images} images")
    written = calibrations_to_text(manifest.id, kept).encode()
    atomic_write(path, written)
    return hashlib.sha256(written).hexdigest()
