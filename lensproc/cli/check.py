"""``lensproc check``: an output against its input, whoever made it."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, cast

import click

from lensproc.cli.read_options import build_read_options, read_options
from lensproc.errors import UsageError

if TYPE_CHECKING:
    from lensproc.engine.check_pair import CheckedPair

COLOURS = {"PASS": "green", "WARN": "yellow", "FAIL": "red", "NOSRC": "green", "UNKNOWN": "yellow"}
COLUMNS = ("id", "x", "y", "snr_in", "snr_out", "snr_forced", "dchi2_pair", "flux_in", "flux_out", "flux_err")
"""Numbers of the ``SOURCES`` table that are printed; ``--json`` has them all."""


@click.command("check")
@click.argument("original", metavar="INPUT")
@click.argument("output", metavar="OUTPUT")
@click.option(
    "--output-psf",
    metavar="same|RATIO|0",
    help="PSF of the output: as the input's, RATIO of its FWHM, or 0 for points.  [default: recorded, or same]",
)
@click.option(
    "--amplitude",
    type=click.Choice(["flux", "surface-brightness"]),
    help="What the output keeps: the sum over pixels, or their values.  [default: recorded, or measured]",
)
@click.option("--scale", type=click.IntRange(min=1), help="Output pixels per input pixel.  [default: shapes]")
@read_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@click.option("--strict", is_flag=True, help="Exit with 3 where a check fails.")
def command(
    original: str,
    output: str,
    output_psf: str | None,
    amplitude: str | None,
    scale: int | None,
    as_json: bool,
    strict: bool,
    **reading: object,
) -> None:
    """Check OUTPUT against the INPUT it was made from, whatever program made it.

    The quick checks of a run. What lensproc recorded in an output of its own need not be said again. The finder's
    threshold on the output of another program comes from that output's own blank sky, and the pixels of the input
    decide on every source.

    Exit code: 0; 1 where a file cannot be read; 2 wrong usage; 3 a check failed (with --strict).
    """
    said = build_read_options(reading)
    psf = _output_psf(output_psf)
    kept: Literal["flux", "surface brightness"] | None = None
    if amplitude is not None:
        kept = "flux" if amplitude == "flux" else "surface brightness"

    from lensproc.engine.check_pair import PairOptions, check_pair

    results = check_pair(original, output, said, PairOptions(psf, kept, scale))
    if as_json:
        records = [record_of(result) for result in results]
        click.echo(json.dumps(records, indent=1, ensure_ascii=False, allow_nan=False))
    else:
        for result in results:
            click.echo("\n".join(lines(result)))
    failed = any(result.enhanced.qa["QASTAT"].value == "FAIL" for result in results)
    sys.exit(3 if strict and failed else 0)


def _output_psf(text: str | None) -> str | float | None:
    if text is None or text == "same":
        return text
    try:
        ratio = float(text)
    except ValueError:
        ratio = math.nan
    if not 0.0 <= ratio <= 1.0:
        raise UsageError(f"--output-psf {text}: give same, or a fraction of the input's FWHM from 0 to 1")
    return ratio


def record_of(result: CheckedPair) -> dict[str, Any]:
    """Return the checks of a pair as JSON types."""
    states = states_of(result)
    sources = result.enhanced.sources
    columns = {} if sources is None else sources.columns
    count = 0 if sources is None else len(sources)
    return {
        "input": result.enhanced.original.source.file,
        "output": result.name,
        "basis": dict(result.basis),
        "qa": {
            name: {
                "value": _plain(value.value),
                "error": _plain(value.error),
                "unit": value.unit,
                "meaning": value.description,
                "state": states.get(name, "NONE"),
            }
            for name, value in result.enhanced.qa.items()
        },
        "sources": [{name: _plain(column[i]) for name, column in columns.items()} for i in range(count)],
        "units": {} if sources is None else dict(sources.units),
        "troubles": list(result.troubles),
    }


def states_of(result: CheckedPair) -> dict[str, str]:
    """PASS, WARN, FAIL or NONE by keyword, none worse than QASTAT, which was judged with all at hand."""
    from lensproc.report.judgement import state_of

    qa = result.enhanced.qa
    word = str(qa["QASTAT"].value)
    ranks = ["NONE", "PASS", "WARN", "FAIL"]
    worst = word if word in ranks else "PASS"
    states = {"QASTAT": word}
    for name, value in qa.items():
        if name != "QASTAT" and not isinstance(value.value, str):
            state = state_of(name, cast("float | None", value.value), value.error, result.chance)
            states[name] = min(state, worst, key=ranks.index)
    return states


def lines(result: CheckedPair) -> Iterator[str]:
    """Write the checks of a pair for people."""
    yield f"{result.name} against {result.enhanced.original.source.file}"
    for name, what in result.basis.items():
        yield f"  {name:<12} {what}"
    states = states_of(result)
    for name, value in result.enhanced.qa.items():
        state = states.get(name, "NONE")
        number = _number(value.value)
        if value.error is not None:
            number += f" ± {_number(value.error)}"
        mark = "" if state == "NONE" else click.style(f"{state:<5}", fg=COLOURS.get(state))
        yield f"  {name:<8} {number:<20} {value.unit:<4} {mark or '     '} {value.description}".rstrip()
    for trouble in result.troubles:
        yield f"  {click.style('failed', fg='red')} {trouble}"
    sources = result.enhanced.sources
    if sources is None or len(sources) == 0:
        yield "  no sources"
        return
    yield "  " + " ".join(f"{name:>10}" for name in COLUMNS) + "  label verdict"
    for i in range(len(sources)):
        numbers = " ".join(f"{_number(sources.columns[name][i]):>10}" for name in COLUMNS)
        verdict = str(sources.columns["verdict"][i])
        colour = {"HALLUC": "red", "LOST": "red", "AMBIG": "yellow"}.get(verdict, "green")
        yield f"  {numbers}  {sources.columns['label'][i]!s:<5} {click.style(verdict, fg=colour)}"


def _plain(value: Any) -> Any:
    item = value.item() if hasattr(value, "item") else value
    return None if isinstance(item, float) and not math.isfinite(item) else item


def _number(value: Any) -> str:
    plain = _plain(value)
    if plain is None:
        return "-"
    return f"{plain:.4g}" if isinstance(plain, float) else str(plain)
