"""Score every stage that doubles the number of pixels on the sealed sets: a file of scores per row and set.

Rows are the classical stages, the stages whose weights ship, and every training found in the folders of
``--trained`` (``FOLDER/*/ID.training.json`` with its weights beside it, as ``lensproc train -o FOLDER/RECIPE``
leaves them). What is scored already (same row, weights, set, number of images) is not scored again, so the
command may run while trainings go on. ``super_resolution_table.py`` puts the files together.

Usage: python benchmarks/super_resolution_rows.py -o FOLDER [--trained FOLDER]… [--set sealed-sr-a=100]…
       [--points 400] [ROW]…
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
import tomllib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lensproc.contract.manifest import Manifest
from lensproc.contract.registry import load_registry
from lensproc.evaluate.intervals import Measured
from lensproc.evaluate.scoring.dataset import DataSet, open_dataset
from lensproc.evaluate.scoring.example import Example
from lensproc.evaluate.scoring.methods import ITERATIONS, Method, open_method
from lensproc.evaluate.scoring.points import PointFlux, measure_points
from lensproc.evaluate.scoring.run import CHUNK, data_range_of
from lensproc.evaluate.scoring.score import Score, grounds_of, score
from lensproc.evaluate.scoring.summary import Summary, quoted, summarise
from lensproc.nn.weights import half_of, read_weights

SCALE = 2
YARDSTICK = "bicubic"
SETS = ("sealed-sr-a=100", "sealed-sr-b=100", "sealed-deeplense-1=30")
POINTS = "sealed-quasars"
POINT_ROWS = (
    "bicubic",
    "richardson-lucy-10",
    "richardson-lucy-20",
    "starlet",
    "lens-sr",
    "resnet-sisr",
    "srresnet",
)
AGAINST = ("noisy", "partner", "truth", "gaussian")
SHIPPED = ("lens-sr", "resnet-sisr", "srresnet")
ROWS = Path(__file__).with_name("super_resolution_rows.toml")
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")

Record = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Parameters
    ----------
    name : str
        Of the row: a stage, or the recipe that its weights are from.
    method : Method
        Stage and options.
    weights_sha256 : str
        Of the file of weights; empty where there is none.
    parameters : int
        Weights of the network; 0 for no network.
    training : tuple of mapping
        The trainings that led to the weights, one after the other: ``recipe``, ``steps``, ``minutes``,
        ``precision``, ``device``, ``threads``. Empty where no record was found.
    """

    name: str
    method: Method
    weights_sha256: str = ""
    parameters: int = 0
    training: tuple[Record, ...] = ()

    def file(self, output: Path, dataset: str, number: int) -> Path:
        """Where the scores of this row on a set are kept."""
        return output / dataset / f"{self.name}-{self.weights_sha256[:12] or 'classical'}-{number}.json"


def rows_of(trained: Sequence[Path]) -> list[Row]:
    """All rows that there are, in the order of ``super_resolution_rows.toml``, then others."""
    found = {row.name: row for row in (*trained_rows(trained), *shipped_rows(trained), *classical_rows())}
    order = [entry["name"] for entry in tomllib.loads(ROWS.read_text("utf-8"))["row"]]
    return sorted(
        found.values(), key=lambda row: order.index(place_of(row)) if place_of(row) in order else 99
    )


def place_of(row: Row) -> str:
    """Name under which a row stands in the table: Richardson-Lucy stands there once."""
    return "richardson-lucy" if row.method.stage == "richardson-lucy" else row.name


def classical_rows() -> Iterator[Row]:
    """Interpolations and deconvolutions; Richardson-Lucy once per number of iterations."""
    for stage in (YARDSTICK, "lanczos", "starlet"):
        yield Row(stage, method(stage, stage, {}, baseline=True))
    for count in ITERATIONS:
        name = f"richardson-lucy-{count}"
        yield Row(name, method(name, "richardson-lucy", {"iterations": count}, baseline=True))


def shipped_rows(trained: Sequence[Path]) -> Iterator[Row]:
    """Stages whose weights ship."""
    records = {record["weights"]["sha256"]: record for _, record in records_in(trained)}
    for stage in SHIPPED:
        manifest = load_registry().manifest(stage)
        if manifest.weights:
            path = file_of(manifest)
            weights = read_weights(path)
            origin = half_of(weights) or weights.sha256
            yield Row(stage, method(stage, stage, {}), weights.sha256, count(path), history(records, origin))


def trained_rows(trained: Sequence[Path]) -> Iterator[Row]:
    """Trainings in folders, of stages of this scale; called by their recipe."""
    found = list(records_in(trained))
    records = {record["weights"]["sha256"]: record for _, record in found}
    for path, record in found:
        manifest = load_registry().manifest(record["stage"])
        if manifest.kind != "enhance" or manifest.scale != SCALE or manifest.id == "lens-sr":
            continue
        options: dict[str, object] = {"weights": str(path)}
        if any(option.name == "sigma" for option in manifest.options):
            options["sigma"] = str(record["network"]["denoiser"]["sigma"])
        name, sha = record["recipe"]["name"], hashlib.sha256(path.read_bytes()).hexdigest()
        if sha != record["weights"]["sha256"]:
            continue  # a training that goes on: the weights are newer than the record
        yield Row(name, method(name, manifest.id, options), sha, count(path), history(records, sha))


def records_in(trained: Sequence[Path]) -> Iterator[tuple[Path, Record]]:
    """Finished trainings: their weights and their record."""
    for folder in trained:
        for path in sorted(folder.glob("*/*.training.json")):
            record = json.loads(path.read_text("utf-8"))
            if record.get("weights") is not None:
                yield path.with_name(record["weights"]["file"]), record


def history(records: Mapping[str, Record], sha256: str) -> tuple[Record, ...]:
    """Trainings that led to weights, the first one first."""
    record = records.get(sha256)
    if record is None:
        return ()
    before = history(records, record["start"]["sha256"]) if record["start"] else ()
    machine = record["machine"]
    last = {
        "recipe": record["recipe"]["name"],
        "steps": record["steps"],
        "minutes": record["time"]["minutes"],
        "precision": record["recipe"]["settings"]["precision"],
        "device": machine["device"],
        "threads": machine["threads"],
    }
    return (*before, last)


def method(name: str, stage: str, options: Mapping[str, object], *, baseline: bool = False) -> Method:
    """Describe a stage for scoring."""
    resolved = load_registry().manifest(stage).resolve_options(dict(options))
    return Method(name, stage, tuple(sorted(resolved.items())), "cpu", baseline)


def file_of(manifest: Manifest) -> Path:
    """Weights that ship with a stage."""
    from lensproc.contract.datafiles import verified_path

    return verified_path(manifest, manifest.weights[0])


def count(path: Path) -> int:
    """Count the weights in a file, without the statistics of normalisations."""
    state = read_weights(path).state
    return sum(tensor.numel() for name, tensor in state.items() if not name.endswith(BUFFERS))


def score_set(rows: Sequence[Row], dataset: DataSet, output: Path) -> None:
    """Score rows on a set, and write each as soon as it is done."""
    pending = [row for row in rows if not row.file(output, dataset.name, dataset.number).is_file()]
    if not pending:
        return
    data_range = data_range_of(dataset, SCALE)
    examples = dataset.examples(range(dataset.number), SCALE, AGAINST)
    yardstick = next(row for row in rows if row.name == YARDSTICK)
    base, _ = scores_of(yardstick, examples, data_range)
    for row in pending:
        scores, seconds = scores_of(row, examples, data_range)
        both = scores if row.name == YARDSTICK else [*base, *scores]
        summaries = summarise(both, data_range, YARDSTICK)
        record = about(row, dataset) | {"data_range": data_range, "seconds_per_image": seconds}
        found = {name: quoted(summaries, row.name, name, baseline=row.method.baseline) for name in AGAINST}
        record["scores"] = {name: figures(one) for name, one in found.items() if one is not None}
        write(row.file(output, dataset.name, dataset.number), record)
        first = next(iter(record["scores"]))
        print(
            f"{dataset.name}  {row.name:26s}{record['scores'][first]['gain'][0]:+7.3f} dB against {first}, "
            f"{seconds:.2f} s per image",
            flush=True,
        )


def scores_of(row: Row, examples: Sequence[Example], data_range: float) -> tuple[list[Score], float]:
    """Scores of a row on every image, and seconds per image."""
    enhance, seconds, scores = open_method(row.method), 0.0, []
    for at in range(0, len(examples), CHUNK):
        part = examples[at : at + CHUNK]
        started = time.perf_counter()
        results = enhance([example.cutout for example in part])
        seconds += time.perf_counter() - started
        for example, result in zip(part, results, strict=True):
            scores += score(example, result, row.name, grounds_of(example, SCALE), SCALE, data_range)
    return scores, seconds / len(examples)


def score_points(rows: Sequence[Row], dataset: DataSet, output: Path) -> None:
    """Measure the point sources of quasars with two images on the outputs of rows."""
    pending = [row for row in rows if not row.file(output, dataset.name, dataset.number).is_file()]
    if not pending:
        return
    fluxes: list[PointFlux] = []
    for at in range(0, dataset.number, CHUNK):
        every = dataset.examples(range(at, min(at + CHUNK, dataset.number)), SCALE, ())
        examples = [example for example in every if example.points.kind.count("quasar") == 2]
        if not examples:
            continue
        cutouts = [example.cutout for example in examples]
        made = {row.name: open_method(row.method)(cutouts) for row in pending}
        for i, example in enumerate(examples):
            fluxes += measure_points(example, {name: results[i] for name, results in made.items()})
        print(f"{dataset.name}  {at + len(every)} of {dataset.number}", flush=True)
    for row in pending:
        record = about(row, dataset)
        for name, key in ((row.name, "points"), ("input", "input")):
            those = [flux for flux in fluxes if flux.method == name]
            record[key] = [[f.index, f.place, f.fainter, f.snr, f.ratio, f.pull] for f in those]
        write(row.file(output, dataset.name, dataset.number), record)


def about(row: Row, dataset: DataSet) -> Record:
    """Say what the scores of a row depend on."""
    return {
        "row": row.name,
        "stage": row.method.stage,
        "options": {key: value for key, value in row.method.options if key != "weights"},
        "weights_sha256": row.weights_sha256,
        "parameters": row.parameters,
        "training": list(row.training),
        "data": dataset.describe(),
    }


def figures(one: Summary) -> Record:
    """Pick the figures of the table."""
    return {
        "compared": one.variant,
        "psnr_of_mean": ends(one.psnr_of_mean),
        "gain": ends(one.gain_of_mean),
        "psnr_mean": ends(one.psnr_mean),
        "ssim": ends(one.ssim),
        "flux": ends(one.flux),
        "missing": one.missing,
    }


def ends(measured: Measured) -> list[float]:
    """Value and interval."""
    return [measured.value, measured.low, measured.high]


def write(path: Path, record: Record) -> None:
    """Write a file of scores, at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    partial.replace(path)


def main() -> None:
    """Score what is not scored yet."""
    parser = argparse.ArgumentParser(description="Score the stages that double the number of pixels.")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--trained", type=Path, action="append", default=[], metavar="FOLDER")
    parser.add_argument("--set", dest="sets", action="append", metavar="NAME=N", help=f"{', '.join(SETS)}")
    parser.add_argument("--points", type=int, default=0, help=f"images of {POINTS}; 0: no point sources")
    parser.add_argument("rows", nargs="*", metavar="ROW", help="only these, by name")
    arguments = parser.parse_intermixed_args()
    warnings.filterwarnings("ignore", module=r"lenstronomy(\..*)?")
    rows = [
        row
        for row in rows_of(arguments.trained)
        if not arguments.rows or row.name == YARDSTICK or row.name in arguments.rows
    ]
    for text in SETS if arguments.sets is None else arguments.sets:
        name, _, number = text.partition("=")
        if name:
            score_set(rows, open_dataset(name, int(number)), arguments.output)
    if arguments.points:
        those = [row for row in rows if row.name in POINT_ROWS]
        score_points(those, open_dataset(POINTS, arguments.points), arguments.output)


if __name__ == "__main__":
    main()
