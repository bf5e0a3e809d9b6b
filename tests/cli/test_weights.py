"""``lensproc weights``: what ships, and whether it is what its author published."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lensproc.cli import cli

PLUGIN = """
from lensproc.contract.hookspecs import hookimpl
from lensproc.contract.manifest import DataFile, Manifest
from lensproc.contract.weights import weights_option

lensproc_api = 1

@hookimpl
def lensproc_register_stages(register):
    stage = dict(kind="enhance", factory="shipping.net:stage", summary="", options=(weights_option(),))
    register(Manifest(id="one", weights=(DataFile("one.bin", "{sha}", "MIT"),), **stage))
    register(Manifest(id="bare", **stage))
"""
CONTENT = b"weights " * 50
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def shipping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of a plugin that ships a file with one stage and none with another; the only one installed."""
    folder = tmp_path / "shipping"
    folder.mkdir()
    (folder / "__init__.py").write_text(PLUGIN.format(sha=SHA))
    (folder / "one.bin").write_bytes(CONTENT)
    monkeypatch.syspath_prepend(str(tmp_path))
    points = [EntryPoint("shipping", "shipping", "lensproc.plugins")]
    monkeypatch.setattr("lensproc.contract.registry.entry_points", lambda group: points)
    yield folder
    sys.modules.pop("shipping", None)


def weights(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["weights", *arguments])


def test_the_list_shows_size_hash_and_licence_and_which_stage_ships_none(shipping):
    result = weights("list")
    assert result.exit_code == 0
    head, one, bare = result.output.splitlines()
    assert head.split() == ["stage", "status", "file", "size", "sha256", "licence"]
    assert one.split() == ["one", "OK", "one.bin", "0.4", "kB", SHA[:12], "MIT"]
    assert bare.split() == ["bare", "NONE", "none", "ships"]


def test_intact_files_verify(shipping):
    result = weights("verify")
    assert (result.exit_code, result.output) == (0, "1 file, 0.4 kB: all as published\n")


def test_a_changed_file_is_named_and_exits_with_1(shipping):
    (shipping / "one.bin").write_bytes(CONTENT + b"!")
    result = weights("verify")
    assert result.exit_code == 1
    assert result.output.startswith("WRONG   stage one: one.bin has SHA-256 ")
    assert f"its manifest says {SHA[:12]}…" in result.output
    assert "reinstall" in result.output
    assert "1 wrong" in result.output


def test_a_missing_file_is_named_and_exits_with_1(shipping):
    (shipping / "one.bin").unlink()
    result = weights("verify")
    assert result.exit_code == 1
    assert "MISSING stage one: one.bin is missing" in result.output
    found = json.loads(weights("verify", "--json").output)
    assert [(entry["stage"], entry["status"]) for entry in found] == [("one", "MISSING"), ("bare", "NONE")]


def test_files_of_a_plugin_that_does_not_load_count_as_not_verified(shipping):
    (shipping / "__init__.py").write_text("raise ImportError('no such library')\n")
    result = weights("verify")
    assert result.exit_code == 1
    assert "plugin shipping" in result.output
    assert "its files are not checked: ImportError: no such library" in result.output


def test_what_is_installed_here_verifies_without_torch():
    code = (
        "import sys; sys.argv = ['lensproc', 'weights', 'verify']\n"
        "from lensproc.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "assert not {'torch', 'numpy', 'astropy'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
