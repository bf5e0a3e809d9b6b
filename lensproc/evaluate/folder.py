"""The folder that results are written to."""

from __future__ import annotations

import os
from pathlib import Path

from lensproc.errors import OutputError


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
