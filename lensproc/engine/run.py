"""A whole run over files: plan, resume, execute, keep the ledger, write the catalogue, sum up."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lensproc.contract.context import FileResult, RunContext, RunSummary
from lensproc.contract.datafiles import sha256_of
from lensproc.engine.catalogue import write_catalogue
from lensproc.engine.chain import config_sha256
from lensproc.engine.device import usable_cores
from lensproc.engine.ledger import Ledger, from_record, to_line
from lensproc.engine.outputs import shared_stems, stem_of
from lensproc.engine.pipeline import Pipeline, PipelineConfig
from lensproc.engine.worker import FileTask, WorkOrder
from lensproc.errors import OutputError
from lensproc.fits.atomic import remove_stale_temporaries
from lensproc.fits.provenance import timestamp

Observer = Callable[[FileResult], None]


@dataclass(frozen=True)
class RunOptions:
    """How a run goes about its files; none of this changes pixels.

    Parameters
    ----------
    folder : str
        Output folder, made where missing.
    jobs : int
        Processes; 0 for one per usable core, and none but this one for a handful of files.
    images : bool
        False for the catalogue only.
    resume : bool
        Skip what is done with the same input and configuration.
    fail_fast : bool
        Stop at the first file that fails.
    """

    folder: str = "enhanced"
    jobs: int = 0
    images: bool = True
    resume: bool = True
    fail_fast: bool = False


def run_files(
    paths: Sequence[str],
    config: PipelineConfig,
    options: RunOptions,
    observe: Observer | None = None,
) -> RunSummary:
    """Enhance files into a folder.

    Parameters
    ----------
    paths : sequence of str
        Input files; one named twice is done once.
    config : PipelineConfig
        The pipeline.
    options : RunOptions
        How to go about it.
    observe : callable, optional
        Called with the `FileResult` of each file as it ends.

    Returns
    -------
    RunSummary
        Also after Ctrl-C: what is done stays done.

    Raises
    ------
    LensprocError
        Where the chain or the output folder is unusable, before any file is touched.
    """
    started = time.monotonic()
    pipeline = Pipeline(config)
    sha = config_sha256({**pipeline.describe(), "images": options.images})
    folder = _open_folder(options.folder)
    paths = _once_each(paths)
    context = RunContext(options.folder, tuple(link.manifest.id for link in pipeline.links), sha, len(paths))
    hooks = pipeline.registry.manager.hook
    tally = _Tally(observe)
    with closing(Ledger(folder)) as ledger:
        tasks, skipped = _plan(paths, folder, options, ledger, sha)
        pipeline.registry.collect("lensproc_before_run", context=context)
        observed = bool(hooks.lensproc_after_file.get_hookimpls())
        known: set[str] = set()
        interrupted, stopped = False, ""
        try:
            for result in skipped:
                tally.add(result)
            with closing(_execute(tasks, config, options)) as results:
                for _, result in results:
                    ledger.append(to_line(result, sha, timestamp(), known))
                    tally.add(result)
                    if observed:
                        pipeline.registry.collect("lensproc_after_file", context=context, result=result)
                    if options.fail_fast and result.status not in ("OK", "SKIPPED"):
                        break
        except KeyboardInterrupt:
            interrupted = True
        except OutputError as error:  # the ledger cannot be kept: no use in going on
            stopped = str(error)
        remove_stale_temporaries(folder)
        try:
            write_catalogue(ledger.records(), folder)
        except OutputError as error:
            stopped = stopped or str(error)
        summary = tally.sum_up(time.monotonic() - started, interrupted, stopped)
        pipeline.registry.collect("lensproc_after_run", context=context, summary=summary)
    return summary


class _Tally:
    def __init__(self, observe: Observer | None) -> None:
        self.observe = observe
        self.counts = {"OK": 0, "SKIPPED": 0, "FAILED": 0, "PARTIAL": 0}
        self.flagged = self.incomplete = 0
        self.failures: list[FileResult] = []
        self.classes: Counter[str] = Counter()

    def add(self, result: FileResult) -> None:
        self.counts[result.status] += 1
        for cutout in result.cutouts:
            status = cutout.row.get("QASTAT")
            self.flagged += status is not None and status.value == "FAIL"
            self.incomplete += cutout.status == "PARTIAL"
            if (given := cutout.row.get("LPCLASS")) is not None:
                self.classes[str(given.value)] += 1
        if result.status in ("FAILED", "PARTIAL"):
            self.failures.append(result)
        if self.observe is not None:
            self.observe(result)

    def sum_up(self, seconds: float, interrupted: bool, stopped: str) -> RunSummary:
        return RunSummary(
            done=self.counts["OK"],
            failed=self.counts["FAILED"] + self.counts["PARTIAL"],
            skipped=self.counts["SKIPPED"],
            flagged=self.flagged,
            seconds=seconds,
            interrupted=interrupted,
            stopped=stopped,
            failures=tuple(self.failures),
            classes=dict(sorted(self.classes.items())),
            incomplete=self.incomplete,
        )


def _open_folder(name: str) -> Path:
    folder = Path(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"output folder {name} cannot be made: {error.strerror}", remedy="choose another with -o"
        ) from None
    remove_stale_temporaries(folder)
    return folder


def _once_each(paths: Sequence[str]) -> list[str]:
    return list({os.path.realpath(path): path for path in reversed(paths)}.values())[::-1]


def _plan(
    paths: Sequence[str], folder: Path, options: RunOptions, ledger: Ledger, sha: str
) -> tuple[list[FileTask], list[FileResult]]:
    """Sort files into those to do and those found done with the same input and configuration."""
    shared = shared_stems(paths)
    tasks = [FileTask(i, path, stem_of(path).lower() in shared) for i, path in enumerate(paths)]
    done: dict[tuple[str, str], dict[str, Any]] = ledger.done(sha) if options.resume else {}
    if not done:
        return tasks, []
    names = {name for name, _ in done}
    remaining, skipped = [], []
    for task in tasks:
        record = _record_of(task.path, names, done)
        if record and all(not c["output"] or (folder / c["output"]).is_file() for c in record["cutouts"]):
            skipped.append(from_record({**record, "status": "SKIPPED"}, task.path))
        else:
            remaining.append(task)
    return remaining, skipped


def _record_of(
    path: str, names: set[str], done: dict[tuple[str, str], dict[str, Any]]
) -> dict[str, Any] | None:
    name = os.path.basename(path)
    if name not in names:
        return None
    try:
        return done.get((name, sha256_of(Path(path))))
    except OSError:  # the reader will say what is wrong with it
        return None


def _execute(
    tasks: Sequence[FileTask], config: PipelineConfig, options: RunOptions
) -> Generator[tuple[FileTask, FileResult], None, None]:
    if not tasks:
        return
    cores = usable_cores()
    jobs = min(options.jobs or cores, len(tasks))
    if options.jobs == 0 and len(tasks) < 2 * cores:
        jobs = 1  # starting processes would take longer than the files
    threads = config.threads or max(1, cores // jobs)
    window = max(1, min(32, -(-len(tasks) // (4 * jobs))))
    order = WorkOrder(replace(config, threads=threads), options.folder, options.images, window)
    if jobs == 1:
        from lensproc.engine.executors.inline import run_inline

        yield from run_inline(order, tasks)
        return
    from lensproc.engine.executors.processes import run_in_processes

    # read by the numerical libraries of the workers when they start
    previous = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(threads)
    try:
        yield from run_in_processes(order, tasks, jobs)
    finally:
        if previous is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = previous


def exit_code(summary: RunSummary, strict: bool) -> int:
    """Exit code of a run: 130 interrupted, 1 some file failed, 3 a failed check under ``--strict``, else 0."""
    if summary.interrupted:
        return 130
    if summary.failed or summary.stopped:
        return 1
    return 3 if strict and summary.flagged else 0
