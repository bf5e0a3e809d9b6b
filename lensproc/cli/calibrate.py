"""``lensproc calibrate``: measure what a stage makes of pure noise, for the checks."""

from __future__ import annotations

import hashlib
from pathlib import Path

import click

from lensproc.errors import OutputError, UsageError


@click.command("calibrate")
@click.argument("stage")
@click.option("--set", "settings", multiple=True, metavar="OPTION=VALUE", help="Set an option of the stage.")
@click.option("-o", "--output", metavar="FILE", help="File to write. [default: STAGE.calibration.json]")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option(
    "--blanks", type=click.IntRange(min=2), default=32, show_default=True, help="Blanks per setting."
)
@click.option(
    "--size", type=click.IntRange(min=40), default=64, show_default=True, help="Side of a blank [px]."
)
@click.option(
    "--scenes",
    type=click.IntRange(min=0),
    default=32,
    show_default=True,
    help="Scenes with known truth for the pixels' errors; 16 passes each. 0: none.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the noise.")
def command(
    stage: str,
    settings: tuple[str, ...],
    output: str | None,
    device: str,
    blanks: int,
    size: int,
    scenes: int,
    seed: int,
) -> None:
    """Measure the noise gain, the blank maximum, the star width and the errors of STAGE with its options.

    A file that exists keeps what it holds for other options. Ship it beside the stage's weights and name it, with
    its SHA-256, as the manifest's `calibration`; without one a run measures a small one for itself.
    """
    from lensproc.config import StageSpec, apply_settings
    from lensproc.contract.registry import load_registry

    full = [s if s.partition("=")[0].startswith(f"{stage}.") else f"{stage}.{s}" for s in settings]
    manifest = load_registry().manifest(stage)
    if manifest.kind != "enhance":
        raise UsageError(f"stage {stage} gives no images ({manifest.kind}): there is nothing to calibrate")
    if manifest.n_bands != 1:
        raise UsageError(f"stage {stage} takes {manifest.n_bands} bands; blanks have one")
    options = manifest.resolve_options(apply_settings([StageSpec(stage)], full)[0].options)
    path = Path(output or f"{stage.replace(':', '-')}.calibration.json")
    text, images = calibration_text(
        path,
        stage,
        options,
        device=device,
        blanks=blanks,
        size=size,
        scenes=scenes,
        seed=seed,
        trained=manifest.training is not None,
    )

    from lensproc.fits.atomic import atomic_write

    data = text.encode()
    atomic_write(path, data)
    click.echo(f"{path}: {stage} calibrated on {images} images")
    click.echo(f"sha256 {hashlib.sha256(data).hexdigest()}")


def calibration_text(
    path: Path,
    stage: str,
    options: dict[str, bool | int | float | str],
    *,
    device: str,
    blanks: int,
    size: int,
    scenes: int,
    seed: int,
    trained: bool,
) -> tuple[str, int]:
    """Measure, and join with what a file holds for other options.

    Returns
    -------
    text : str
        New content of the file.
    images : int
        Number of images that were enhanced.
    """
    from dataclasses import replace

    import numpy as np

    from lensproc.config import StageSpec
    from lensproc.engine.enhancer import enhancer_of, results_of
    from lensproc.engine.pipeline import Pipeline, PipelineConfig
    from lensproc.qc.calibration import calibrations_to_text, measure_calibration, read_calibrations
    from lensproc.qc.calibration_scenes import make_scene
    from lensproc.qc.domain import measure_domain
    from lensproc.qc.error_calibration import measure_conformal

    try:
        known = read_calibrations(path.read_text(encoding="utf-8")) if path.exists() else {}
    except OSError as error:
        raise OutputError(f"{path.name} cannot be read: {error.strerror}") from None
    done = 0

    def count(images: int) -> None:
        nonlocal done
        done += images

    pipeline = Pipeline(PipelineConfig((StageSpec(stage, options),), checks="none", device=device))
    measured = measure_calibration(
        enhancer_of(pipeline),
        options=options,
        fwhms=(1.5, 2.0, 3.0, 4.5, 7.0),
        lags=(0.0, 0.25, 0.5),
        blanks=blanks,
        size=size,
        seed=seed,
        progress=count,
    )
    if scenes:
        conformal = measure_conformal(
            results_of(pipeline), scenes=scenes, size=size, seed=seed, progress=count
        )
        measured = replace(measured, conformal=conformal)
    if trained and scenes:
        rng = np.random.default_rng([seed, 2])
        known_images = [make_scene(rng, size).cutout for _ in range(max(scenes, 64))]
        measured = replace(measured, domain=measure_domain(known_images))
    known[measured.options_sha256] = measured
    return calibrations_to_text(stage, known), done
