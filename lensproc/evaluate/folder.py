"""The folder that results are written to."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lensproc.errors import OutputError

if TYPE_CHECKING:
    from astropy.table import Table


def prepare_folder(folder: Path) -> None:
    """Make the folder, and see that it can be written to before minutes are spent.

    Raises
    ------
    OutputError
        Where it cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"folder cannot be made: {error.strerror}", file=folder.name) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError("folder cannot be written to", file=folder.name)


def ecsv_of(table: Table, meta: Mapping[str, Any]) -> bytes:
    """Return a table as ECSV with `meta` in its header; the table itself stays as it is."""
    described = table.copy()
    described.meta = dict(meta)
    text = io.StringIO()
    described.write(text, format="ascii.ecsv")
    return text.getvalue().encode()


def write_files(folder: Path, files: Mapping[str, bytes]) -> list[Path]:
    """Write files by name, each whole or not at all, into a folder that is made where it is missing.

    Raises
    ------
    OutputError
        Where one cannot be written.
    """
    from lensproc.fits.atomic import atomic_write

    prepare_folder(folder)
    for name, content in files.items():
        atomic_write(folder / name, content)
    return [folder / name for name in files]
