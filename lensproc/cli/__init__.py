"""The command line: one file per command, imported when it is asked for."""

from __future__ import annotations

import importlib
import os
import sys

import click

from lensproc import __version__
from lensproc.errors import LensprocError, UsageError

COMMANDS = {
    "calibrate": "Measure a stage's noise gain, for the checks.",
    "card": "Write the card of a trained stage.",
    "check": "Check an output against its input, whoever made it.",
    "evaluate": "Score stages on images with known truth.",
    "info": "Show what was understood of FITS files.",
    "plugins": "List the plugins, or check one.",
    "replay": "Run the recorded chain of an output again and compare.",
    "report": "Make one HTML page of a run.",
    "run": "Enhance FITS cutouts.",
    "simulate": "Make simulated lenses with their truth.",
    "train": "Train a stage's network.",
    "validate": "Measure what a stage does to known sources.",
    "weights": "List the weights that ship, or verify them.",
    "x": "Commands that plugins add.",
}
"""Command name to its line in ``--help``, so that help imports none of them."""


class LazyGroup(click.Group):
    """A group whose commands live in ``lensproc.cli.NAME.command``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the help page."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"lensproc.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name]) for name in self.list_commands(ctx)])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lensproc")
@click.option("--debug", is_flag=True, help="Show whole tracebacks.")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """Enhance FITS cutouts of strong gravitational lenses, and check what survived."""
    ctx.obj = {"debug": debug}


def main() -> None:
    """Run the command line; a `LensprocError` becomes one line and exit code 1, or 2 for wrong usage."""
    # Threads of numerical libraries that wait by spinning slow each other down several times on a busy machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        cli.main(standalone_mode=True)
    except LensprocError as error:
        if "--debug" in sys.argv:
            raise
        click.echo(f"lensproc: {error}", err=True)
        sys.exit(2 if isinstance(error, UsageError) else 1)
