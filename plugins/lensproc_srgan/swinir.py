"""The stage ``swinir``: windowed attention, small."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lensproc.contract.network import NetworkStage
from lensproc.nn.spec import from_spec
from lensproc.nn.swin import SwinSR

if TYPE_CHECKING:
    from lensproc.contract.manifest import Manifest, OptionValue


def build(spec: Mapping[str, Any]) -> SwinSR:
    """Build the network of a weights file."""
    return from_spec(SwinSR, spec, "swinir")


def stage(manifest: Manifest, options: Mapping[str, OptionValue]) -> NetworkStage:
    """Build the stage ``swinir``."""
    return NetworkStage(manifest, options, build)
