"""The card of a trained stage: a page for people, made of what training, calibration and evaluation left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lensproc.contract.datafiles import package_folder, verified_path
from lensproc.contract.manifest import Manifest
from lensproc.errors import UsageError, WeightsError
from lensproc.qc.calibration import Calibration
from lensproc.qc.calibration_file import find_calibration
from lensproc.train.card_scores import scores_of
from lensproc.train.lookup import file_stem

CURVE_ROWS = 12
"""Rows of the table of the curve."""

Record = Mapping[str, Any]


def limits_path(manifest: Manifest) -> Path | None:
    """Text on the limits of a stage in its package, ``cards/ID.limits.md``; None where there is none."""
    try:
        path = package_folder(manifest) / "cards" / f"{file_stem(manifest.id)}.limits.md"
    except WeightsError:  # a single module
        return None
    return path if path.is_file() else None


def shipped_calibration(manifest: Manifest) -> Calibration | None:
    """Calibration that ships with a stage, for its default options; None where none does."""
    if manifest.calibration is None:
        return None
    text = verified_path(manifest, manifest.calibration).read_text(encoding="utf-8")
    return find_calibration(text, manifest.defaults, manifest.version)


def check_evaluation(manifest: Manifest, record: Record, evaluation: Record, file: str) -> None:
    """Refuse scores of other weights, or on images that training or validation has seen.

    Raises
    ------
    UsageError
        As said.
    """
    of_stage = [method for method in evaluation["methods"] if method["stage"] == manifest.id]
    if not of_stage:
        raise UsageError(f"the evaluation does not score {manifest.id}", file=file)
    known = {record["weights"]["sha256"], *(weights.sha256 for weights in manifest.weights)}
    if not any(method["weights_sha256"] in known for method in of_stage):
        found = of_stage[0]["weights_sha256"][:12] or "no weights"
        raise UsageError(
            f"the evaluation is of other weights ({found}…) than the record ({record['weights']['sha256'][:12]}…)",
            file=file,
        )
    seen = {share["split_sha256"] for split in ("train", "val") for share in record["data"][split]}
    if evaluation["data"].get("split_sha256") in seen:
        raise UsageError(
            f"the scores on {evaluation['data']['name']} are on images that training or validation has seen",
            file=file,
            remedy="evaluate on a sealed set, or on the split test",
        )


def card_of(
    manifest: Manifest,
    record: Record,
    evaluations: Sequence[Record],
    calibration: Calibration | None,
    limits: str,
) -> str:
    """Write the card as Markdown.

    Parameters
    ----------
    manifest : Manifest
        Of the stage.
    record : mapping
        ``ID.training.json``.
    evaluations : sequence of mapping
        ``evaluate.json`` of any number of sets.
    calibration : Calibration or None
        Of the stage with these weights.
    limits : str
        What it must not be used for, where it fails: by its author.
    """
    parts = [
        _head(manifest, record),
        _data(record),
        _training(record),
        *(scores_of(manifest, evaluation) for evaluation in evaluations),
    ]
    if not evaluations:
        parts.append(["## Scores", "", "None of `lensproc evaluate` were given to this card."])
    calibrated = _calibration(calibration) if manifest.kind == "enhance" else _fitted(record)
    parts += [calibrated, ["## Limits", "", limits.strip()]]
    return "\n\n".join("\n".join(lines) for lines in parts) + "\n"


def _head(manifest: Manifest, record: Record) -> list[str]:
    network = (
        ", ".join(f"{key} = {value}" for key, value in record["network"].items()) or "no hyperparameters"
    )
    lines = [f"# {manifest.id}", "", f"{manifest.summary[:1].upper()}{manifest.summary[1:]}.", ""]
    if manifest.citation:
        lines += [f"Method: {manifest.citation}", ""]
    lines += [
        "| | |",
        "|---|---|",
        f"| weights | `{record['weights']['file']}`, SHA-256 `{record['weights']['sha256']}` |",
        *_halved(manifest, record["weights"]["sha256"]),
        f"| network | {network} |",
        f"| parameters | {record['parameters']:,}, of which {record['trained_parameters']:,} were trained |",
        f"| plugin | {record['package'] or '–'} |",
    ]
    if record["start"]:
        lines.append(f"| started from | `{record['start']['file']}`, SHA-256 `{record['start']['sha256']}` |")
    return lines


def _halved(manifest: Manifest, sha256: str) -> list[str]:
    """Row on the file that ships, where it holds the weights of the record as float16."""
    from lensproc.nn.weights import half_of, read_weights

    return [
        f"| ships | with kernels as float16: `{shipped.file}`, SHA-256 `{shipped.sha256}` |"
        for shipped in manifest.weights
        if shipped.sha256 != sha256 and half_of(read_weights(verified_path(manifest, shipped))) == sha256
    ]


def _data(record: Record) -> list[str]:
    data = record["data"]
    lines = [
        "## Data",
        "",
        "Simulated by lensproc (`docs/simulate.md`). Training, validation and test have disjoint random streams.",
        "",
        "| split | recipe | images | seed | SHA-256 of the split |",
        "|---|---|---|---|---|",
    ]
    for split in ("train", "val"):
        for share in data[split]:
            cells = (
                split,
                share["recipe"],
                f"{share['number']:,}",
                share["seed"],
                f"`{share['split_sha256']}`",
            )
            lines.append("| " + " | ".join(map(str, cells)) + " |")
    return [*lines, "", f"SHA-256 of all of it: `{data['sha256']}`"]


def _training(record: Record) -> list[str]:
    recipe, machine, time = record["recipe"], record["machine"], record["time"]
    settings = ", ".join(f"{key} = {value}" for key, value in recipe["settings"].items())
    loss = ", ".join(f"{key} = {value}" for key, value in recipe["loss"].items()) or "the task's own"
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items() if version)
    ends = {
        "epochs": "all epochs were done",
        "budget": "the time budget was used up",
        "patience": "validation no longer improved",
        "not finite": "the loss was no longer finite",
    }
    where = f"{machine['devices']} × {machine['device']}" if machine["devices"] > 1 else machine["device"]
    if machine["device"] == "cpu":
        model = f" ({machine['processor']})" if machine.get("processor") else ""
        where += f"{model}, {machine['threads']} thread{'s' if machine['threads'] > 1 else ''}"
    best = record["best"]
    lines = [
        "## Training",
        "",
        f"Recipe `{recipe['name']}` ({recipe['summary']}), SHA-256 `{record['recipe_sha256']}`.",
        "",
        "| | |",
        "|---|---|",
        f"| settings | {settings} |",
        f"| loss | {loss} |",
        f"| machine | {where}; {machine['system']} |",
        f"| time | {time['minutes']:.1f} min, {record['steps']:,} steps; {ends[record['stopped']]} |",
        f"| best | {record['monitor']} {best['value']:.6g} in validation, epoch {best['epoch']} |",
        f"| versions | {versions} |",
        "",
        f"| epoch | step | min | training loss | validation {record['monitor']} |",
        "|---|---|---|---|---|",
    ]
    for number in _some([entry["step"] for entry in record["curve"]], best["step"]):
        entry, minutes = record["curve"][number], time["curve_minutes"][number]
        train, val = entry["train"].get("loss", float("nan")), entry["val"][record["monitor"]]
        lines.append(f"| {entry['epoch']} | {entry['step']} | {minutes:.1f} | {train:.5g} | {val:.5g} |")
    return lines


def _some(steps: Sequence[int], best: int) -> list[int]:
    """Numbers of at most `CURVE_ROWS` entries spread over a curve, with the first, the last and the best."""
    last = len(steps) - 1
    spread = {round(i * last / (CURVE_ROWS - 2)) for i in range(CURVE_ROWS - 1)}
    return sorted(spread | {steps.index(best)})


def _fitted(record: Record) -> list[str]:
    """List what was fitted to validation images by a stage that makes no image: the checks calibrate none such."""
    fitted: Mapping[str, float] = record.get("fitted") or {}
    lines = ["## Calibration", ""]
    if not fitted:
        return [*lines, "Nothing was fitted to validation images."]
    words = "Fitted to the validation images when training had ended, and kept with the weights."
    if again := record.get("fitted_to"):
        images = ", ".join(f"`{share}`" for share in again["images"])
        words = (
            f"Fitted again after the training, and kept with the weights, to these images of the "
            f"`{again['split']}` streams of seed {again['seed']}: {images}."
        )
    return [
        *lines,
        words,
        "",
        "| | |",
        "|---|---|",
        *(f"| {name.replace('_', ' ')} | {value:.4g} |" for name, value in fitted.items()),
    ]


def _calibration(calibration: Calibration | None) -> list[str]:
    lines = ["## Calibration", ""]
    if calibration is None:
        return [*lines, "None ships with it: a run measures a small one for itself (`docs/quality.md`)."]
    lines += [
        f"Measured on {calibration.blanks} blanks per setting (`docs/quality.md`).",
        "",
        "| FWHM of the input [px] | correlation of its noise | noise gain | highest value on blanks [σ] |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {level.fwhm:g} | {level.lag1:g} | {level.gain:.3f} | {level.maximum:.2f} |"
        for level in calibration.levels
    ]
    if calibration.conformal is not None:
        found = calibration.conformal
        factors = ", ".join(f"{name} {factor:.2f}" for name, factor in found.factors.items())
        lines += [
            "",
            f"90 % intervals are these factors times 1σ ({found.basis}; {found.scenes} scenes): {factors}.",
        ]
    if calibration.domain is not None:
        known = calibration.domain
        reach = "on, however bright" if known.high is None else f"to {known.high:.3g} σ"
        lines += [
            "",
            f"Trained on pixels from {known.low:.3g} σ {reach}, as measured on {known.images} images: "
            f"{known.source}.",
        ]
    return lines
