"""What the key of cached samples sees of the code that makes them."""

from __future__ import annotations

import importlib
import sys

import pytest

from lensproc.simulate import samples
from lensproc.train.cache import describe
from lensproc.train.sources import code_hash

FILES = {
    "__init__.py": "",
    "taken.py": "def taken(sim):\n    from a_plugin.deep import scaled\n    return {'image': scaled(sim)}\n",
    "deep/__init__.py": "from a_plugin.deep.values import FACTOR\n\ndef scaled(sim):\n    return FACTOR * sim\n",
    "deep/values.py": "FACTOR = 2.0\n",
    "network.py": "import torch\n",
}


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    folder = tmp_path / "a_plugin"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "a_plugin"]:
        del sys.modules[name]


@pytest.mark.parametrize("name", ["taken.py", "deep/__init__.py", "deep/values.py"])
def test_a_change_in_anything_that_a_sampling_function_calls_is_seen(plugin, name):
    function = importlib.import_module("a_plugin.taken").taken
    before = describe(function)
    assert describe(function) == before
    (plugin / name).write_text(FILES[name] + "\n# another\n")
    assert describe(function) != before
    assert describe(function)["function"] == before["function"] == "a_plugin.taken.taken"


def test_what_it_does_not_import_changes_nothing(plugin):
    function = importlib.import_module("a_plugin.taken").taken
    before = describe(function)
    (plugin / "network.py").write_text("import torch, numpy\n")
    assert describe(function) == before


def test_the_simulator_counts_for_every_sampling_function(plugin, monkeypatch):
    """Looked at through the names that are followed: the drawing of a scene lies three imports away."""
    from lensproc.train import sources

    read = []
    original = sources._imports
    monkeypatch.setattr(sources, "_imports", lambda *a: read.append(a[0]) or original(*a))
    describe(importlib.import_module("a_plugin.taken").taken)
    text = b"".join(read)
    assert b"def draw_substructure" in text
    assert b"FACTOR = 2.0" in text
    assert b"import torch\n" not in text


def test_a_module_without_source_is_refused():
    with pytest.raises(ImportError, match="no source file"):
        code_hash(["math"])


def test_it_is_the_same_twice():
    assert describe(samples.sample) == describe(samples.sample)
