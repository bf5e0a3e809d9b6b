"""The scores of a trained stage, beside those of the baselines, as tables of its card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lensproc.contract.manifest import Manifest

Record = Mapping[str, Any]


def scores_of(manifest: Manifest, evaluation: Record) -> list[str]:
    """Tables of one ``evaluate.json``: every method against every reference, and the fluxes of the stage."""
    data = evaluation["data"]
    sealed = ", a sealed set" if data.get("sealed") else ""
    lines = [
        f"## Scores on {data['name']}",
        "",
        f"{data['images']:,} images{sealed}; data range {evaluation['data_range']:.6g}; ×{evaluation['scale']}; "
        f"split SHA-256 `{data.get('split_sha256') or '–'}`. PSNR [dB] by both averages, with 95 % intervals; "
        f"gain: PSNR of the mean MSE less that of {evaluation['yardstick']}.",
    ]
    mine = {method["name"] for method in evaluation["methods"] if method["stage"] == manifest.id}
    quoted = {method["name"]: method["quoted"] for method in evaluation["methods"]}
    for reference, words in evaluation["references"].items():
        rows = [
            row
            for row in evaluation["scores"]
            if row["reference"] == reference
            and row["region"] == "all"
            and quoted.get(row["method"], {}).get(reference) == row["variant"]
        ]
        if rows:
            lines += ["", f"Against {words}:", "", *_score_table(mine, rows)]
    points = [row for row in evaluation["points"] if row["method"] in mine]
    if points:
        lines += [
            "",
            "Fluxes of point sources, measured over true (median), and scatter over the photon limit:",
            "",
        ]
        lines += ["| sources | measured | SNR | number | flux | scatter |", "|---|---|---|---|---|---|"]
        lines += [
            f"| {evaluation['samples'][row['sample']]} | {evaluation['places'][row['place']]} "
            f"| {row['snr_low']:g}–{row['snr_high']:g} | {row['sources']} "
            f"| {_interval(row, 'ratio', 3)} | {_interval(row, 'scatter', 2)} |"
            for row in points
        ]
    return lines


def _score_table(mine: set[str], rows: Sequence[Record]) -> list[str]:
    lines = [
        "| method | compared | PSNR, mean | PSNR of mean MSE | gain | SSIM | flux |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        name = f"**{row['method']}**" if row["method"] in mine else row["method"]
        cells = [name, row["variant"], _interval(row, "psnr_mean", 2), _interval(row, "psnr_of_mean", 2)]
        cells += [_interval(row, "gain_of_mean", 2), _number(row["ssim"], 4), _number(row["flux"], 4)]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}".replace("-", "−")


def _interval(row: Record, name: str, digits: int) -> str:
    value = _number(row[name], digits)
    low, high = (_number(row[f"{name}_{end}"], digits) for end in ("low", "high"))
    return value if "–" in (value, low, high) else f"{value} [{low}, {high}]"
