"""What ``lensproc evaluate`` writes: JSON, ECSV tables, the report and a picture."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lensproc.evaluate.experiment import Column, columns_of, make_table, records_of, spread_out
from lensproc.evaluate.folder import ecsv_of, write_files
from lensproc.evaluate.scoring.example import REFERENCES
from lensproc.evaluate.scoring.markdown import report_of
from lensproc.evaluate.scoring.metrics import psnr
from lensproc.evaluate.scoring.points import PLACES, SAMPLES, PointSummary
from lensproc.evaluate.scoring.run import Evaluation
from lensproc.evaluate.scoring.score import VARIANTS, Score
from lensproc.evaluate.scoring.summary import MEASURES, Summary

if TYPE_CHECKING:
    from astropy.table import Table

SCHEMA = 1


def scores_table(summaries: Sequence[Summary]) -> Table:
    """One row per reference, method, way of comparing, and region."""
    keys = {
        "reference": Column("what was compared with"),
        "method": Column("stage or baseline"),
        "variant": Column("how it was compared"),
        "region": Column("pixels that were compared"),
        "images": Column("images with such pixels"),
        "exact": Column("images without any error, whose PSNR is infinite"),
        "missing": Column("pixels without a value where the input has one, of all images"),
    }
    columns = dict(keys)
    for name, text in MEASURES.items():
        columns |= columns_of(name, text)
    rows = []
    for one in summaries:
        row: dict[str, object] = {key: getattr(one, key) for key in keys}
        for name in MEASURES:
            row |= spread_out(name, getattr(one, name))
        rows.append(row)
    return make_table(rows, columns)


def images_table(scores: Sequence[Score], data_range: float) -> Table:
    """Scores of every image over all its pixels."""
    columns = {
        "reference": Column("what was compared with"),
        "method": Column("stage or baseline"),
        "variant": Column("how it was compared"),
        "index": Column("number of the image"),
        "mse": Column("mean squared error [unit^2]"),
        "psnr": Column("peak signal-to-noise ratio", "dB"),
        "ssim": Column("structural similarity"),
        "flux": Column("total light over that of the reference"),
        "noise": Column("noise of the input [unit]"),
    }
    rows: list[dict[str, object]] = [
        {
            "reference": one.reference,
            "method": one.method,
            "variant": one.variant,
            "index": one.index,
            "mse": one.regions["all"].mse,
            "psnr": psnr(one.regions["all"].mse, data_range),
            "ssim": one.regions["all"].ssim,
            "flux": one.flux,
            "noise": one.sigma,
        }
        for one in scores
    ]
    return make_table(rows, columns)


def points_table(points: Sequence[PointSummary]) -> Table:
    """Fluxes of point sources."""
    columns = {
        "sample": Column("which sources"),
        "place": Column("where they were measured"),
        "method": Column("on whose output"),
        "snr_low": Column("true flux over its photon error, from"),
        "snr_high": Column("to"),
        "sources": Column("how many"),
        **columns_of("ratio", "measured over true flux, median"),
        **columns_of("scatter", "half the middle 68 % of (measured - true flux) over the photon error"),
    }
    rows = [
        {
            "sample": one.sample,
            "place": one.place,
            "method": one.method,
            "snr_low": one.low,
            "snr_high": one.high,
            "sources": one.ratio.n,
            **spread_out("ratio", one.ratio),
            **spread_out("scatter", one.scatter),
        }
        for one in points
    ]
    return make_table(rows, columns)


def to_json(evaluation: Evaluation, about: Mapping[str, Any]) -> str:
    """Return all that a second run gives again as JSON; null where a number is not known or infinite.

    Parameters
    ----------
    evaluation : Evaluation
        What was measured.
    about : mapping
        Versions, put first.
    """
    methods = [
        {
            "name": method.name,
            "stage": method.stage,
            "options": dict(method.options),
            "baseline": method.baseline,
            "weights": evaluation.weights.get(method.name, ("", ""))[0],
            "weights_sha256": evaluation.weights.get(method.name, ("", ""))[1],
            "quoted": {
                name: row.variant
                for name in evaluation.references
                if (row := evaluation.quoted(method, name)) is not None
            },
        }
        for method in evaluation.methods
    ]
    record = {
        "schema": SCHEMA,
        **about,
        "data": evaluation.dataset.describe(),
        "scale": evaluation.scale,
        "data_range": evaluation.data_range,
        "yardstick": evaluation.yardstick,
        "references": REFERENCES,
        "variants": VARIANTS,
        "samples": SAMPLES,
        "places": PLACES,
        "methods": methods,
        "best_iterations": {name: evaluation.best_iterations(name) for name in evaluation.references},
        "scores": records_of(scores_table(evaluation.summaries)),
        "points": records_of(points_table(evaluation.points)),
    }
    return json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write(evaluation: Evaluation, about: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write all files into a folder, which is made where it is missing.

    Returns
    -------
    list of Path
        Files written, the report last.

    Raises
    ------
    UsageError
        Where matplotlib is not installed.
    OutputError
        Where a file cannot be written.
    """
    from lensproc.evaluate.scoring.picture import picture_of

    tables = {
        "scores": scores_table(evaluation.summaries),
        "images": images_table(evaluation.scores, evaluation.data_range),
    }
    if evaluation.points:
        tables["points"] = points_table(evaluation.points)
    files: dict[str, bytes] = {"evaluate.json": to_json(evaluation, about).encode()}
    meta = {**about, **evaluation.dataset.describe(), "data_range": evaluation.data_range}
    files |= {f"{name}.ecsv": ecsv_of(table, meta) for name, table in tables.items()}
    speed = {"unit": "images per second and process", **evaluation.speed}
    files["speed.json"] = (json.dumps(speed, indent=1) + "\n").encode()
    if evaluation.panels:
        files["examples.png"] = picture_of(evaluation)
    files["evaluate.md"] = report_of(evaluation).encode()
    return write_files(folder, files)
