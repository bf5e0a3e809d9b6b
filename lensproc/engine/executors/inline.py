"""Run in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lensproc.contract.context import FileResult
from lensproc.engine.worker import FileTask, Worker, WorkOrder


def run_inline(order: WorkOrder, tasks: Sequence[FileTask]) -> Iterator[tuple[FileTask, FileResult]]:
    """Process files in this process, one after another, with threads for reading and writing.

    Raises
    ------
    LensprocError
        Where the chain cannot run at all.
    """
    worker = Worker(order)
    try:
        yield from worker.run(tasks)
    finally:
        worker.close()
