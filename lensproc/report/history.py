"""How a cutout was made, in words: reading, stages, checks, versions, hashes, warnings."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from lensproc.enhanced import Activity
from lensproc.report.numbers import short
from lensproc.report.original import Compared
from lensproc.report.output import Output

_RESOLVED = {
    "pixel_scale": ("pixel scale", "″"),
    "psf": ("PSF FWHM", " px"),
    "zeropoint": ("zeropoint", " AB mag"),
    "unit": ("unit", ""),
    "amplitude": ("pixel values", ""),
    "lens_center": ("lens centre", " px"),
}


def history_html(output: Output, compared: Compared) -> str:
    """Put together the provenance of a cutout; warnings and failures stand outside the fold."""
    notes = [output.reading.message] if output.reading.message else []
    notes += [
        f"{row.id} {row.status}: {row.message}"
        for row in (*output.stages, *output.checks)
        if row.status != "OK"
    ]
    if compared.original is None or compared.reconstructed:
        notes.append(f"input: {compared.how_original}")
    lines = "".join(f"<dt>{escape(name)}</dt><dd>{text}</dd>" for name, text in _lines(output, compared))
    warned = "".join(f'<p class="notice">{escape(note)}</p>' for note in notes)
    sha = str(output.primary.get("LPINSHA") or "")
    summary = f"{chain_in_words(output)} · input SHA-256 {sha[:12]}…"
    return f"{warned}<details><summary>{escape(summary)}</summary><dl>{lines}</dl></details>"


def chain_in_words(output: Output) -> str:
    """Name the version of lensproc and the stages with theirs."""
    chain = " → ".join(f"{row.id} ({row.dist} {row.distver})" for row in output.stages) or "no stages"
    return f"lensproc {output.primary.get('LPVER')}: {chain}"


def _lines(output: Output, compared: Compared) -> list[tuple[str, str]]:
    primary = output.primary
    read = f"{primary.get('LPINFILE')}, HDU {primary.get('LPINEXT')}, as {output.record.get('dialect', '?')}"
    lines = [
        ("Input", escape(read)),
        ("SHA-256", f"<code>{escape(str(primary.get('LPINSHA')))}</code>"),
        ("Taken as", escape("; ".join(_taken(output)))),
    ]
    for number, row in enumerate(output.stages, start=1):
        lines.append((f"Stage {number}", escape(_stage(row))))
    lines += [("Checks", escape(_checks(row))) for row in output.checks]
    versions = _json(output.reading.versions)
    lines += [
        ("Versions", escape(", ".join(f"{name} {what}" for name, what in versions.items() if what))),
        ("Configuration", f"<code>{escape(str(primary.get('LPCFGSHA')))}</code>"),
        (
            "Run",
            f"<code>{escape(str(primary.get('LPRUNID')))}</code> at {escape(str(primary.get('LPDATE')))} UTC",
        ),
        ("Panels", escape(f"input {compared.how_original}; difference: {compared.how_difference}")),
    ]
    if output.dropped:
        lines.append(("HISTORY", escape("; ".join(output.dropped))))
    return lines


def _taken(output: Output) -> list[str]:
    words = []
    for name, (label, unit) in _RESOLVED.items():
        value, origin = output.resolved(name)
        if name == "psf" and value is not None:
            value = value["fwhm"]
        if value is None:
            words.append(f"{label} unknown")
            continue
        if isinstance(value, list):
            text = ", ".join(short(float(item)) for item in value)
        else:
            text = f"{value:.4g}" if isinstance(value, float) else str(value)
        words.append(f"{label} {text}{unit} ({origin})")
    return words


def _stage(row: Activity) -> str:
    options = ", ".join(f"{name}={value}" for name, value in _json(row.options).items())
    parts = [f"{row.id} ({row.dist}=={row.distver})", options, f"{row.device} {row.dtype}"]
    if row.wsha256:
        parts.append(f"weights {row.weights} {row.wsha256[:12]}…")
    parts += [f"{short(row.elapsed)} s" if row.elapsed else "", row.status, row.message]
    return ", ".join(part for part in parts if part)


def _checks(row: Activity) -> str:
    options = _json(row.options)
    parts = [str(options.get("checks", ""))]
    if options.get("calibrated_in_memory"):
        reason = options.get("calibration", "")
        parts.append(
            "finder calibrated on blanks at the start of the run" + (f" ({reason})" if reason else "")
        )
    parts += [f"{short(row.elapsed)} s" if row.elapsed else "", row.status, row.message]
    return ", ".join(part for part in parts if part)


def _json(text: str) -> dict[str, Any]:
    found = json.loads(text or "{}")
    return found if isinstance(found, dict) else {}
