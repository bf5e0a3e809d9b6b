"""Kills, Ctrl-C, crashing workers, full disks: what is done stays done, nothing half-written is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from astropy.io import fits

from tests.scenes import write_cutout

PLUGIN = """
import os, signal, time
from lensproc.contract.hookspecs import hookimpl
from lensproc.contract.manifest import Manifest, Option
lensproc_api = 1

@hookimpl
def lensproc_register_stages(register):
    seconds = Option("seconds", "float", 0.0, "time per batch")
    register(Manifest(id="slow", kind="enhance", factory="slowplugin:Slow", summary="slow", options=(seconds,)))
    register(Manifest(id="crash", kind="enhance", factory="slowplugin:Crash", summary="crashes"))

class Slow:
    def __init__(self, manifest, options):
        self.seconds = options["seconds"]
    def load(self, device, dtype):
        pass
    def apply(self, batch):
        from lensproc.contract.stage import StageOutput
        time.sleep(self.seconds)
        return StageOutput(images=batch.images.clone())
    def close(self):
        pass

class Crash(Slow):
    def __init__(self, manifest, options):
        self.seconds = 0
    def apply(self, batch):
        if (batch.images > 4000).any():
            os.kill(os.getpid(), signal.SIGKILL)
        return super().apply(batch)
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment in which a plugin with a slow and a crashing stage is installed."""
    site = tmp_path / "site"
    info = site / "slowplugin-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "slowplugin.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: slowplugin\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[lensproc.plugins]\nslow = slowplugin\n")
    return {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}


def command(*arguments: object) -> list[str]:
    chosen = [] if {"--stages", "--recipe"} & set(map(str, arguments)) else ["--stages", "lanczos"]
    fixed = ["--checks", "none", *chosen]
    return [sys.executable, "-m", "lensproc.cli", "run", *map(str, arguments), *fixed]


def inputs(tmp_path: Path, count: int) -> list[Path]:
    folder = tmp_path / "in"
    folder.mkdir()
    return [write_cutout(folder / f"lens{i:02d}.fits", seed=i) for i in range(count)]


def wait_for_lines(ledger: Path, count: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if ledger.exists() and len(ledger.read_text().splitlines()) >= count:
            return
        time.sleep(0.02)
    raise AssertionError(f"the run did not get to {count} files: {process.communicate()}")


def start(arguments: list[str], environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        arguments,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_ended_run_goes_on_where_it_stopped(tmp_path: Path, environment: dict[str, str], how: int) -> None:
    files, out = inputs(tmp_path, 24), tmp_path / "out"
    slowly = command(
        *files,
        "-o",
        out,
        "--stages",
        "slow",
        "--set",
        "slow.seconds=0.25",
        "--jobs",
        "2",
        "--batch-size",
        "1",
    )
    process = start(slowly, environment)
    wait_for_lines(out / "ledger.jsonl", 1, process)
    os.killpg(process.pid, how) if how == signal.SIGINT else process.send_signal(how)
    _, errors = process.communicate(timeout=30)
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert "Interrupted:" in errors
        assert not list(out.glob(".*"))
    done = len((out / "ledger.jsonl").read_text().splitlines())
    assert 1 <= done < 24
    for path in out.glob("*.fits"):
        with fits.open(path, checksum=True) as hdus:
            assert hdus["SCI"].data.shape == (48, 48), "every file that is there is whole"
    time.sleep(1.0)  # workers of a killed run see its end and stop
    again = subprocess.run(slowly, env=environment, text=True, capture_output=True, timeout=120)
    assert again.returncode == 0, again.stderr
    assert f"{24 - done} done, 0 failed, {done} skipped" in again.stderr
    assert len(list(out.glob("*_enhanced.fits"))) == 24
    assert not list(out.glob(".*"))


def test_a_worker_that_dies_costs_the_file_it_died_on(tmp_path: Path, environment: dict[str, str]) -> None:
    files, out = inputs(tmp_path, 12), tmp_path / "out"
    with fits.open(files[5], mode="update") as hdus:
        hdus["SCI"].data[20, 20] = 5000.0
    result = subprocess.run(
        command(*files, "-o", out, "--stages", "crash", "--jobs", "2"),
        env=environment,
        text=True,
        capture_output=True,
        timeout=120,
    )
    assert result.returncode == 1, result.stderr
    assert "11 done, 1 failed" in result.stderr
    assert "lens05.fits: the worker process died on it (signal SIGKILL)" in result.stderr
    lines = [json.loads(line) for line in (out / "ledger.jsonl").read_text().splitlines()]
    assert [line["file"] for line in lines if line["status"] == "FAILED"] == ["lens05.fits"]


def test_processes_and_threads_give_the_same_bytes(tmp_path: Path, environment: dict[str, str]) -> None:
    files = inputs(tmp_path, 8)
    environment["SOURCE_DATE_EPOCH"] = "1700000000"
    for jobs in ("1", "2"):
        subprocess.run(
            command(*files, "-o", tmp_path / jobs, "--jobs", jobs),
            env=environment,
            check=True,
            capture_output=True,
        )
    for path in (tmp_path / "1").glob("*.fits"):
        assert path.read_bytes() == (tmp_path / "2" / path.name).read_bytes()


def test_a_folder_that_is_a_file_is_refused_at_once(tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "out").write_text("")
    result = subprocess.run(
        command(*inputs(tmp_path, 1), "-o", tmp_path / "out"), env=environment, text=True, capture_output=True
    )
    assert result.returncode == 1
    assert result.stderr.startswith("lensproc: output folder")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.skipif(
    os.geteuid() != 0 or sys.platform != "linux", reason="mounting a small disk needs root on Linux"
)
def test_a_full_disk_fails_the_files_that_no_longer_fit(tmp_path: Path, environment: dict[str, str]) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk here: {mounted.stderr.decode().strip()}")
    try:
        result = subprocess.run(
            command(*inputs(tmp_path, 12), "-o", disk / "out", "--jobs", "1"),
            env=environment,
            text=True,
            capture_output=True,
            timeout=120,
        )
        assert result.returncode == 1
        assert "No space left" in result.stderr
        assert "Traceback" not in result.stderr
        for path in (disk / "out").glob("*.fits"):
            with fits.open(path, checksum=True) as hdus:
                assert hdus["SCI"].data.shape == (96, 96)
        assert not list((disk / "out").glob(".*"))
    finally:
        subprocess.run(["umount", str(disk)], check=True)
