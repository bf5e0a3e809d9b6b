"""A chain of stages as an object: cutouts in, enhanced cutouts out, memory bounded."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lensproc.config import CHECKS, StageSpec, choose_stages
from lensproc.contract import API
from lensproc.contract.registry import Registry, load_registry
from lensproc.cutout import Cutout
from lensproc.engine.batching import run_stage
from lensproc.engine.chain import Link, config_sha256, resolve_chain
from lensproc.engine.checking import Checker, record_reading
from lensproc.engine.device import device_name, prepare_torch, resolve_device, usable_cores
from lensproc.engine.inputs import describe_read_options, dialects_of, read_input
from lensproc.engine.step import Runner
from lensproc.engine.working import Working
from lensproc.enhanced import Enhanced
from lensproc.errors import LensprocError, UsageError
from lensproc.fits.read import ReadOptions

if TYPE_CHECKING:
    from astropy.io.fits import HDUList
    from astropy.nddata import CCDData

WINDOW_FILES = 64
WINDOW_PIXELS = 4_000_000
"""How much is held at a time: this many objects, or this many input pixels, whichever comes first."""


@dataclass(frozen=True)
class PipelineConfig:
    """What a pipeline is made of; two with equal fields give equal pixels.

    Parameters
    ----------
    stages : tuple of StageSpec
        The chain.
    read : ReadOptions
        What the user said of the files.
    checks : str
        ``none``, ``quick``, or ``full``, which runs 15 changed copies of each cutout too.
    dtype : str
        ``float32``, or ``bfloat16`` where every stage allows it (0.3 to 1 % error: not for measuring).
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    batch_size : int
        Largest micro-batch; 0 for 8 on a CPU and 64 on a GPU.
    threads : int
        Torch threads; 0 for all usable cores.
    """

    stages: tuple[StageSpec, ...]
    read: ReadOptions = field(default_factory=ReadOptions)
    checks: str = "quick"
    dtype: str = "float32"
    device: str = "auto"
    batch_size: int = 0
    threads: int = 0

    def __post_init__(self) -> None:
        if self.checks not in CHECKS:
            raise UsageError(f"checks={self.checks!r} is not one of {', '.join(CHECKS)}")


class Pipeline:
    """A chain of stages that is loaded once and runs on any number of cutouts.

    Parameters
    ----------
    stages : str, sequence of str or StageSpec, or PipelineConfig
        Stage ids in order, as ``"wavelet,lanczos"``, ``["wavelet", "lanczos"]`` or with their options; or a
        whole configuration.
    settings : mapping
        ``{"stage.option": value}``, as ``--set`` on the command line.
    read : ReadOptions, optional
        What the files do not say of themselves.
    checks : str
        ``quick``, ``full`` or ``none``.
    device : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises
    ------
    UsageError, PluginError
        For a chain that cannot run: unknown stage, wrong option, missing product.

    Notes
    -----
    It pickles by its configuration; the copy loads its stages anew. Used as a context manager it closes them.

    Examples
    --------
    >>> from lensproc import Pipeline
    >>> with Pipeline(["lanczos"], checks="none") as pipeline:
    ...     print(pipeline.scale, [link.manifest.id for link in pipeline.links])
    2 ['lanczos']
    """

    def __init__(
        self,
        stages: str | Sequence[str | StageSpec] | PipelineConfig | None = None,
        *,
        settings: Mapping[str, object] | None = None,
        read: ReadOptions | None = None,
        checks: str = "quick",
        device: str = "auto",
    ) -> None:
        if isinstance(stages, PipelineConfig):
            config = stages
        else:
            given = [f"{target}={value}" for target, value in (settings or {}).items()]
            config = PipelineConfig(_chain(stages, given), read or ReadOptions(), checks, device=device)
        self.config = config
        self.registry: Registry = load_registry()
        self.links: tuple[Link, ...] = resolve_chain(self.registry, config.stages)
        self._runners: list[Runner] | None = None
        self._checker: Checker | None = None

    @property
    def scale(self) -> int:
        """Pixels of the result per input pixel."""
        scale = 1
        for link in self.links:
            if link.manifest.kind == "enhance":
                scale = link.scale * (1 if link.manifest.sees == "original" else scale)
        return scale

    def describe(self) -> dict[str, Any]:
        """Return everything that the pixels and the checks depend on, as JSON types."""
        from lensproc import __version__

        return {
            "api": API,
            "lensproc": __version__,
            "stages": [link.describe() for link in self.links],
            "read": describe_read_options(self.config.read),
            "checks": self.config.checks,
            "dtype": self.config.dtype,
        }

    @property
    def config_sha256(self) -> str:
        """SHA-256 of `describe` as canonical JSON."""
        return config_sha256(self.describe())

    def load(self) -> None:
        """Load the stages, if they are not loaded yet.

        Raises
        ------
        PluginError
            Where one cannot be loaded.
        """
        if self._runners is not None:
            return
        prepare_torch(self.config.threads or usable_cores())
        device = resolve_device(self.config.device)
        runners: list[Runner] = []
        for position, link in enumerate(self.links, start=1):
            stage = self.registry.open_stage(
                link.manifest.id, link.options, device=str(device), dtype=self.config.dtype
            )
            runners.append(Runner(link, position, stage, device, device_name(device), self.config.dtype))
        self._runners = runners

    def close(self) -> None:
        """Let go of the stages; the next use loads them again."""
        for runner in self._runners or []:
            runner.stage.close()
        self._runners = None

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {"config": self.config}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["config"])  # type: ignore[misc]

    def apply(self, objects: Sequence[Sequence[Cutout]]) -> list[Working]:
        """Run the chain, without checks, on objects given by their bands; keeps the order.

        Parameters
        ----------
        objects : sequence of sequence of Cutout
            Bands of each object.

        Returns
        -------
        list of Working
            One per cutout, in order; those that failed carry their error.
        """
        self.load()
        works = [Working.start(cutout, i) for i, bands in enumerate(objects) for cutout in bands]
        size = self.config.batch_size
        for runner in self._runners or []:
            run_stage(runner, works, size or (8 if runner.device.type == "cpu" else 64))
        return works

    def process(self, objects: Sequence[Sequence[Cutout]]) -> list[Enhanced | LensprocError]:
        """Run the chain and the checks on objects given by their bands.

        Returns
        -------
        list of Enhanced or LensprocError
            One per cutout, in order.
        """
        sha = self.config_sha256
        results: list[Enhanced | LensprocError] = []
        for work in self.apply(objects):
            if work.error is not None:
                results.append(work.error.about(work.original.source.file))
                continue
            enhanced = record_reading(work.finish(sha), self.config.read)
            if self.config.checks != "none":
                if self._checker is None:
                    self._checker = Checker(self)
                enhanced = self._checker.check(enhanced)
            results.append(enhanced)
        return results

    def run(
        self, inputs: Iterable[str | os.PathLike[str] | Cutout | CCDData | HDUList]
    ) -> Iterator[Enhanced | LensprocError]:
        """Enhance any number of inputs; nothing is written, and memory does not grow with their number.

        Parameters
        ----------
        inputs : iterable of path, Cutout, CCDData or HDUList
            Each may hold several bands.

        Yields
        ------
        Enhanced or LensprocError
            One per cutout, in the order of the inputs; an input that cannot be read or enhanced gives its error
            and costs nothing else.
        """
        dialects = dialects_of(self.registry)
        window: list[list[Cutout]] = []
        order: list[int | LensprocError] = []
        pixels = 0
        for item in inputs:
            try:
                bands = read_input(item, self.config.read, dialects)
            except LensprocError as error:
                order.append(error)
                continue
            order.append(len(bands))
            window.append(bands)
            pixels += sum(cutout.data.size for cutout in bands)
            if len(window) >= WINDOW_FILES or pixels >= WINDOW_PIXELS:
                yield from _in_order(order, self.process(window))
                window, order, pixels = [], [], 0
        yield from _in_order(order, self.process(window) if window else [])


def _in_order(
    order: Sequence[int | LensprocError], results: Sequence[Enhanced | LensprocError]
) -> Iterator[Enhanced | LensprocError]:
    position = 0
    for entry in order:
        if isinstance(entry, LensprocError):
            yield entry
        else:
            yield from results[position : position + entry]
            position += entry


def _chain(stages: str | Sequence[str | StageSpec] | None, settings: Sequence[str]) -> tuple[StageSpec, ...]:
    from lensproc.config import apply_settings

    if stages is None or isinstance(stages, str):
        return choose_stages(stages, None, settings)
    specs = [StageSpec(stage) if isinstance(stage, str) else stage for stage in stages]
    return apply_settings(specs, settings)
