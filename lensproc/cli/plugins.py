"""``lensproc plugins``: what is installed, what is broken and why, and whether a stage keeps the contract."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from lensproc.errors import PluginError

if TYPE_CHECKING:
    from lensproc.contract.registry import PluginRecord, Registry
    from lensproc.testing import CheckResult


@click.group("plugins")
def command() -> None:
    """List the plugins, or check one."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document.")
@click.pass_context
def list_plugins(ctx: click.Context, as_json: bool) -> None:
    """Show every plugin as OK, BLOCKED or BROKEN, with its stages.

    A broken plugin costs only itself; --debug before `plugins` shows its traceback.
    """
    from lensproc.contract.registry import load_registry, unknown_names

    registry = load_registry()
    for variable, names in unknown_names(registry).items():
        click.echo(f"note: {variable} names {', '.join(names)}, which is not installed", err=True)
    if as_json:
        click.echo(json.dumps([_describe(registry, record) for record in registry.records], indent=2))
        return
    for record in registry.records:
        click.echo(f"{record.status:8s}{record.name}  [{record.package}]")
        if record.reason:
            click.echo(f"        {record.reason}")
        if record.traceback and (ctx.obj or {}).get("debug"):
            click.echo(record.traceback.rstrip())
        manifests = [registry.manifests[stage] for stage in record.stages]
        names = [f"{m.id}:NAME" if m.family else m.id for m in manifests]
        width = max(map(len, names), default=0)
        for name, manifest in zip(names, manifests, strict=True):
            click.echo(f"        {name:{width}s}  {manifest.kind:8s}  {manifest.summary}")
    if not registry.records:
        click.echo("no plugin is installed")


def _describe(registry: Registry, record: PluginRecord) -> dict[str, Any]:
    return {
        "name": record.name,
        "package": record.package,
        "status": record.status,
        "reason": record.reason,
        "stages": [registry.manifests[stage].to_json() for stage in record.stages],
    }


@command.command("check")
@click.argument("name")
@click.option("--set", "settings", multiple=True, metavar="STAGE.OPTION=VALUE", help="Set a stage's option.")
@click.pass_context
def check_plugin(ctx: click.Context, name: str, settings: tuple[str, ...]) -> None:
    """Run the conformance suite on the stage NAME, or on every stage of the plugin NAME.

    A network without weights of its own is checked with those of a training, by --set STAGE.weights=FILE.
    Exits with 1 where a check fails.
    """
    from lensproc.config import StageSpec, apply_settings
    from lensproc.contract.registry import load_registry

    registry = load_registry()
    stages = apply_settings([StageSpec(stage) for stage in _stages_of(registry, name)], settings)

    from lensproc.testing.products import products_for
    from lensproc.testing.suite import CHECKS, run_check, subject_of

    failures = 0
    for stage in stages:
        products = products_for(registry, stage.id)
        subject = subject_of(stage.id, stage.options, products, registry)
        click.echo(f"{stage.id}  [{registry.package(stage.id)}]")
        for check in CHECKS:
            result = run_check(subject, check)
            failures += not result.ok
            _show(result, bool((ctx.obj or {}).get("debug")))
    total = len(stages) * len(CHECKS)
    click.echo(f"{failures} of {total} checks failed" if failures else f"none of {total} checks failed")
    if failures:
        ctx.exit(1)


def _stages_of(registry: Registry, name: str) -> tuple[str, ...]:
    for record in registry.records:
        if record.name != name:
            continue
        if record.status != "OK":
            raise PluginError(
                f"plugin {name} is {record.status}: {record.reason}",
                plugin=record.package,
                remedy="`lensproc --debug plugins list` shows the traceback" if record.traceback else None,
            )
        if not record.stages:
            raise PluginError(f"plugin {name} registers no stage", plugin=record.package)
        return tuple(stage for stage in record.stages if not registry.manifests[stage].family)
    registry.manifest(name)
    return (name,)


def _show(result: CheckResult, debug: bool) -> None:
    words = {"passed": "ok", "failed": "FAILED", "not applicable": "n/a"}
    click.echo(f"  {words.get(result.status, result.status):7s} {result.name}", nl=not result.message)
    if result.message:
        click.echo(f": {result.message}")
    if debug and result.traceback:
        click.echo(result.traceback.rstrip())
