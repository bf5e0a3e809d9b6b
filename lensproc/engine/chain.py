"""A chain of stages, resolved: manifests found, options complete, products provided before they are needed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lensproc.config import StageSpec
from lensproc.contract.manifest import Manifest, OptionValue
from lensproc.contract.registry import Registry
from lensproc.contract.weights import chosen_weights
from lensproc.errors import UsageError


@dataclass(frozen=True)
class Link:
    """One stage of a chain.

    Parameters
    ----------
    manifest : Manifest
        What it says of itself.
    options : mapping
        Every option with its value.
    package : str
        ``distribution==version`` that it comes from.
    """

    manifest: Manifest
    options: Mapping[str, OptionValue]
    package: str

    @property
    def scale(self) -> int:
        """Output pixels per pixel of the image it gets."""
        return self.manifest.scale_for(self.options)

    @property
    def also_enhanced(self) -> bool:
        """True where a stage that sees the original is to get the image of the stages before it too."""
        return self.manifest.sees == "original" and self.options.get("also_enhanced") is True

    @property
    def distribution(self) -> tuple[str, str]:
        """Name and version of the distribution."""
        name, _, version = self.package.partition("==")
        return name, version

    def describe(self) -> dict[str, Any]:
        """Everything that its pixels and the checks of them depend on, as JSON types."""
        return {
            "id": self.manifest.id,
            "version": self.manifest.version,
            "package": self.package,
            "options": dict(self.options),
            "weights": [data.sha256 for data in chosen_weights(self.manifest, self.options)],
            "calibration": None if self.manifest.calibration is None else self.manifest.calibration.sha256,
        }


def resolve_chain(registry: Registry, specs: Sequence[StageSpec]) -> tuple[Link, ...]:
    """Look up each stage, complete its options, and check that its needs are met by earlier ones.

    Raises
    ------
    PluginError
        For an unknown stage.
    UsageError
        For a wrong option, or a stage that needs a product or an enhanced image that no earlier one provides.
    """
    links: list[Link] = []
    provided: set[str] = set()
    for spec in specs:
        manifest = registry.manifest(spec.id)
        missing = [name for name in manifest.requires if name not in provided]
        if missing:
            makers = [m.id for m in registry.manifests.values() if set(missing) & set(m.provides)]
            remedy = f"put {' or '.join(makers)} before it" if makers else "no installed stage provides it"
            raise UsageError(
                f"stage {spec.id} needs {', '.join(missing)} from an earlier stage", remedy=remedy
            )
        provided.update(manifest.provides)
        options = manifest.resolve_options(spec.options)
        link = Link(manifest, options, registry.package(spec.id))
        if link.also_enhanced and not any(earlier.manifest.kind == "enhance" for earlier in links):
            raise UsageError(
                f"{spec.id}.also_enhanced=true, but no stage before it gives an enhanced image",
                remedy=f"put one before it: --stages lens-sr,{spec.id}",
            )
        links.append(link)
    return tuple(links)


def config_sha256(config: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON (sorted keys, no spaces) of a configuration."""
    text = json.dumps(config, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
