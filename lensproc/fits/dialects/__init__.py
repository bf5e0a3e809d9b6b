"""Survey layouts: one module per dialect, each with a ``DIALECT``; the surest of them reads a file."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from lensproc.errors import InputError
from lensproc.fits.dialects.planes import Defaults, Dialect, Planes

if TYPE_CHECKING:
    from astropy.io.fits import Header

__all__ = ["Defaults", "Dialect", "Planes", "builtin_dialects", "choose_dialect"]

MODULES = (
    "lensproc_output",
    "hsc",
    "legacy",
    "des",
    "panstarrs",
    "euclid",
    "hst",
    "jwst",
    "cube",
    "multi",
    "generic",
)


@lru_cache(maxsize=1)
def builtin_dialects() -> tuple[Dialect, ...]:
    """Return the dialects that come with lensproc."""
    surveys: tuple[Dialect, ...] = importlib.import_module(f"{__name__}.single").DIALECTS
    own = [importlib.import_module(f"{__name__}.{module}").DIALECT for module in MODULES]
    return (*own, *surveys)


def choose_dialect(headers: Sequence[Header], dialects: Sequence[Dialect], file: str) -> Dialect:
    """Return the dialect that is surest of a file.

    Raises
    ------
    InputError
        Where two are equally sure, naming both, where one of them raises or answers with no confidence, and where
        none is sure at all.
    """
    answers: list[tuple[float, Dialect]] = []
    for dialect in dialects:
        try:
            confidence = float(dialect.sniff(headers))
        except Exception as error:  # a stranger's code: name it
            raise InputError(
                f"dialect {dialect.name} failed to look at the headers: {type(error).__name__}: {error}",
                file=file,
                remedy="set LENSPROC_DISABLE_PLUGINS to its package, or mend it",
            ) from error
        answers.append((confidence, dialect))
    best = max((confidence for confidence, _ in answers), default=0.0)
    if not best > 0.0:
        raise InputError("no dialect knows this layout", file=file)
    names = [dialect.name for confidence, dialect in answers if confidence == best]
    if len(names) > 1:
        raise InputError(
            f"{' and '.join(names)} are equally sure ({best:g}) of this layout",
            file=file,
            remedy="set LENSPROC_DISABLE_PLUGINS to the package of one of them",
        )
    return next(dialect for confidence, dialect in answers if confidence == best)
