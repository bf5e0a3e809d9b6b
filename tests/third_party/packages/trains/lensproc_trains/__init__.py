"""A plugin whose stage is a network that ``lensproc train`` trains."""

from __future__ import annotations

from lensproc.contract.hookspecs import hookimpl
from lensproc.contract.manifest import Manifest
from lensproc.contract.weights import weights_option

lensproc_api = 1

SHARPEN = Manifest(
    id="sharpen",
    kind="enhance",
    factory="lensproc_trains.sharpen:stage",
    training="lensproc_trains.sharpen:task",
    summary="two convolutions",
    options=(weights_option(),),
    halo=2,
)


@hookimpl
def lensproc_register_stages(register):
    register(SHARPEN)
