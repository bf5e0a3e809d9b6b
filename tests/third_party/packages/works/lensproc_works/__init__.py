"""A plugin that keeps the contract: one stage, one reader, one check, one command, and an observer."""

from __future__ import annotations

from lensproc.contract.hookspecs import hookimpl
from lensproc.contract.manifest import Manifest, Option

lensproc_api = 1

BOXCAR = Manifest(
    id="boxcar",
    kind="enhance",
    factory="lensproc_works.boxcar:Boxcar",
    summary="running mean",
    options=(Option("width", "int", 1, "half-width of the box [px]", 0, 5),),
    halo=5,
)


@hookimpl
def lensproc_register_stages(register):
    register(BOXCAR)


@hookimpl
def lensproc_register_commands(group):
    import click

    @group.command("hello")
    def hello():
        """Say hello."""
        click.echo("hello from a plugin")
