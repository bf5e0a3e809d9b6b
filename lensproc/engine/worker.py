"""Files in, files out, in one process: read ahead, run the chain, write behind."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from lensproc.contract.context import CutoutResult, FileResult
from lensproc.cutout import Cutout
from lensproc.engine.catalogue import row_of
from lensproc.engine.center import sky_center
from lensproc.engine.inputs import dialects_of
from lensproc.engine.outputs import save_output, stem_of
from lensproc.engine.pipeline import Pipeline, PipelineConfig
from lensproc.enhanced import Enhanced
from lensproc.errors import InputError, LensprocError
from lensproc.fits.opening import read_bytes
from lensproc.fits.read import read_raw

_Result = tuple[Enhanced | LensprocError, tuple[float, float] | None]
"""What the chain made of a cutout, and where its middle is on the sky."""


WRITERS = 4
"""Threads that write: the file system joins their waits for the disk into one."""


@dataclass(frozen=True)
class FileTask:
    """One input file.

    Parameters
    ----------
    index : int
        Its place in the run.
    path : str
        As the user gave it.
    with_sha256 : bool
        True where another input has the same stem.
    """

    index: int
    path: str
    with_sha256: bool = False


@dataclass(frozen=True)
class WorkOrder:
    """What every worker of a run is told once.

    Parameters
    ----------
    config : PipelineConfig
        The pipeline.
    folder : str
        Output folder.
    images : bool
        False for the catalogue only.
    window : int
        Files that go through the chain together.
    ahead : int
        Files that are read before they are needed; 0 also waits for each file to be written.
    """

    config: PipelineConfig
    folder: str
    images: bool = True
    window: int = 32
    ahead: int = 8


@dataclass
class _Fetched:
    """Bytes of a file; they are understood in the main thread, where astropy's warnings can be caught."""

    task: FileTask
    raw: bytes = b""
    error: LensprocError | None = None
    seconds: float = 0.0


@dataclass
class _Opened:
    task: FileTask
    cutouts: list[Cutout] = field(default_factory=list)
    error: LensprocError | None = None
    seconds: float = 0.0

    @property
    def pixels(self) -> int:
        return sum(cutout.data.size for cutout in self.cutouts)


class Worker:
    """Runs a pipeline over files and yields what became of each.

    Parameters
    ----------
    order : WorkOrder
        The run's setting.

    Raises
    ------
    LensprocError
        Where the chain cannot run at all.
    """

    def __init__(self, order: WorkOrder) -> None:
        self.order = order
        self.pipeline = Pipeline(order.config)
        self.dialects = dialects_of(self.pipeline.registry)
        self.pipeline.load()

    def run(self, tasks: Iterable[FileTask]) -> Iterator[tuple[FileTask, FileResult]]:
        """Process files as they come.

        Yields
        ------
        (FileTask, FileResult)
            As each is safe on disk, not always in order.
        """
        from lensproc.engine.pipeline import WINDOW_PIXELS

        with ThreadPoolExecutor(1, "reader") as reader, ThreadPoolExecutor(WRITERS, "writer") as writer:
            writing: deque[tuple[FileTask, Future[FileResult]]] = deque()
            window: list[_Opened] = []
            pixels = 0
            behind = self.order.window if self.order.ahead else 0
            for fetched in _ahead(reader, _fetch, tasks, self.order.ahead):
                opened = self._open(fetched)
                window.append(opened)
                pixels += opened.pixels
                if len(window) >= self.order.window or pixels >= WINDOW_PIXELS:
                    self._process(window, writer, writing)
                    window, pixels = [], 0
                    # the previous window is written while this one was computed
                    yield from _collect(writing, keep=behind)
            if window:
                self._process(window, writer, writing)
            yield from _collect(writing, keep=0)

    def close(self) -> None:
        """Let go of the stages."""
        self.pipeline.close()

    def _open(self, fetched: _Fetched) -> _Opened:
        task, name, started = fetched.task, Path(fetched.task.path).name, time.perf_counter()
        if fetched.error is not None:
            return _Opened(task, error=fetched.error.about(name), seconds=fetched.seconds)
        try:
            opened = _Opened(task, read_raw(fetched.raw, name, self.order.config.read, self.dialects))
        except LensprocError as error:
            opened = _Opened(task, error=error.about(name))
        except (OSError, MemoryError) as error:
            opened = _Opened(task, error=InputError(f"cannot be read: {error}", file=name))
        opened.seconds = fetched.seconds + time.perf_counter() - started
        return opened

    def _process(
        self,
        window: Sequence[_Opened],
        writer: ThreadPoolExecutor,
        writing: deque[tuple[FileTask, Future[FileResult]]],
    ) -> None:
        started = time.perf_counter()
        results = iter(self.pipeline.process([opened.cutouts for opened in window]))
        share = (time.perf_counter() - started) / len(window)
        for opened in window:
            opened.seconds += share
            mine = [(next(results), sky_center(cutout)) for cutout in opened.cutouts]
            writing.append((opened.task, writer.submit(self._save, opened, mine)))

    def _save(self, opened: _Opened, results: Sequence[_Result]) -> FileResult:
        path, started = opened.task.path, time.perf_counter()
        if opened.error is not None:
            return FileResult(path, "FAILED", message=str(opened.error), seconds=opened.seconds)
        several = len(opened.cutouts) > 1
        cutouts = tuple(
            self._save_one(opened.task, cutout, result, i if several else None)
            for i, (cutout, result) in enumerate(zip(opened.cutouts, results, strict=True))
        )
        failed = sum(cutout.status == "FAILED" for cutout in cutouts)
        status = "OK" if not failed else "FAILED" if failed == len(cutouts) else "PARTIAL"
        return FileResult(
            path,
            status,
            sha256=opened.cutouts[0].source.sha256,
            seconds=opened.seconds + time.perf_counter() - started,
            cutouts=cutouts,
        )

    def _save_one(self, task: FileTask, cutout: Cutout, outcome: _Result, plane: int | None) -> CutoutResult:
        result, center = outcome
        band = cutout.band.value or ""
        hdu = cutout.source.hdu
        if isinstance(result, LensprocError):
            return CutoutResult(hdu, band, "FAILED", message=str(result))
        name = ""
        if self.order.images:
            suffix = None if plane is None else band or str(plane)
            try:
                name = save_output(
                    result, Path(self.order.folder), stem_of(task.path), suffix, task.with_sha256
                )
            except LensprocError as error:
                message = str(error.about(cutout.source.file))
                return CutoutResult(hdu, band, "FAILED", message=message)
        row = row_of(result, name, center)
        said = [activity.message for activity in result.activities[-1:] if activity.id == "checks"]
        lacking = tuple(activity.message for activity in result.activities if activity.status == "FAILED")
        message = "; ".join(filter(None, (*lacking, *cutout.warnings, *said)))
        return CutoutResult(hdu, band, result.status, name, message, row, lacking)


def _fetch(task: FileTask) -> _Fetched:
    started = time.perf_counter()
    try:
        raw = read_bytes(task.path)
    except LensprocError as error:
        return _Fetched(task, error=error, seconds=time.perf_counter() - started)
    return _Fetched(task, raw, seconds=time.perf_counter() - started)


def _ahead(
    reader: ThreadPoolExecutor,
    function: Callable[[FileTask], _Fetched],
    tasks: Iterable[FileTask],
    ahead: int,
) -> Iterator[_Fetched]:
    """Apply a function to tasks in the reader's thread, some ahead of the consumer, in order."""
    pending: deque[Future[_Fetched]] = deque()
    for task in tasks:
        pending.append(reader.submit(function, task))
        if len(pending) > ahead:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def _collect(
    writing: deque[tuple[FileTask, Future[FileResult]]], keep: int
) -> Iterator[tuple[FileTask, FileResult]]:
    """Yield what is written, waiting until no more than `keep` files are outstanding."""
    while writing and (len(writing) > keep or writing[0][1].done()):
        task, future = writing.popleft()
        yield task, future.result()
