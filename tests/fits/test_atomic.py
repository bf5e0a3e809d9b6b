"""Files are whole or not there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lensproc.errors import OutputError
from lensproc.fits import atomic
from lensproc.fits.atomic import atomic_write, remove_stale_temporaries


def test_a_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    atomic_write(path, b"old")
    atomic_write(path, b"new", sync=False)
    assert path.read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["a.fits"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.fits"
    atomic_write(path, b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(
        OutputError, match=r"a\.fits cannot be written: No space left on device; free some space"
    ):
        atomic_write(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.fits"]


def test_an_interruption_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(atomic.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        atomic_write(tmp_path / "a.fits", b"new")
    assert list(tmp_path.iterdir()) == []


def test_only_temporaries_of_dead_processes_are_removed(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    host = atomic._host()
    stale = tmp_path / f".lensproc-{host}-{dead.pid}-00ff.tmp"
    alive = tmp_path / f".lensproc-{host}-1-00ff.tmp"
    elsewhere = tmp_path / f".lensproc-000000-{dead.pid}-00ff.tmp"
    other = tmp_path / ".lensproc-notes.tmp"
    for path in (stale, alive, elsewhere, other):
        path.write_bytes(b"half")
    assert remove_stale_temporaries(tmp_path) == 1
    assert sorted(tmp_path.iterdir()) == sorted([alive, elsewhere, other])
