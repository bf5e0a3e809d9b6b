"""The scores of a trained stage, beside those of the baselines, as tables of its card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lensproc.contract.manifest import Manifest

Record = Mapping[str, Any]


CLASSIFIER_FIGURES = {
    "auc_macro": "AUC macro",
    "auc_micro": "AUC micro",
    "auc_merged": "AUC of any substructure",
    "accuracy": "accuracy",
    "ece": "ECE",
    "brier": "Brier",
    "coverage": "coverage of the 90 % sets",
    "set_size": "classes in them",
    "undecided": "undecided",
    "accuracy_decided": "accuracy where decided",
    "aurc": "AURC",
    "ood_below_01": "unlike the training (p < .01)",
}
"""Figures of a classifier by the name in ``evaluate.json``, after the area of each class."""


def scores_of(manifest: Manifest, evaluation: Record) -> list[str]:
    """Tables of one ``evaluate.json``.

    Of stages that make images every method against every reference, and the fluxes of the stage; of classifiers
    every figure of every stage.
    """
    if evaluation.get("kind") == "classify":
        return _classifier_scores(manifest, evaluation)
    return _image_scores(manifest, evaluation)


def _classifier_scores(manifest: Manifest, evaluation: Record) -> list[str]:
    data, methods = evaluation["data"], evaluation["methods"]
    sealed = ", a sealed set" if data.get("sealed") else ""
    left_out = (
        f" {evaluation['left_out']} images, on which a stage failed, are left out."
        if evaluation["left_out"]
        else ""
    )
    found = {(row["stage"], row["measure"], row["class"]): row for row in evaluation["scores"]}
    names = [method["name"] for method in methods]
    classes = list(
        dict.fromkeys(name for one in methods if len(one["classes"]) > 2 for name in one["classes"])
    )
    keys = {("auc", name): f"AUC {name}" for name in classes}
    keys |= {(measure, ""): words for measure, words in CLASSIFIER_FIGURES.items()}
    several = {one["name"] for one in methods if len(one["classes"]) > 2}
    lines = [
        f"## Scores on {data['name']}",
        "",
        f"{data['images']:,} images{sealed}; split SHA-256 `{data.get('split_sha256') or '–'}`. AUC: one class "
        "against the rest, on probabilities; ECE with 15 equal-width bins (Guo et al. 2017); 95 % intervals by "
        f"bootstrap over images.{left_out}",
        "",
        "| | " + " | ".join(f"**{name}**" if name == manifest.id else name for name in names) + " |",
        "|---" * (len(names) + 1) + "|",
    ]
    for (measure, of_class), words in keys.items():
        of_several = measure in ("auc", "auc_macro", "auc_micro")
        rows = [
            found.get((name, measure, of_class)) if name in several or not of_several else None
            for name in names
        ]
        if any(row is not None for row in rows):
            cells = ["–" if row is None else _interval(row, "value", 4) for row in rows]
            lines.append("| " + " | ".join([words, *cells]) + " |")
    counts = ["–" if one["parameters"] is None else f"{one['parameters']:,}" for one in methods]
    lines.append("| " + " | ".join(["parameters", *counts]) + " |")
    mine = next(one for one in methods if one["stage"] == manifest.id)
    lines += ["", "Images by true class (rows) and likeliest class (columns):", ""]
    lines += ["| | " + " | ".join(mine["classes"]) + " |", "|---" * (len(mine["classes"]) + 1) + "|"]
    for name, row in zip(mine["classes"], mine["confusion"], strict=True):
        lines.append("| " + " | ".join([name, *map(str, row)]) + " |")
    return lines


def _image_scores(manifest: Manifest, evaluation: Record) -> list[str]:
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
