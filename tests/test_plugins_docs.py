"""docs/plugins.md: every hook stands there as it is, and what it shows runs."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import click
import numpy as np
import pluggy
import pytest
from astropy.io.fits import Header

from lensproc.contract import hookspecs
from lensproc.contract.context import FileResult, RunContext, RunSummary
from lensproc.cutout import Cutout, Source
from lensproc.enhanced import Enhanced
from lensproc.testing import CHECKS

PAGE = (Path(__file__).parents[1] / "docs" / "plugins.md").read_text(encoding="utf-8")
HOOKS = {
    name: function
    for name, function in vars(hookspecs).items()
    if name.startswith("lensproc_") and inspect.isfunction(function)
}
BLOCK = re.compile(r"^```(\w+)( signature)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(text: str, signature: bool = False) -> list[tuple[str, str]]:
    return [(kind, body) for kind, marked, body in BLOCK.findall(text) if bool(marked) is signature]


def section(hook: str) -> str:
    found = re.search(rf"^## {hook}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert found, f"docs/plugins.md has no heading ## {hook}"
    return found.group(1)


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_stands_in_the_page_with_its_exact_signature(hook):
    ((_, written),) = blocks(section(hook), signature=True)
    assert written.strip() == f"def {hook}{inspect.signature(HOOKS[hook])}".replace("'", "")


def enhanced() -> Enhanced:
    data = np.arange(12, dtype=np.float32).reshape(3, 4)
    cutout = Cutout(
        data, None, np.zeros((3, 4), np.uint32), Header(), Source("a.fits", "0", "0" * 64, "generic")
    )
    return Enhanced(cutout, cutout, 1.0)


def call(hook: str, caller, printed) -> None:
    """Call a hook's example as lensproc would, and look at what it did."""
    handed: list[tuple] = []
    context = RunContext("out", ("nearest",), "0" * 64, 3)
    if hook == "lensproc_register_stages":
        caller(register=lambda manifest: handed.append((manifest.id,)))
        assert handed == [("nearest",)]
    elif hook == "lensproc_register_readers":
        caller(register=lambda *dialect: handed.append(dialect))
        ((name, sniff, read),) = handed
        mine, other = [Header({"TELESCOP": "MY-TELESCOPE"})], [Header()]
        assert (name, sniff(mine), sniff(other)) == ("my-telescope", 0.9, 0.0)
        assert read(mine)[0].science == 1
    elif hook == "lensproc_register_checks":
        caller(register=lambda *check: handed.append(check))
        ((name, check),) = handed
        assert (name, check(enhanced())["MYPEAK"].value) == ("brightest", 11.0)
    elif hook == "lensproc_register_commands":
        group = click.Group()
        caller(group=group)
        group.commands["hello"].main([], standalone_mode=False)
        assert printed() == "hello\n"
    elif hook == "lensproc_before_run":
        caller(context=context)
        assert printed() == "3 files through nearest\n"
    elif hook == "lensproc_after_file":
        caller(context=context, result=FileResult("a.fits", "FAILED", message="no image"))
        assert printed() == "a.fits FAILED no image\n"
    else:
        assert hook == "lensproc_after_run"
        caller(context=context, summary=RunSummary(2, 1, 0, 0, 7.2))
        assert printed() == "2 done, 1 failed in 7 s\n"


@pytest.mark.parametrize("hook", HOOKS)
def test_the_example_of_every_hook_runs(hook, capsys):
    ((_, source),) = blocks(section(hook))
    plugin = types.ModuleType("example")
    exec(compile(source, f"docs/plugins.md:{hook}", "exec"), vars(plugin))
    manager = pluggy.PluginManager("lensproc")
    manager.add_hookspecs(hookspecs)
    manager.register(plugin)
    manager.check_pending()
    call(hook, getattr(manager.hook, hook), lambda: capsys.readouterr().out)


def test_every_check_of_the_suite_stands_in_the_page():
    table = PAGE.split("## The conformance suite")[1].split("## When something is wrong")[0]
    assert {name for name in CHECKS if f"`{name}`" not in table} == set()


def test_the_examples_of_the_suite_run():
    text = PAGE.split("## The conformance suite")[1].split("## When something is wrong")[0]
    for _, source in blocks(text):
        exec(compile(source, "docs/plugins.md", "exec"), {})


def test_the_package_of_the_first_ten_minutes_installs_and_conforms(tmp_path):
    folder, target = tmp_path / "lensproc-nearest", tmp_path / "site"
    for _, body in blocks(PAGE.split("## What a manifest promises")[0]):
        found = re.match(r"# (\S+\.(?:py|toml))\n", body)
        if found:
            path = folder / found.group(1)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(body)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
    pip += ["--no-deps", "--no-build-isolation", "--target", str(target), str(folder)]
    done = subprocess.run(pip, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    environment = {**os.environ, "PYTHONPATH": str(target)}
    test = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder / "tests")]
    done = subprocess.run(test, capture_output=True, text=True, env=environment, cwd=folder)
    assert done.returncode == 0, done.stdout
    assert f"{len(CHECKS) - 2} passed, 2 skipped" in done.stdout
