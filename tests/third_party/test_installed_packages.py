"""Packages of somebody else's, installed by pip as a user would, and what the command line makes of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

PACKAGES = Path(__file__).parent / "packages"


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Folder into which the packages are installed, built from copies of their sources."""
    sources = tmp_path_factory.mktemp("sources")
    target = tmp_path_factory.mktemp("site")
    folders = [shutil.copytree(folder, sources / folder.name) for folder in sorted(PACKAGES.iterdir())]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
    command += ["--no-deps", "--no-build-isolation", "--target", str(target), *map(str, folders)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def lensproc(site):
    """Run the command line with the packages installed."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("LENSPROC_")}
        environment |= {"PYTHONPATH": str(site), **variables}
        command = [sys.executable, "-m", "lensproc.cli", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=environment)

    return run


def listed(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, object]]:
    assert done.returncode == 0, done.stderr
    return {record["name"]: record for record in json.loads(done.stdout)}


def test_the_working_one_is_ok_and_the_others_are_broken_with_their_reason(lensproc):
    records = listed(lensproc("plugins", "list", "--json"))
    assert records["works"]["status"] == "OK"
    assert records["works"]["package"] == "lensproc-works==1.2.0"
    assert [stage["id"] for stage in records["works"]["stages"]] == ["boxcar"]
    assert records["raises"]["status"] == "BROKEN"
    assert records["raises"]["package"] == "lensproc-raises==1.2.1"
    assert records["raises"]["reason"] == "RuntimeError: its data files are missing"
    assert records["newer"]["status"] == "BROKEN"
    assert records["newer"]["package"] == "lensproc-newer==1.2.2"
    assert "written for contract 2, newer than 1" in records["newer"]["reason"]
    assert records["lensproc_classical"]["status"] == "OK"


def test_the_plain_list_says_the_same(lensproc):
    lines = lensproc("plugins", "list").stdout.splitlines()
    assert "OK      works  [lensproc-works==1.2.0]" in lines
    assert "        boxcar  enhance   running mean" in lines
    at = lines.index("BROKEN  raises  [lensproc-raises==1.2.1]")
    assert lines[at + 1].strip() == "RuntimeError: its data files are missing"
    assert not any("Traceback" in line for line in lines)
    assert "Traceback" in lensproc("--debug", "plugins", "list").stdout


def test_broken_plugins_do_not_disturb_the_rest(lensproc):
    assert lensproc("--help").returncode == 0
    assert lensproc("--version").returncode == 0
    assert "hello" in lensproc("x", "--help").stdout
    assert lensproc("x", "hello").stdout == "hello from a plugin\n"


def test_the_working_one_passes_the_suite(lensproc):
    # a running mean loses no flux of a star: its tolerance is the default
    done = lensproc("plugins", "check", "works")
    assert done.returncode == 0, done.stdout
    assert "boxcar  [lensproc-works==1.2.0]" in done.stdout
    assert "none of 23 checks failed" in done.stdout


def test_a_broken_one_cannot_be_checked_and_the_reason_is_given(lensproc):
    done = lensproc("plugins", "check", "raises")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "lensproc: plugin raises is BROKEN: RuntimeError: its data files are missing"
    )
    assert "Traceback" not in done.stderr


def test_only_what_is_allowed_loads(lensproc):
    records = listed(lensproc("plugins", "list", "--json", LENSPROC_PLUGINS="works"))
    assert records.pop("works")["status"] == "OK"
    assert {"lensproc_classical", "newer", "raises", "trains"} <= set(records)
    assert {record["status"] for record in records.values()} == {"BLOCKED"}


def test_what_is_disabled_does_not_load(lensproc):
    done = lensproc("plugins", "list", "--json", LENSPROC_DISABLE_PLUGINS="raises, works,typo")
    records = listed(done)
    assert records["raises"]["reason"] == "named in LENSPROC_DISABLE_PLUGINS"
    assert records["works"]["status"] == "BLOCKED"
    assert records["newer"]["status"] == "BROKEN"
    assert "LENSPROC_DISABLE_PLUGINS names typo" in done.stderr


def test_a_failing_check_exits_with_one(lensproc, site, tmp_path):
    package = tmp_path / "lossy.py"
    package.write_text(
        "import dataclasses\n"
        "from lensproc_works import BOXCAR, hookimpl\n"
        "lensproc_api = 1\n"
        "@hookimpl\n"
        "def lensproc_register_stages(register):\n"
        "    strict = dataclasses.replace(BOXCAR.tolerance, centroid=0.0)\n"
        "    register(dataclasses.replace(BOXCAR, id='lossy', tolerance=strict))\n"
    )
    info = tmp_path / "lossy-3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lossy\nVersion: 3\n")
    (info / "entry_points.txt").write_text("[lensproc.plugins]\nlossy = lossy\n")
    done = lensproc("plugins", "check", "lossy", PYTHONPATH=f"{site}{os.pathsep}{tmp_path}")
    assert done.returncode == 1
    assert "FAILED  star_keeps_centroid: the centroid of a star moves by" in done.stdout
    assert done.stdout.endswith("1 of 23 checks failed\n")


def test_its_network_is_trained_by_the_same_command_and_runs(lensproc, tmp_path):
    ours = lensproc("train", "sharpen", "--list")
    assert [line.split()[0] for line in ours.stdout.splitlines()] == ["sharpen", "sharpen-long"]
    done = lensproc("train", "sharpen", "-o", str(tmp_path / "out"), "--device", "cpu", "--jobs", "1")
    assert done.returncode == 0, done.stderr
    assert "epoch 2 of 2, step 4: loss " in done.stderr
    record = json.loads((tmp_path / "out" / "sharpen.training.json").read_text())
    assert record["package"] == "lensproc-trains==1.2.3"
    assert record["network"] == {"width": 3}
    assert (record["parameters"], record["steps"], record["stopped"]) == (3 * 10 + 28, 4, "epochs")

    fits.writeto(tmp_path / "sky.fits", np.random.default_rng(0).normal(size=(24, 24)).astype(np.float32))
    weights = tmp_path / "out" / "sharpen.safetensors"
    command = ["run", str(tmp_path / "sky.fits"), "-o", str(tmp_path / "enhanced"), "--stages", "sharpen"]
    command += ["--set", f"sharpen.weights={weights}", "--pixel-scale", "0.2", "--checks", "none"]
    done = lensproc(*command, "--device", "cpu", "--jobs", "1")
    assert done.returncode == 0, done.stderr
    (output,) = (tmp_path / "enhanced").glob("*.fits")
    with fits.open(output) as hdus:
        assert hdus["SCI"].data.shape == (24, 24)
    assert record["weights"]["sha256"].encode() in output.read_bytes()


def test_a_stage_without_a_training_task_is_not_trained(lensproc):
    done = lensproc("train", "boxcar")
    assert done.returncode == 2
    assert done.stderr.startswith(
        "lensproc: stage boxcar has nothing to train; its manifest names no training"
    )
    done = lensproc("train", "sharpen", "--recipe", "short")
    assert done.returncode == 2
    assert "stage sharpen has no training recipe 'short'; it ships sharpen, sharpen-long" in done.stderr
