"""``esrn``: the generator of ESRGAN trained without its adversary; it stands in `lensproc.nn.rrdb`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from lensproc.contract.network import NetworkStage
from lensproc.nn.rrdb import RRDBNet as Network
from lensproc.nn.spec import from_spec

if TYPE_CHECKING:
    from lensproc.contract.manifest import Manifest, OptionValue


def stage(manifest: Manifest, options: Mapping[str, OptionValue]) -> NetworkStage:
    """Build the stage."""
    return NetworkStage(manifest, options, partial(from_spec, Network, name=manifest.id))
