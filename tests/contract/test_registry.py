from __future__ import annotations

import dataclasses
import hashlib
import sys
import textwrap
from importlib.metadata import EntryPoint

import pytest

from lensproc.contract.manifest import DataFile, Manifest
from lensproc.contract.registry import GROUP, Registry, load_registry, unknown_names
from lensproc.errors import PluginError, UsageError, WeightsError
from tests.testing.bad_stages import GOOD

HEAD = """
from lensproc.contract.hookspecs import hookimpl
from lensproc.contract.manifest import Manifest
lensproc_api = 1

def manifest(name):
    return Manifest(id=name, kind="enhance", factory="tests.testing.bad_stages:Good", summary="a stage")
"""
STAGE = """
@hookimpl
def lensproc_register_stages(register):
    register(manifest({name!r}))
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Write a module and return its entry point."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("LENSPROC_PLUGINS", raising=False)
    monkeypatch.delenv("LENSPROC_DISABLE_PLUGINS", raising=False)
    written = []

    def write(name: str, body: str, head: str = HEAD, entry: str = "") -> EntryPoint:
        module = f"plugin_of_the_tests_{name}"
        (tmp_path / f"{module}.py").write_text(head + textwrap.dedent(body))
        written.append(module)
        return EntryPoint(entry or name, module, GROUP)

    yield write
    for module in written:
        sys.modules.pop(module, None)


def statuses(registry: Registry) -> dict[str, str]:
    return {record.name: record.status for record in registry.records}


def test_plugins_load_sorted_by_name_and_hand_over_their_stages(plugin):
    points = [plugin("b", STAGE.format(name="two")), plugin("a", STAGE.format(name="one"))]
    registry = load_registry(points)
    assert [record.name for record in registry.records] == ["a", "b"]
    assert list(registry.manifests) == ["one", "two"]
    assert registry.packages["one"] == "plugin_of_the_tests_a"
    assert registry.records[0].stages == ("one",)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise RuntimeError('no data')", "RuntimeError: no data"),
        ("import sys; sys.exit('not today')", "SystemExit: not today"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("lensproc_api = 2", "is written for contract 2, newer than 1; upgrade lensproc"),
        ("lensproc_api = 0", "is written for contract 0, older than 1; upgrade the plugin"),
        ("lensproc_api = '1'", "does not say lensproc_api = 1"),
        ("def f(:", "SyntaxError"),
        (STAGE.format(name="Capital"), "stage id 'Capital' must be lower-case"),
        (
            "@hookimpl\ndef lensproc_register_stages(register):\n    register('edsr')",
            "got str, expected a Manifest",
        ),
        (
            "@hookimpl\ndef lensproc_register_stages(register):\n    [register(manifest('x')) for _ in 'ab']",
            "stage x is registered twice by this plugin",
        ),
        ("@hookimpl\ndef lensproc_register_stage(register): pass", "no hook called lensproc_register_stage"),
        ("@hookimpl\ndef lensproc_register_stages(enroll): pass", "enroll"),
    ],
)
def test_a_broken_plugin_is_recorded_and_costs_only_itself(plugin, body, reason):
    registry = load_registry([plugin("broken", body), plugin("other", STAGE.format(name="fine"))])
    assert statuses(registry) == {"broken": "BROKEN", "other": "OK"}
    assert reason in registry.records[0].reason
    assert "Traceback" in registry.records[0].traceback
    assert list(registry.manifests) == ["fine"]


def test_an_import_that_fails_for_want_of_a_newer_contract_says_so(plugin):
    body = "lensproc_api = 7\nfrom lensproc.contract.tomorrow import Hologram"
    registry = load_registry([plugin("newer", body, head="")])
    assert "written for contract 7, newer than 1" in registry.records[0].reason


def test_a_stage_of_another_contract_breaks_its_plugin(plugin):
    body = """
    import dataclasses
    @hookimpl
    def lensproc_register_stages(register):
        register(dataclasses.replace(manifest("x"), api=2))
    """
    registry = load_registry([plugin("newer", body)])
    assert registry.records[0].reason.startswith("stage x is written for contract 2")


def test_the_first_of_two_stages_of_one_id_stays(plugin):
    registry = load_registry([plugin("a", STAGE.format(name="same")), plugin("b", STAGE.format(name="same"))])
    assert statuses(registry) == {"a": "OK", "b": "BROKEN"}
    assert "stage same is already registered by plugin_of_the_tests_a" in registry.records[1].reason
    assert registry.packages["same"] == "plugin_of_the_tests_a"


def test_a_second_entry_point_of_one_name_does_not_unload_the_first(plugin):
    points = [
        plugin("a", STAGE.format(name="one"), entry="twin"),
        plugin("b", STAGE.format(name="two"), entry="twin"),
    ]
    registry = load_registry(points)
    assert [record.status for record in registry.records] == ["OK", "BROKEN"]
    assert "already has an entry point named 'twin'" in registry.records[1].reason
    assert registry.manager.has_plugin("twin")


def test_what_the_environment_blocks_is_not_imported(plugin, monkeypatch):
    points = [plugin("a", "raise RuntimeError"), plugin("b", STAGE.format(name="two"))]
    monkeypatch.setenv("LENSPROC_DISABLE_PLUGINS", "a, c")
    registry = load_registry(points)
    assert statuses(registry) == {"a": "BLOCKED", "b": "OK"}
    assert unknown_names(registry) == {"LENSPROC_DISABLE_PLUGINS": ["c"]}
    monkeypatch.setenv("LENSPROC_PLUGINS", "")
    assert statuses(load_registry(points)) == {"a": "BLOCKED", "b": "BLOCKED"}


def test_an_unknown_stage_lists_the_known_ones_and_what_is_broken(plugin):
    registry = load_registry(
        [plugin("a", "raise RuntimeError('no data')"), plugin("b", STAGE.format(name="fine"))]
    )
    with pytest.raises(PluginError) as caught:
        registry.manifest("edsr")
    line = str(caught.value)
    assert "no stage is called 'edsr'; known stages: fine" in line
    assert "plugin_of_the_tests_a is BROKEN: RuntimeError: no data" in line


def test_a_registering_hook_that_raises_breaks_its_plugin_and_takes_its_stages_away(plugin):
    readers = """
    @hookimpl
    def lensproc_register_readers(register):
        register("{name}", None, None)
        {more}
    """
    raising = readers.format(name="mine", more="raise ValueError('no such survey')")
    registry = load_registry(
        [
            plugin("a", STAGE.format(name="one") + textwrap.dedent(raising)),
            plugin(
                "b", STAGE.format(name="two") + textwrap.dedent(readers.format(name="theirs", more="pass"))
            ),
        ]
    )
    names = []
    registry.collect("lensproc_register_readers", register=lambda name, sniff, read: names.append(name))
    assert names == ["mine", "theirs"]
    assert statuses(registry) == {"a": "BROKEN", "b": "OK"}
    assert registry.records[0].reason == "lensproc_register_readers: ValueError: no such survey"
    assert list(registry.manifests) == list(registry.packages) == ["two"]


def registry_of(manifest: Manifest) -> Registry:
    registry = load_registry([])
    registry.manifests[manifest.id] = manifest
    registry.packages[manifest.id] = "somebody==1.0"
    return registry


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"factory": "no_such_module:Stage"}, "could not be built: ModuleNotFoundError"),
        ({"factory": "tests.testing.bad_stages:NoSuch"}, "could not be built: AttributeError"),
        ({"dtypes": ("bfloat16",)}, "runs in bfloat16, not float32"),
    ],
)
def test_a_stage_that_cannot_be_opened_names_its_package(changes, what):
    registry = registry_of(dataclasses.replace(GOOD, **changes))
    with pytest.raises(PluginError, match=what) as caught:
        registry.open_stage("good")
    assert caught.value.plugin == "somebody==1.0"


def test_options_are_checked_before_a_stage_is_built():
    with pytest.raises(UsageError, match="stage good has no option 'scale'"):
        registry_of(GOOD).open_stage("good", {"scale": 2})


def test_weights_open_only_with_the_hash_that_the_manifest_names(tmp_path, monkeypatch):
    package = tmp_path / "package_with_weights"
    (package / "weights").mkdir(parents=True)
    (package / "__init__.py").write_text("from tests.testing.bad_stages import Good\n")
    (package / "weights" / "good.safetensors").write_bytes(b"weights")
    monkeypatch.syspath_prepend(tmp_path)
    sha256 = hashlib.sha256(b"weights").hexdigest()
    right = DataFile("weights/good.safetensors", sha256)
    manifest = dataclasses.replace(GOOD, factory="package_with_weights:Good", weights=(right,))
    registry_of(manifest).open_stage("good").close()
    for wrong, what in (
        (DataFile(right.file, "0" * 64), "its manifest says 000000000000"),
        (DataFile("weights/other.safetensors", sha256), "other.safetensors is missing"),
    ):
        with pytest.raises(WeightsError, match=what):
            registry_of(dataclasses.replace(manifest, weights=(wrong,))).open_stage("good")


FAMILY = """
from lensproc.contract.manifest import Option

@hookimpl
def lensproc_register_stages(register):
    register(Manifest("zoo", "enhance", "tests.testing.bad_stages:Good", "stages", family="animal",
                      options=(Option("animal", "str", "", "which"), Option("legs", "int", 4, "how many"))))
    register(Manifest("zoo:ant", "enhance", "tests.testing.bad_stages:Good", "one of its own"))
"""


def test_a_member_of_a_family_is_found_by_its_name(plugin):
    registry = load_registry([plugin("zoo", FAMILY)])
    member = registry.manifest("zoo:gnu")
    assert (member.id, member.family, member.defaults) == ("zoo:gnu", "", {"animal": "gnu", "legs": 4})
    assert registry.package("zoo:gnu") == registry.package("zoo") == "plugin_of_the_tests_zoo"
    assert registry.find("zoo:gnu") == member
    assert registry.manifests["zoo"].family == "animal", "the family stays as it is"
    with pytest.raises(UsageError, match="'gnat' is not one of gnu"):
        member.resolve_options({"animal": "gnat"})


def test_a_stage_with_that_very_id_goes_before_the_member(plugin):
    assert load_registry([plugin("zoo", FAMILY)]).manifest("zoo:ant").summary == "one of its own"


def test_a_family_alone_is_no_stage(plugin):
    registry = load_registry([plugin("zoo", FAMILY)])
    for stage in ("zoo", "zoo:"):
        assert registry.find(stage) is None
        with pytest.raises(
            PluginError, match=r"zoo is a family of stages, not one .*name the animal .*zoo:NAME"
        ):
            registry.manifest(stage)
    with pytest.raises(PluginError, match="no stage is called 'ark:gnu'"):
        registry.manifest("ark:gnu")
    assert registry.package("ark:gnu") == ""


def test_a_family_names_the_option_that_takes_the_name():
    with pytest.raises(PluginError, match="a family needs a str option named 'animal'"):
        dataclasses.replace(GOOD, family="animal")
