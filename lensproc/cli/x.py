"""``lensproc x NAME``: commands that plugins add."""

from __future__ import annotations

import click


class PluginCommands(click.Group):
    """A group whose commands come from the hook ``lensproc_register_commands``, asked for only when needed."""

    collected = False

    def _collect(self) -> None:
        if self.collected:
            return
        from lensproc.contract.registry import load_registry

        self.collected = True
        registry = load_registry()
        registry.collect("lensproc_register_commands", group=self)
        for record in registry.records:
            if record.status == "BROKEN":
                click.echo(f"note: plugin {record.name} is BROKEN: {record.reason}", err=True)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands that plugins register."""
        self._collect()
        return super().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Find one command."""
        self._collect()
        return super().get_command(ctx, cmd_name)


@click.group("x", cls=PluginCommands)
def command() -> None:
    """Run commands that plugins add."""
