"""Load plugins one by one, quarantine the broken ones, and open stages by id."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pluggy

from lensproc.contract import API, hookspecs
from lensproc.contract.datafiles import verified_path
from lensproc.contract.manifest import Manifest, OptionValue
from lensproc.errors import PluginError

if TYPE_CHECKING:
    from lensproc.contract.stage import Stage

GROUP = "lensproc.plugins"
ALLOW, BLOCK = "LENSPROC_PLUGINS", "LENSPROC_DISABLE_PLUGINS"
Status = Literal["OK", "BLOCKED", "BROKEN"]


@dataclass(frozen=True)
class PluginRecord:
    """What became of one entry point.

    Parameters
    ----------
    name : str
        Name of the entry point.
    package : str
        ``distribution==version``.
    status : str
        ``OK``, ``BLOCKED`` (by ``LENSPROC_PLUGINS`` or ``LENSPROC_DISABLE_PLUGINS``) or ``BROKEN``.
    reason : str
        One line saying why it is not OK.
    traceback : str
        The whole story, shown with ``--debug``.
    stages : tuple of str
        Ids of the stages it registered.
    """

    name: str
    package: str
    status: Status
    reason: str = ""
    traceback: str = ""
    stages: tuple[str, ...] = ()


@dataclass
class Registry:
    """The plugins that loaded, and those that did not.

    Parameters
    ----------
    manager : pluggy.PluginManager
        For collecting hooks other than stages.
    manifests : dict of str to Manifest
        By stage id.
    packages : dict of str to str
        ``distribution==version`` by stage id.
    records : list of PluginRecord
        Every entry point, sorted by name.
    """

    manager: pluggy.PluginManager
    manifests: dict[str, Manifest] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)
    records: list[PluginRecord] = field(default_factory=list)

    def manifest(self, stage_id: str) -> Manifest:
        """Manifest of a stage; of ``FAMILY:NAME`` where no stage bears that very id.

        Raises
        ------
        PluginError
            For a family without a name, and for an unknown id: the known ones are listed, and the plugins that are
            broken or blocked, since it may be theirs.
        """
        found = self.find(stage_id)
        if found is not None:
            return found
        family = stage_id.partition(":")[0]
        if family in self.manifests and self.manifests[family].family:
            raise PluginError(
                f"{family} is a family of stages, not one",
                plugin=self.packages[family],
                remedy=f"name the {self.manifests[family].family} after a colon, as {family}:NAME",
            )
        out = [f"{r.package} is {r.status}: {r.reason}" for r in self.records if r.status != "OK"]
        known = ", ".join(sorted(self.manifests)) or "none"
        remedy = f"known stages: {known}" + ("".join(f"; {line}" for line in out))
        raise PluginError(f"no stage is called {stage_id!r}", remedy=remedy)

    def find(self, stage_id: str) -> Manifest | None:
        """Manifest of a stage, or of the member ``FAMILY:NAME`` of a family; None where there is none."""
        manifest = self.manifests.get(stage_id)
        if manifest is not None:
            return None if manifest.family else manifest
        family, _, name = stage_id.partition(":")
        manifest = self.manifests.get(family)
        return manifest.member(name) if manifest is not None and manifest.family and name else None

    def package(self, stage_id: str) -> str:
        """``distribution==version`` that a stage, or the family it is of, comes from; empty where none does."""
        return self.packages.get(stage_id) or self.packages.get(stage_id.partition(":")[0], "")

    def open_stage(
        self,
        stage_id: str,
        options: Mapping[str, object] | None = None,
        device: str = "cpu",
        dtype: str = "float32",
    ) -> Stage:
        """Check a stage's data files, build it and load it.

        Parameters
        ----------
        stage_id : str
            Which stage.
        options : mapping, optional
            Option values; the rest take their defaults.
        device, dtype : str
            As torch names them.

        Raises
        ------
        PluginError
            Where the stage is unknown, its factory cannot be imported or raises, or `dtype` is not among those it
            declares; `WeightsError` where its weights are not those it names.
        """
        import torch

        manifest = self.manifest(stage_id)
        package = self.package(stage_id)
        if dtype not in manifest.dtypes:
            raise PluginError(
                f"stage {stage_id} runs in {', '.join(manifest.dtypes)}, not {dtype}", plugin=package
            )
        stage = build_stage(manifest, manifest.resolve_options(options or {}), package)
        try:
            stage.load(torch.device(device), getattr(torch, dtype))
        except PluginError:
            raise
        except Exception as error:
            raise PluginError(
                f"stage {stage_id} could not be loaded: {type(error).__name__}: {error}", plugin=package
            ) from error
        return stage

    def collect(self, hook: str, **arguments: Any) -> None:
        """Call a registering hook of each plugin in its own try; one that raises is recorded as BROKEN."""
        self.collect_from_each(hook, lambda record: arguments)

    def collect_from_each(self, hook: str, arguments: Callable[[PluginRecord], Mapping[str, Any]]) -> None:
        """Do as `collect`, with arguments made for each plugin, so that what it hands over bears its name."""
        for record in list(self.records):
            if record.status != "OK":
                continue
            plugin = self.manager.get_plugin(record.name)
            call = self.manager.subset_hook_caller(
                hook, remove_plugins=[p for p in self.manager.get_plugins() if p is not plugin]
            )
            try:
                call(**arguments(record))
            except Exception as error:
                self._break(record, f"{hook}: {type(error).__name__}: {error}", traceback.format_exc())

    def _break(self, record: PluginRecord, reason: str, story: str) -> None:
        broken = PluginRecord(record.name, record.package, "BROKEN", reason, story)
        self.records[self.records.index(record)] = broken
        for stage_id in record.stages:
            self.manifests.pop(stage_id, None)
            self.packages.pop(stage_id, None)
        self.manager.unregister(name=record.name)


def build_stage(manifest: Manifest, options: Mapping[str, OptionValue], package: str = "") -> Stage:
    """Call a manifest's factory after checking the data files it names; the stage is not loaded yet."""
    for data in manifest.weights + ((manifest.calibration,) if manifest.calibration else ()):
        verified_path(manifest, data)
    module, attribute = manifest.factory.split(":")
    try:
        factory = getattr(importlib.import_module(module), attribute)
        stage: Stage = factory(manifest, options)
    except PluginError:
        raise
    except Exception as error:
        raise PluginError(
            f"stage {manifest.id} could not be built: {type(error).__name__}: {error}", plugin=package
        ) from error
    return stage


def load_registry(points: Iterable[EntryPoint] | None = None) -> Registry:
    """Load every plugin of the entry-point group ``lensproc.plugins``, sorted by name, each in its own try.

    Parameters
    ----------
    points : iterable of EntryPoint, optional
        Instead of the installed ones.

    Notes
    -----
    A plugin is a module with ``lensproc_api = 1`` (an integer literal) and hook implementations.
    ``LENSPROC_PLUGINS=a,b`` loads only those names, ``LENSPROC_DISABLE_PLUGINS=a,b`` all but those.
    """
    manager = pluggy.PluginManager("lensproc")
    manager.add_hookspecs(hookspecs)
    registry = Registry(manager)
    found = entry_points(group=GROUP) if points is None else points
    for point in sorted(found, key=lambda p: p.name):
        registry.records.append(_load(registry, point))
    return registry


def unknown_names(registry: Registry) -> dict[str, list[str]]:
    """Names in ``LENSPROC_PLUGINS`` and ``LENSPROC_DISABLE_PLUGINS`` that no entry point has, by variable."""
    known = {record.name for record in registry.records}
    found = {variable: sorted((_names(variable) or set()) - known) for variable in (ALLOW, BLOCK)}
    return {variable: names for variable, names in found.items() if names}


def _names(variable: str) -> set[str] | None:
    text = os.environ.get(variable)
    return None if text is None else {name.strip() for name in text.split(",") if name.strip()}


def _load(registry: Registry, point: EntryPoint) -> PluginRecord:
    package = f"{point.dist.name}=={point.dist.version}" if point.dist else point.value
    allowed, blocked = _names(ALLOW), _names(BLOCK)
    if allowed is not None and point.name not in allowed:
        return PluginRecord(point.name, package, "BLOCKED", f"not named in {ALLOW}")
    if blocked is not None and point.name in blocked:
        return PluginRecord(point.name, package, "BLOCKED", f"named in {BLOCK}")
    manifests: list[Manifest] = []
    registered = False
    try:
        plugin = _import(point)
        _check_api(getattr(plugin, "lensproc_api", None), f"module {point.value}")
        if registry.manager.has_plugin(point.name):
            raise PluginError(f"another package already has an entry point named {point.name!r}")
        registered = True
        registry.manager.register(plugin, point.name)
        _check_hooks(registry.manager, plugin)
        caller = registry.manager.subset_hook_caller(
            "lensproc_register_stages",
            remove_plugins=[p for p in registry.manager.get_plugins() if p is not plugin],
        )
        caller(register=manifests.append)
        for i, manifest in enumerate(manifests):
            _check_new(registry, manifest, manifests[:i])
    except (Exception, SystemExit) as error:  # a module that calls sys.exit() must not end the command
        if registered and registry.manager.has_plugin(point.name):
            registry.manager.unregister(name=point.name)
        reason = str(error) if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"
        return PluginRecord(point.name, package, "BROKEN", reason, traceback.format_exc())
    for manifest in manifests:
        registry.manifests[manifest.id] = manifest
        registry.packages[manifest.id] = package
    return PluginRecord(point.name, package, "OK", stages=tuple(m.id for m in manifests))


def _import(point: EntryPoint) -> Any:
    """Import a plugin; where that fails because it wants another contract, say so instead."""
    try:
        return point.load()
    except Exception:
        api = _api_literal(point.module)
        if api is not None:
            _check_api(api, f"module {point.value}")
        raise


def _api_literal(module: str) -> int | None:
    """Read ``lensproc_api = N`` from the source of a module that cannot be imported."""
    spec = importlib.util.find_spec(module) if "." not in module else None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    found = re.search(r"^lensproc_api\s*(?::\s*int\s*)?=\s*(\d+)", Path(spec.origin).read_text("utf-8"), re.M)
    return int(found.group(1)) if found else None


def _check_hooks(manager: pluggy.PluginManager, plugin: object) -> None:
    """Refuse an implementation of a hook that does not exist, which would never be called."""
    for caller in manager.get_hookcallers(plugin) or []:
        optional = all(impl.optionalhook for impl in caller.get_hookimpls() if impl.plugin is plugin)
        if not caller.has_spec() and not optional:
            raise PluginError(f"there is no hook called {caller.name}", remedy="docs/plugins.md lists them")


def _check_api(api: object, where: str) -> None:
    if not isinstance(api, int):
        raise PluginError(f"{where} does not say lensproc_api = {API}")
    if api != API:
        newer = "newer" if api > API else "older"
        remedy = "upgrade lensproc" if api > API else "upgrade the plugin"
        raise PluginError(f"{where} is written for contract {api}, {newer} than {API}", remedy=remedy)


def _check_new(registry: Registry, manifest: Manifest, earlier: Sequence[Manifest]) -> None:
    if not isinstance(manifest, Manifest):
        raise PluginError(f"register() got {type(manifest).__name__}, expected a Manifest")
    _check_api(manifest.api, f"stage {manifest.id}")
    if manifest.id in {one.id for one in earlier}:
        raise PluginError(f"stage {manifest.id} is registered twice by this plugin")
    if manifest.id in registry.packages:
        raise PluginError(f"stage {manifest.id} is already registered by {registry.packages[manifest.id]}")
