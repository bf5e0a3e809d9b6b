"""Progress of something that is counted: a bar on a terminal, a line per tenth in a log."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

Report = Callable[[int, int], None]
"""Called with how many are done and how many there are."""


@contextmanager
def counting(label: str, noun: str) -> Iterator[Report]:
    """Show progress on standard error.

    Parameters
    ----------
    label : str
        What is going on, before the bar.
    noun : str
        What is counted, for the lines.
    """
    if not sys.stderr.isatty():
        last = 0

        def line(done: int, total: int) -> None:
            nonlocal last
            if done * 10 // total > last:
                last = done * 10 // total
                click.echo(f"{done} of {total} {noun}", err=True)

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
