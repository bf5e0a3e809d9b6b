"""Small stages for the engine's tests, with a pipeline that knows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from astropy.io.fits import Header

from lensproc.contract.hookspecs import hookimpl
from lensproc.contract.manifest import Manifest
from lensproc.contract.registry import Registry, load_registry
from lensproc.contract.stage import Batch, StageOutput
from lensproc.cutout import PSF, Cutout, Resolved, Source


class Function:
    """A stage made of a function from `Batch` to `StageOutput`."""

    def __init__(self, function: Callable[[Batch], StageOutput]) -> None:
        self.function = function
        self.batch_sizes: list[int] = []

    def load(self, device: Any, dtype: Any) -> None:
        self.device = device

    def apply(self, batch: Batch) -> StageOutput:
        self.batch_sizes.append(len(batch))
        return self.function(batch)

    def close(self) -> None:
        self.device = None


def registry_with(stages: Sequence[tuple[Manifest, Function]]) -> Registry:
    """A registry that holds only these stages."""
    registry = load_registry([])
    for manifest, _ in stages:
        registry.manifests[manifest.id] = manifest
        registry.packages[manifest.id] = "tests==1"
    opened = {manifest.id: stage for manifest, stage in stages}
    registry.open_stage = lambda stage_id, *args, **kwargs: opened[stage_id]  # type: ignore[method-assign]
    return registry


def use_stages(monkeypatch: pytest.MonkeyPatch, *stages: tuple[Manifest, Function]) -> None:
    """Let every `Pipeline` of a test know these stages and no others."""
    monkeypatch.setattr("lensproc.engine.pipeline.load_registry", lambda: registry_with(stages))


def manifest(stage_id: str, **fields: Any) -> Manifest:
    fields.setdefault("kind", "enhance")
    return Manifest(id=stage_id, factory="tests:none", summary="a test", **fields)


def cutout(data: Any, **fields: Any) -> Cutout:
    """A cutout in flux per pixel with a PSF of 3 px, from an array."""
    data = np.asarray(data, np.float32)
    fields.setdefault("amplitude", Resolved("flux", "test"))
    fields.setdefault("unit", Resolved("adu", "test"))
    fields.setdefault("psf", Resolved(PSF(3.0), "test"))
    fields.setdefault("mask", np.zeros(data.shape, np.uint32))
    fields.setdefault("variance", None)
    fields.setdefault("header", Header())
    sha = f"{abs(hash(data.tobytes())):064x}"[:64]
    fields.setdefault("source", Source("test.fits", "0", sha, "test"))
    return Cutout(data=data, **fields)


def plugin_module(name: str, *manifests: Manifest) -> ModuleType:
    """A plugin module that registers manifests."""
    module = ModuleType(name)
    module.lensproc_api = 1  # type: ignore[attr-defined]

    @hookimpl
    def lensproc_register_stages(register: Callable[[Manifest], None]) -> None:
        for each in manifests:
            register(each)

    module.lensproc_register_stages = lensproc_register_stages  # type: ignore[attr-defined]
    return module
