"""Worker processes: each simulates on one thread, and leaves Ctrl-C to its parent."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
"""Numerical libraries read these when they are imported."""


def prepare_worker() -> None:
    """Set up one worker: no numerical threads, no Ctrl-C, no warnings of the ray-tracer on the terminal."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.filterwarnings("ignore", module=r"lenstronomy(\..*)?")


@contextlib.contextmanager
def single_threaded() -> Iterator[None]:
    """Environment in which a process starts with one numerical thread; the caller's comes back after."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def run_tasks(function: Callable[[Task], Result], tasks: Iterable[Task], jobs: int) -> Iterator[Result]:
    """Apply `function` to every task in `jobs` processes and yield results as they come.

    At most four tasks per process wait at a time, so that memory does not grow with their number. With one job
    everything runs in this process. Processes start fresh (forkserver or spawn), so that no thread of the
    caller is copied.
    """
    if jobs <= 1:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lenstronomy(\..*)?")
            for task in tasks:
                yield function(task)
        return
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    pending: set[Future[Result]] = set()
    remaining = iter(tasks)
    with single_threaded(), ProcessPoolExecutor(jobs, context, prepare_worker) as pool:
        try:
            yield from _drain(pool, function, remaining, pending, 4 * jobs)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _drain(
    pool: ProcessPoolExecutor,
    function: Callable[[Task], Result],
    remaining: Iterator[Task],
    pending: set[Future[Result]],
    depth: int,
) -> Iterator[Result]:
    from concurrent.futures import FIRST_COMPLETED, wait

    pending.update(pool.submit(function, task) for task in islice(remaining, depth))
    while pending:
        done, _ = wait(pending, return_when=FIRST_COMPLETED)
        for future in done:
            pending.discard(future)
            yield future.result()
        pending.update(pool.submit(function, task) for task in islice(remaining, depth - len(pending)))
