"""Calibrate a stage at full size, and write the result where it ships."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from lensproc.config import StageSpec
from lensproc.contract.manifest import Manifest, OptionValue
from lensproc.cutout import Cutout
from lensproc.engine.enhancer import enhancer_of, results_of
from lensproc.engine.pipeline import Pipeline, PipelineConfig
from lensproc.enhanced import Enhanced
from lensproc.errors import OutputError, UsageError
from lensproc.evaluate.training_images import domain_of_training, recipe_of_weights
from lensproc.qc.calibration import Calibration, Probe, measure_calibration
from lensproc.qc.calibration_file import measure_probe, to_keep
from lensproc.qc.error_calibration import measure_conformal

FWHMS, LAGS = (1.5, 2.0, 3.0, 4.5, 7.0), (0.0, 0.25, 0.5)
"""Settings of the blanks: FWHM of the PSF [px], and correlation of neighbouring pixels."""

IMAGES_OF_DOMAIN = 300
"""Images of the training that stand for it: with n of them the least chance that can be said is 1 / (n + 1)."""


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Parameters
    ----------
    blanks : int
        Blanks per setting, at least 2.
    size : int
        Side of blanks and scenes [px], at least 40.
    scenes : int
        Scenes with known truth for the pixels' errors, 16 images each, 1 where the stage gives its own error;
        0 for none.
    seed : int
        Of the noise.
    domain : int
        Images of its training that a trained stage's inputs are compared with; 0 for none. They cost no pass
        through the stage.
    """

    blanks: int = 32
    size: int = 64
    scenes: int = 32
    seed: int = 0
    domain: int = IMAGES_OF_DOMAIN

    @property
    def images(self) -> int:
        """Images that go through the stage, where it gives no uncertainty of its own."""
        starred = self.blanks - self.blanks // 2
        return len(FWHMS) * len(LAGS) * (self.blanks + starred) + 16 * self.scenes


def calibrate(
    manifest: Manifest,
    options: Mapping[str, OptionValue],
    effort: Effort,
    device: str = "auto",
    progress: Callable[[int, int], None] | None = None,
    recipe: Path | None = None,
    data: Path | None = None,
) -> tuple[Calibration, int]:
    """Measure the calibration of a stage with one set of options.

    Parameters
    ----------
    manifest : Manifest
        The stage.
    options : mapping
        Every option with its value.
    effort : Effort
        How much is measured.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    progress : callable, optional
        Called with the number of images that went through the stage so far, and with how many are expected.
    recipe : Path, optional
        Training recipe; by default the one that the weights name.
    data : Path, optional
        Folder with the simulated data of the training; without it they are simulated again.

    Returns
    -------
    calibration : Calibration
        As it is kept in a file.
    images : int
        Images that went through the stage for it.

    Raises
    ------
    UsageError
        For a stage that gives no image, or takes several bands; for weights whose recipe is not known.
    """
    if manifest.kind != "enhance":
        raise UsageError(
            f"stage {manifest.id} gives no images ({manifest.kind}): there is nothing to calibrate"
        )
    if manifest.n_bands != 1:
        raise UsageError(f"stage {manifest.id} takes {manifest.n_bands} bands; blanks have one")
    done = 0

    def counted(cutouts: Sequence[Cutout]) -> None:
        nonlocal done
        done += len(cutouts)
        if progress is not None:
            progress(done, max(done, effort.images))

    with _pipeline(manifest, options, device) as pipeline:
        plain, full = enhancer_of(pipeline), results_of(pipeline)

        def enhance(cutouts: Sequence[Cutout]) -> list[Cutout]:
            made = plain(cutouts)
            counted(cutouts)
            return made

        def results(cutouts: Sequence[Cutout]) -> list[Enhanced]:
            made = full(cutouts)
            counted(cutouts)
            return made

        measured = measure_calibration(
            enhance, fwhms=FWHMS, lags=LAGS, blanks=effort.blanks, size=effort.size, seed=effort.seed
        )
        if effort.scenes:
            conformal = measure_conformal(results, scenes=effort.scenes, size=effort.size, seed=effort.seed)
            measured = replace(measured, conformal=conformal)
        probe = measure_probe(plain, full)
    if manifest.training is not None and effort.domain:
        domain = domain_of_training(
            manifest, recipe or recipe_of_weights(manifest, options), effort.domain, data
        )
        measured = replace(measured, domain=domain)
    spent = asdict(effort)
    if manifest.training is None:
        del spent["domain"]
    return to_keep(measured, options, manifest.version, spent, probe), done


def probe_stage(manifest: Manifest, options: Mapping[str, OptionValue], device: str = "cpu") -> Probe:
    """Measure the small part of a stage's calibration by which a stale one is known."""
    with _pipeline(manifest, options, device) as pipeline:
        return measure_probe(enhancer_of(pipeline), results_of(pipeline))


def _pipeline(manifest: Manifest, options: Mapping[str, OptionValue], device: str) -> Pipeline:
    spec = StageSpec(manifest.id, dict(options))
    return Pipeline(PipelineConfig((spec,), checks="none", device=device))


def rename_digest(package: Path, before: str, after: str) -> Path:
    """Write a file's new SHA-256 where a package's source names the old one.

    Parameters
    ----------
    package : Path
        Folder of the package.
    before, after : str
        The digests, 64 hex digits each.

    Returns
    -------
    Path
        The Python file that was changed.

    Raises
    ------
    OutputError
        Where not exactly one file names the old digest once, or it cannot be written.
    """
    from lensproc.fits.atomic import atomic_write

    texts = {path: path.read_text(encoding="utf-8") for path in sorted(package.rglob("*.py"))}
    holding = [path for path, text in texts.items() for _ in range(text.count(before))]
    if len(holding) != 1:
        raise OutputError(
            f"{package.name} names the SHA-256 {before[:12]}… {len(holding)} times",
            remedy=f"write {after} into the manifest by hand",
        )
    atomic_write(holding[0], texts[holding[0]].replace(before, after).encode())
    return holding[0]
