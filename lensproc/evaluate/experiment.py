"""What an experiment is: trials measured on scenes, summed up in a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lensproc.evaluate.intervals import Measured, rate
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


SYSTEM = Column("what was measured")


@dataclass(frozen=True)
class Cell:
    """What a table says of a group of trials.

    Parameters
    ----------
    name : str
        Of the column.
    description : str
        One line.
    of : callable
        Trials of the group to the value; to a `Measured` where there is an interval.
    unit : str
        FITS unit string; empty for none.
    interval : bool
        True where the columns ``NAME_low`` and ``NAME_high`` go with it.
    """

    name: str
    description: str
    of: Callable[[Sequence[Any]], Any]
    unit: str = ""
    interval: bool = False


def table_of(trials: Sequence[Any], keys: Mapping[str, Column], cells: Sequence[Cell]) -> Table:
    """Sum up trials: one row for each group of equal `keys`, in the order in which they first come.

    Parameters
    ----------
    trials : sequence of Trial
        All of them; may be empty.
    keys : mapping of str to Column
        Fields of the trials that tell the groups apart.
    cells : sequence of Cell
        Further columns.
    """
    rows = []
    for values, those in groups(trials, *keys).items():
        row: dict[str, object] = dict(zip(keys, values, strict=True))
        for cell in cells:
            value = cell.of(those)
            row |= spread_out(cell.name, value) if cell.interval else {cell.name: value}
        rows.append(row)
    columns = dict(keys)
    for cell in cells:
        heading = Column(cell.description, cell.unit)
        spread = columns_of(cell.name, cell.description, cell.unit)
        columns |= spread if cell.interval else {cell.name: heading}
    return make_table(rows, columns)


def averaged(
    name: str, description: str, average: Callable[[NDArray[np.float64]], Measured], unit: str = ""
) -> Cell:
    """Cell of an average, with its interval, of what the trials hold in the field `name`."""

    def of(those: Sequence[Any]) -> Measured:
        return average(np.array([getattr(trial, name) for trial in those]))

    return Cell(name, description, of, unit, interval=True)


def total(name: str, description: str) -> Cell:
    """Cell of the sum of what the trials hold in the field `name`."""
    return Cell(name, description, lambda those: sum(getattr(trial, name) for trial in those))


def counted(name: str, description: str, noun: str) -> tuple[Cell, Cell]:
    """Cells of a number that each trial holds in the field `name`: its sum, and the rate per 1,000 `noun`."""
    summed = total(name, description)

    def per_thousand(those: Sequence[Any]) -> Measured:
        return rate(summed.of(those), len(those), 1000.0)

    return summed, Cell(f"{name}_rate", f"the same per 1,000 {noun}", per_thousand, interval=True)


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


def records_of(table: Table) -> list[dict[str, Any]]:
    """Rows of a table as JSON values; None for a number that is not finite."""
    return [{name: _plain(row[name]) for name in table.colnames} for row in table]


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
