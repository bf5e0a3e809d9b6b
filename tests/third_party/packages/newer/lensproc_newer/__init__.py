"""A plugin written for a contract that this lensproc does not have yet."""

from lensproc.contract import Hologram  # the newer contract has it
from lensproc.contract.hookspecs import hookimpl

lensproc_api = 2


@hookimpl
def lensproc_register_stages(register):
    register(Hologram("hologram"))
