"""The hooks. pluggy collects; the engine runs: model code is never called through a hook."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import pluggy

if TYPE_CHECKING:
    import click

    from lensproc.contract.context import FileResult, RunContext, RunSummary
    from lensproc.contract.manifest import Manifest

hookspec = pluggy.HookspecMarker("lensproc")
hookimpl = pluggy.HookimplMarker("lensproc")


class RegisterReader(Protocol):
    """Hand over a survey dialect: its name, a look at the headers, and the reading itself."""

    def __call__(self, name: str, sniff: Callable[..., float], read: Callable[..., Any]) -> None:
        """Register dialect `name`; see ``docs/plugins.md`` for the two callables."""


class RegisterCheck(Protocol):
    """Hand over a quality check: its name and the function that makes findings."""

    def __call__(self, name: str, check: Callable[..., Any]) -> None:
        """Register check `name`; see ``docs/plugins.md`` for the callable."""


@hookspec
def lensproc_register_stages(register: Callable[[Manifest], None]) -> None:
    """Hand over one manifest per stage.

    Called once per process when plugins are loaded; must import neither torch nor astropy. Call
    ``register(manifest)`` for each stage; the return value is not used.
    """


@hookspec
def lensproc_register_readers(register: RegisterReader) -> None:
    """Hand over survey dialects: ``register(name, sniff, read)``.

    Called once per process before the first file is read. `sniff` sees headers only and returns a confidence
    from 0 (not mine) to 1; the highest reads, and a tie is an error that names both.
    """


@hookspec
def lensproc_register_checks(register: RegisterCheck) -> None:
    """Hand over further quality findings: ``register(name, check)``.

    Called once per process before the first check. `check` gets the `Enhanced` (input, output, sources) and
    returns keyword to `Value`: findings only, which stand beside lensproc's own and never change QASTAT. It is
    called per cutout, in the worker process, in its own try.
    """


@hookspec
def lensproc_register_commands(group: click.Group) -> None:
    """Add click commands under ``lensproc x NAME``.

    Called once, in the main process, only when a ``lensproc x`` command is asked for.
    """


@hookspec
def lensproc_before_run(context: RunContext) -> None:
    """Observe that a run begins. Called once, in the main process, before the first file."""


@hookspec
def lensproc_after_file(context: RunContext, result: FileResult) -> None:
    """Observe a finished file, after it is safe on disk. Called in the main process, in order of completion."""


@hookspec
def lensproc_after_run(context: RunContext, summary: RunSummary) -> None:
    """Observe that a run has ended. Called once, in the main process, also after an interruption."""
