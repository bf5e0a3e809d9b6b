"""Files that are whole or not there: written under a temporary name, renamed when safe on disk."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import secrets
import time
from functools import lru_cache
from pathlib import Path

from lensproc.errors import OutputError

_TEMPORARY = re.compile(r"\.lensproc-([0-9a-f]{6})-(\d+)-[0-9a-f]+\.tmp")
_DAY = 86_400.0


@lru_cache(maxsize=1)
def _host() -> str:
    """Tag of this machine, so that nodes that share a folder leave each other's files alone."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:6]


def atomic_write(path: Path, data: bytes, sync: bool = True, replace: bool = True) -> None:
    """Write a file in one step: it has its old content, or all of the new.

    Parameters
    ----------
    path : Path
        The file.
    data : bytes
        Its content.
    sync : bool
        Wait until the bytes are on the disk before the file takes its name.
    replace : bool
        False refuses to replace a file that is there, also one that another process has just made.

    Raises
    ------
    FileExistsError
        Where the file is there and is not to be replaced.
    OutputError
        Where it cannot be written; no temporary file is left.
    """
    temporary = path.with_name(f".lensproc-{_host()}-{os.getpid()}-{secrets.token_hex(6)}.tmp")
    try:
        with temporary.open("xb") as stream:
            stream.write(data)
            if sync:
                stream.flush()
                os.fsync(stream.fileno())
        if replace or not _link(temporary, path):
            os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and not isinstance(error, FileExistsError):
            raise OutputError(
                f"{path.name} cannot be written: {error.strerror or error}",
                remedy="free some space or choose another folder with -o",
            ) from None
        raise


def _link(temporary: Path, path: Path) -> bool:
    """Give a file its name unless that is taken; False where the file system has no links and cannot tell."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:
        if path.exists():
            raise FileExistsError(path) from None
        return False
    temporary.unlink()
    return True


def remove_stale_temporaries(folder: Path) -> int:
    """Remove temporary files that a killed process left, and return how many.

    Files of a living process of this machine stay; files of other machines go only after a day.
    """
    removed = 0
    for path in folder.glob(".lensproc-*.tmp"):
        match = _TEMPORARY.fullmatch(path.name)
        if match is None:
            continue
        with contextlib.suppress(OSError):  # another process may remove it first
            if match[1] == _host():
                stale = int(match[2]) != os.getpid() and not _is_alive(int(match[2]))
            else:
                stale = time.time() - path.stat().st_mtime > _DAY
            if stale:
                path.unlink()
                removed += 1
    return removed


def _is_alive(pid: int) -> bool:
    if os.name == "nt":  # there is no harmless signal 0
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
