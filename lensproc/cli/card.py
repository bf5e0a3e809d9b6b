"""``lensproc card``: the page that tells people what a trained stage is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from lensproc.errors import InputError, UsageError

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("card", short_help="Write the card of a trained stage.")
@click.argument("stage")
@click.option("--record", type=FILE, required=True, help="STAGE.training.json of lensproc train.")
@click.option(
    "--evaluation", "evaluations", type=FILE, multiple=True,
    help="evaluate.json of lensproc evaluate; as often as there are sets.",
)  # fmt: skip
@click.option("--calibration", type=FILE, help="STAGE.calibration.json  [default: the one that ships]")
@click.option(
    "--limits", type=FILE, help="Text on what it cannot do  [default: cards/STAGE.limits.md of its package]"
)
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="[default: STAGE.md]")
def command(
    stage: str,
    record: Path,
    evaluations: tuple[Path, ...],
    calibration: Path | None,
    limits: Path | None,
    output: Path | None,
) -> None:
    """Write the card of STAGE: data, training, scores, calibration and limits, as Markdown.

    \b
    lensproc card srresnet --record srresnet/srresnet.training.json --evaluation sr-a/evaluate.json
    """  # noqa: D301  click reads the backspace character as "keep these lines"
    from lensproc.contract.registry import load_registry
    from lensproc.fits.atomic import atomic_write
    from lensproc.qc.calibration_file import find_calibration
    from lensproc.train.card import card_of, check_evaluation, limits_path, shipped_calibration
    from lensproc.train.lookup import file_stem

    manifest = load_registry().manifest(stage)
    of_training = _json(record)
    if of_training.get("stage") != stage:
        raise UsageError(f"the record is of {of_training.get('stage')!r}, not of {stage}", file=record.name)
    scored = [_json(path) for path in evaluations]
    for path, evaluation in zip(evaluations, scored, strict=True):
        check_evaluation(manifest, of_training, evaluation, path.name)
    if calibration is None:
        measured = shipped_calibration(manifest)
    else:
        measured = find_calibration(calibration.read_text("utf-8"), manifest.defaults, manifest.version)
    text = limits or limits_path(manifest)
    if text is None:
        raise UsageError(
            f"nothing says what {stage} cannot do", remedy="write it and give it with --limits FILE"
        )
    target = output or Path(f"{file_stem(stage)}.md")
    page = card_of(manifest, of_training, scored, measured, text.read_text("utf-8"))
    atomic_write(target, page.encode())
    click.echo(str(target))


def _json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"this is no JSON: {error}", file=path.name) from None
    return content
