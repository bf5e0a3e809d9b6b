"""What an experiment is: trials measured on scenes, summed up in a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lensproc.evaluate.intervals import Measured
from lensproc.evaluate.sizes import Sizes
from lensproc.evaluate.subjects import Subject

if TYPE_CHECKING:
    from astropy.table import Table


@dataclass(frozen=True)
class Trial:
    """One measurement; each experiment has its own kind, with more fields.

    Parameters
    ----------
    system : str
        Which system was measured.
    """

    system: str


@dataclass(frozen=True)
class Experiment:
    """One of the measurements of ``lensproc validate``.

    Parameters
    ----------
    name : str
        Of its table and files.
    title, caption : str
        Heading of the page, and what was done, in a few sentences.
    indices : callable
        Numbers of the scenes that given sizes ask for.
    measure : callable
        ``(subject, seed, indices, sizes)`` to trials on these scenes.
    tabulate : callable
        Trials of all systems to the table that is written; may be empty.
    chunk : int
        Scenes per task.
    images : callable
        Images that a system gets per scene, for given sizes: the progress counts them.
    """

    name: str
    title: str
    caption: str
    indices: Callable[[Sizes], Sequence[int]]
    measure: Callable[[Subject, int, Sequence[int], Sizes], Sequence[Trial]]
    tabulate: Callable[[Sequence[Any]], Table]
    chunk: int = 10
    images: Callable[[Sizes], int] = lambda sizes: 1


@dataclass(frozen=True)
class Column:
    """Heading of a column.

    Parameters
    ----------
    description : str
        One line.
    unit : str
        FITS unit string; empty for none.
    """

    description: str
    unit: str = ""


def make_table(rows: Sequence[dict[str, object]], columns: dict[str, Column]) -> Table:
    """Make a table of rows, with a description of every column; also of no rows."""
    from astropy.table import Table

    table = Table({name: [row[name] for row in rows] for name in columns})
    for name, column in columns.items():
        table[name].info.description = column.description
        if column.unit:
            table[name].info.unit = column.unit
    return table


def spread_out(prefix: str, measured: Measured) -> dict[str, object]:
    """Cells ``PREFIX``, ``PREFIX_low``, ``PREFIX_high`` of a measured value."""
    return {prefix: measured.value, f"{prefix}_low": measured.low, f"{prefix}_high": measured.high}


def columns_of(prefix: str, description: str, unit: str = "") -> dict[str, Column]:
    """Headings of the cells of `spread_out`."""
    return {
        prefix: Column(description, unit),
        f"{prefix}_low": Column(f"lower end of the 95 % interval of {prefix}", unit),
        f"{prefix}_high": Column(f"upper end of the 95 % interval of {prefix}", unit),
    }


def groups(trials: Sequence[Any], *names: str) -> dict[tuple[Any, ...], list[Any]]:
    """Trials by the values of some fields, in the order in which they first come."""
    found: dict[tuple[Any, ...], list[Any]] = {}
    for trial in trials:
        found.setdefault(tuple(getattr(trial, name) for name in names), []).append(trial)
    return found
