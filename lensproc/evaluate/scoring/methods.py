"""The methods that are scored: stages, and the baselines that always stand beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from lensproc.cutout import Cutout
from lensproc.enhanced import Enhanced
from lensproc.errors import UsageError

OptionItems = tuple[tuple[str, bool | int | float | str], ...]

RAW = "raw"
"""The input itself: at scale 1 what an interpolation would give."""

ITERATIONS = (5, 10, 20, 40)
"""Of Richardson-Lucy, where the best of them is asked for."""

DECONVOLVER = "richardson-lucy"


SCORED_KINDS = ("enhance",)
"""Kinds of stages that there are figures of merit for."""


@dataclass(frozen=True)
class Method:
    """What is scored, by name; it pickles.

    Parameters
    ----------
    name : str
        How it is called in tables.
    stage : str
        Stage id; empty for the input itself.
    options : tuple of (str, value)
        All options of the stage.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    baseline : bool
        True where others are held against it.
    """

    name: str
    stage: str = ""
    options: OptionItems = ()
    device: str = "auto"
    baseline: bool = False


def scale_of(stage: str, options: Mapping[str, object]) -> int:
    """Output pixels per input pixel of a stage under given options.

    Raises
    ------
    UsageError
        For a stage that takes several bands, or whose kind has no figures of merit.
    PluginError
        Where there is no such stage.
    """
    from lensproc.contract.registry import load_registry

    manifest = load_registry().manifest(stage)
    if manifest.kind not in SCORED_KINDS:
        raise UsageError(
            f"stage {stage} is of the kind {manifest.kind}, which has no scores",
            remedy=f"there are scores for the kind {', '.join(SCORED_KINDS)}",
        )
    if manifest.n_bands != 1:
        raise UsageError(f"stage {stage} takes {manifest.n_bands} bands; the images of a set have one")
    return manifest.scale_for(manifest.resolve_options(options))


def methods_for(
    stages: Sequence[str],
    options: Mapping[str, Mapping[str, object]],
    device: str,
    *,
    extra: Sequence[str] = (),
    best_iterations: bool = False,
) -> tuple[list[Method], int]:
    """List stages and baselines, the stages first; a baseline that is asked for as a stage comes once.

    Parameters
    ----------
    stages, extra : sequence of str
        Stages, and further baselines.
    options : mapping of str to mapping
        Options by stage.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    best_iterations : bool
        Richardson-Lucy several times, with the numbers of iterations in `ITERATIONS`.

    Returns
    -------
    methods : list of Method
    scale : int
        Output pixels per input pixel, the same for all.

    Raises
    ------
    UsageError
        Where the stages differ in scale, or an option is wrong.
    PluginError
        Where there is no such stage.
    """
    from lensproc.contract.registry import load_registry

    registry = load_registry()
    scales = {stage: scale_of(stage, options.get(stage, {})) for stage in stages}
    if len(set(scales.values())) > 1:
        told = ", ".join(f"{stage} {scale}" for stage, scale in scales.items())
        raise UsageError(f"the stages have different scales ({told})", remedy="evaluate one scale at a time")
    scale = next(iter(scales.values()))

    def method(stage: str, given: Mapping[str, object], name: str = "", *, baseline: bool = False) -> Method:
        resolved = registry.manifest(stage).resolve_options(given)
        return Method(name or stage, stage, tuple(sorted(resolved.items())), device, baseline)

    found = [method(stage, options.get(stage, {})) for stage in dict.fromkeys(stages)]
    baselines = [RAW] if scale == 1 else ["bicubic", "lanczos"]
    for name in dict.fromkeys([*baselines, DECONVOLVER, *extra]):
        if name in scales:
            continue
        if name == RAW:
            found.append(Method(RAW, device=device, baseline=True))
            continue
        given = _at_scale(name, scale, options.get(name, {}))
        if name == DECONVOLVER and best_iterations:
            for count in ITERATIONS:
                label = f"{DECONVOLVER} ({count} iterations)"
                found.append(method(name, {**given, "iterations": count}, label, baseline=True))
        else:
            found.append(method(name, given, baseline=True))
    return found, scale


def _at_scale(stage: str, scale: int, given: Mapping[str, object]) -> dict[str, object]:
    from lensproc.contract.registry import load_registry

    manifest = load_registry().manifest(stage)
    settable = any(option.name == "scale" for option in manifest.options)
    wanted = {"scale": scale, **given} if settable else dict(given)
    if scale_of(stage, wanted) != scale:
        raise UsageError(f"baseline {stage} has not the scale {scale} of the stages")
    return wanted


def yardstick(methods: Sequence[Method]) -> str:
    """Name of the method that all others are compared with: bicubic, at scale 1 the input."""
    names = [method.name for method in methods]
    return "bicubic" if "bicubic" in names else RAW


Enhance = Callable[[Sequence[Cutout]], list[Enhanced]]


@lru_cache(maxsize=16)
def open_method(method: Method) -> Enhance:
    """Load a method in this process.

    Returns
    -------
    callable
        Cutouts to results in the same order; it raises the first error.

    Raises
    ------
    PluginError
        Where it cannot be loaded.
    """
    if not method.stage:
        return _unchanged
    from lensproc.config import StageSpec
    from lensproc.engine.enhancer import results_of
    from lensproc.engine.pipeline import Pipeline, PipelineConfig

    spec = StageSpec(method.stage, dict(method.options))
    # one thread for each process: several share the cores, and sums do not depend on how many
    pipeline = Pipeline(PipelineConfig((spec,), checks="none", device=method.device, threads=1))
    pipeline.load()
    return results_of(pipeline)


def _unchanged(cutouts: Sequence[Cutout]) -> list[Enhanced]:
    return [Enhanced(original=cutout, image=cutout, scale=1.0) for cutout in cutouts]
