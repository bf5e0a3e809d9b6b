"""What a run shows: a bar on a terminal, plain lines in a log, and the sum at the end."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import click

from lensproc.contract.context import FileResult, RunSummary

PLAIN_INTERVAL = 10.0
"""Seconds between progress lines in a log."""
SHOWN_FAILURES = 50
"""Failures repeated in the summary; all of them stand in the ledger."""


class Progress:
    """Progress of a run on standard error.

    Parameters
    ----------
    total : int
        Number of files.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self.count = 0
        self.failed = 0
        self._last = time.monotonic()
        self._bar: Any = None
        self._task: Any = None
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as RichProgress

            self._bar = RichProgress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("[red]{task.fields[failed]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._task = self._bar.add_task("enhancing", total=total, failed="")

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, result: FileResult) -> None:
        """Note that a file has ended; its failure, or that of a single stage, is said at once."""
        self.count += 1
        self.failed += result.status in ("FAILED", "PARTIAL")
        reasons = result.reasons if result.status in ("FAILED", "PARTIAL") else ()
        lines = [f"failed: {line}" for line in reasons]
        lines += [f"incomplete: {line}" for line in result.incomplete]
        if self._bar is not None:
            note = f"{self.failed} failed" if self.failed else ""
            self._bar.update(self._task, advance=1, failed=note)
            for line in lines:
                self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
            return
        for line in lines:
            click.echo(line, err=True)
        now = time.monotonic()
        if now - self._last >= PLAIN_INTERVAL and self.count < self.total:
            self._last = now
            click.echo(f"{self.count} of {self.total} files", err=True)

    def summarise(self, summary: RunSummary, folder: str) -> None:
        """Say how many files came out, failed with which reason, and were skipped."""
        if summary.failures and self.count > SHOWN_FAILURES:
            click.echo("Failed:", err=True)
            for result in summary.failures[:SHOWN_FAILURES]:
                for line in result.reasons:
                    click.echo(f"  {line}", err=True)
            if len(summary.failures) > SHOWN_FAILURES:
                more = len(summary.failures) - SHOWN_FAILURES
                click.echo(f"  and {more} more, in {os.path.join(folder, 'ledger.jsonl')}", err=True)
        line = f"{summary.done} done, {summary.failed} failed, {summary.skipped} skipped"
        if summary.flagged:
            line += f"; {summary.flagged} cutouts fail a check (QASTAT = FAIL in catalog.ecsv)"
        if summary.incomplete:
            line += f"; {summary.incomplete} cutouts lack the result of a stage (LPSTATUS = PARTIAL)"
        if summary.classes:
            counts = ", ".join(f"{name} {number}" for name, number in summary.classes.items())
            line += f"; LPCLASS: {counts}"
        if summary.interrupted:
            line = f"Interrupted: {line}; the same command goes on from here"
        if summary.stopped:
            click.echo(f"lensproc: stopped: {summary.stopped}", err=True)
        click.echo(f"{line}; {summary.seconds:.1f} s; results in {folder}", err=True)
