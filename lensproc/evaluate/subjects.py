"""The systems that are measured: a stage, and the baselines it is held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from lensproc.cutout import Cutout
from lensproc.enhanced import Enhanced
from lensproc.errors import UsageError
from lensproc.qc.calibration import Calibration, measure_calibration

BASELINES = ("raw", "bicubic", "richardson-lucy")

RAW = "raw"
"""Name of the baseline that is the input itself."""

OptionItems = tuple[tuple[str, bool | int | float | str], ...]


@dataclass(frozen=True)
class System:
    """What is measured, by name; it pickles.

    Parameters
    ----------
    name : str
        How it is called in tables and plots.
    stage : str
        Stage id; empty for the input itself.
    options : tuple of (str, value)
        Options of the stage that were set.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    """

    name: str
    stage: str = ""
    options: OptionItems = ()
    device: str = "auto"


@dataclass(frozen=True)
class Subject:
    """A system that is ready to run.

    Parameters
    ----------
    name : str
        As in `System`.
    enhance : callable
        Sequence of cutouts to `Enhanced` in the same order; raises the first error.
    calibration : Calibration
        For the finder on its images.
    """

    name: str
    enhance: Callable[[Sequence[Cutout]], list[Enhanced]]
    calibration: Calibration

    def one(self, cutout: Cutout) -> Enhanced:
        """Enhance a single cutout."""
        return self.enhance([cutout])[0]


def systems_for(stage: str, options: Mapping[str, object], device: str) -> list[System]:
    """List a stage and its baselines, the stage first; a baseline is left out where it is the stage itself.

    Raises
    ------
    UsageError
        For a stage that gives no image or takes several bands, and for wrong options.
    PluginError
        Where there is no such stage.
    """
    from lensproc.contract.registry import load_registry

    manifest = load_registry().manifest(stage)
    if manifest.kind != "enhance":
        raise UsageError(f"stage {stage} gives no images ({manifest.kind}): there is nothing to validate")
    if manifest.n_bands != 1:
        raise UsageError(f"stage {stage} takes {manifest.n_bands} bands; the scenes have one")
    resolved = manifest.resolve_options(options)
    chosen = System(stage, stage, tuple(sorted(resolved.items())), device)
    return [
        chosen,
        *(System(name, "" if name == RAW else name, (), device) for name in BASELINES if name != stage),
    ]


@lru_cache(maxsize=8)
def open_system(system: System) -> Subject:
    """Load a system in this process.

    Raises
    ------
    PluginError
        Where it cannot be loaded.
    """
    if not system.stage:
        return subject_of(RAW, _unchanged)
    from lensproc.config import StageSpec
    from lensproc.engine.calibrating import calibration_for
    from lensproc.engine.enhancer import results_of
    from lensproc.engine.pipeline import Pipeline, PipelineConfig

    spec = StageSpec(system.stage, dict(system.options))
    # one thread for each process: several share the cores
    pipeline = Pipeline(PipelineConfig((spec,), checks="none", device=system.device, threads=1))
    calibration, _, _ = calibration_for(pipeline)
    assert calibration is not None
    return Subject(system.name, results_of(pipeline), calibration)


def subject_of(name: str, enhance: Callable[[Sequence[Cutout]], list[Enhanced]]) -> Subject:
    """Make a subject of any enhancer, calibrated on blanks."""
    calibration = measure_calibration(lambda cutouts: [result.image for result in enhance(cutouts)])
    return Subject(name, enhance, calibration)


def _unchanged(cutouts: Sequence[Cutout]) -> list[Enhanced]:
    return [Enhanced(original=cutout, image=cutout, scale=1.0) for cutout in cutouts]
