"""Run in several processes that each do the whole way from file to file.

Each worker holds its own copy of the stages and asks for nothing but paths, so no pixels cross a process
boundary. A worker that dies (out of memory, a crash in a library) costs the file it died on: the files it had in
hand are tried again one at a time.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from lensproc.contract.context import FileResult
from lensproc.engine.worker import FileTask, WorkOrder
from lensproc.errors import LensprocError

CHUNK = 8
"""Files handed over at a time."""


@dataclass
class _Member:
    process: BaseProcess
    pipe: Connection
    limit: int
    in_hand: dict[int, FileTask] = field(default_factory=dict)
    told_to_stop: bool = False


def run_in_processes(
    order: WorkOrder, tasks: Sequence[FileTask], jobs: int
) -> Iterator[tuple[FileTask, FileResult]]:
    """Process files in `jobs` processes.

    Yields
    ------
    (FileTask, FileResult)
        In order of completion.

    Raises
    ------
    LensprocError
        Where the chain cannot run at all.
    """
    queue, suspects = deque(tasks), deque[FileTask]()
    # Enough in hand for a worker never to wait for the parent while the parent waits for it: a window being
    # filled, one being written, and what is read ahead.
    limit = 2 * order.window + order.ahead + 1 + CHUNK
    crew = [_hire(order, limit) for _ in range(jobs)]
    try:
        while crew:
            _hand_over([member for member in crew if member.limit > 1], queue)
            _hand_over([member for member in crew if member.limit == 1], suspects)
            for member in _with_news(crew):
                try:
                    message = member.pipe.recv()
                except (EOFError, OSError):
                    crew.remove(member)
                    yield from _bury(member, suspects)
                    continue
                if isinstance(message, LensprocError):
                    raise message
                index, result = message
                yield member.in_hand.pop(index), result
            if suspects and not any(member.limit == 1 for member in crew):
                crew.append(_hire(replace(order, window=1, ahead=0), 1))
            if queue and not any(member.limit > 1 for member in crew):
                crew.append(_hire(order, limit))
    finally:
        for member in crew:
            member.process.terminate()
        for member in crew:
            member.process.join()


def _with_news(crew: Sequence[_Member]) -> list[_Member]:
    ready = wait([member.pipe for member in crew])
    return [member for member in crew if member.pipe in ready]


def _hire(order: WorkOrder, limit: int) -> _Member:
    context = _context()
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, order), daemon=True, name="lensproc worker")
    process.start()
    there.close()
    return _Member(process, here, limit)


def _context() -> Any:
    """Forkserver where there is one: libraries are imported once, before any thread or GPU context exists."""
    if not sys.platform.startswith("linux"):
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lensproc.engine.executors.preload"])
    return context


def _hand_over(crew: Sequence[_Member], queue: deque[FileTask]) -> None:
    """Give out files a chunk at a time in turn, so that a short run is shared; tell all when there are no more."""
    waiting = [member for member in crew if not member.told_to_stop]
    while queue and any(len(member.in_hand) < member.limit for member in waiting):
        for member in waiting:
            count = min(CHUNK, len(queue), member.limit - len(member.in_hand))
            if count > 0:
                chunk = [queue.popleft() for _ in range(count)]
                member.in_hand.update((task.index, task) for task in chunk)
                _send(member, chunk)
    if not queue:
        for member in waiting:
            member.told_to_stop = True
            _send(member, None)


def _send(member: _Member, message: list[FileTask] | None) -> None:
    with contextlib.suppress(BrokenPipeError):  # its death is noticed at the next recv
        member.pipe.send(message)


def _bury(member: _Member, suspects: deque[FileTask]) -> Iterator[tuple[FileTask, FileResult]]:
    """After the end of a worker: nothing to do if it had nothing in hand, else find the culprit."""
    member.process.join()
    if member.limit > 1:
        suspects.extend(member.in_hand.values())
        return
    code = member.process.exitcode or 0
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    for task in member.in_hand.values():
        message = (
            f"{os.path.basename(task.path)}: the worker process died on it ({how}); "
            "if it ran out of memory, cut a smaller image or use --jobs 1"
        )
        yield task, FileResult(task.path, "FAILED", message=message)


def _serve(pipe: Connection, order: WorkOrder) -> None:
    """Body of a worker process: take tasks until told to stop, hand back results; end with the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from lensproc.engine.worker import Worker

    try:
        worker = Worker(order)
    except LensprocError as error:
        pipe.send(error)
        return
    with contextlib.suppress(BrokenPipeError, EOFError):
        for task, result in worker.run(_receive(pipe)):
            pipe.send((task.index, result))
    worker.close()


def _receive(pipe: Connection) -> Iterator[FileTask]:
    while True:
        try:
            chunk = pipe.recv()
        except EOFError:  # the parent is gone
            os._exit(1)
        if chunk is None:
            return
        yield from chunk
