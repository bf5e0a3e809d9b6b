"""A pipeline as a plain function from cutouts to cutouts, for calibrating and validating it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from lensproc.config import StageSpec
from lensproc.cutout import Cutout
from lensproc.engine.pipeline import Pipeline, PipelineConfig
from lensproc.engine.working import Working
from lensproc.enhanced import Enhanced

Enhancer = Callable[[Sequence[Cutout]], list[Cutout]]


def enhancer_of(pipeline: Pipeline) -> Enhancer:
    """Return a pipeline's pixels alone as a function: no checks, no records.

    The function takes cutouts and gives the enhanced ones in the same order, on their own grid; it raises the
    first error, which names the file.
    """

    def enhance(cutouts: Sequence[Cutout]) -> list[Cutout]:
        return [_checked(work).image for work in pipeline.apply([[cutout] for cutout in cutouts])]

    return enhance


def results_of(pipeline: Pipeline) -> Callable[[Sequence[Cutout]], list[Enhanced]]:
    """Return a pipeline as a function from cutouts to results without checks, in the same order.

    The function raises the first error, which names the file.
    """

    def enhance(cutouts: Sequence[Cutout]) -> list[Enhanced]:
        return [_checked(work).finish("") for work in pipeline.apply([[cutout] for cutout in cutouts])]

    return enhance


def _checked(work: Working) -> Working:
    if work.error is not None:
        raise work.error.about(work.original.source.file)
    return work


def make_enhancer(stages: Sequence[tuple[str, Mapping[str, object]]], device: str = "cpu") -> Enhancer:
    """Build an enhancer from stage ids and options.

    Parameters
    ----------
    stages : sequence of (str, mapping)
        Stage id and its options, in order.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises
    ------
    UsageError, PluginError
        For a chain that cannot run.
    """
    specs = tuple(StageSpec(stage, dict(options)) for stage, options in stages)
    return enhancer_of(Pipeline(PipelineConfig(specs, checks="none", device=device)))
