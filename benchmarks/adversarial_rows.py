"""Measure one stage on everything that the table of adversarial networks holds; see ``adversarial_table.py``."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from lensproc.contract.manifest import OptionValue
from lensproc.contract.registry import load_registry
from lensproc.errors import UsageError
from lensproc.evaluate import blanks, control, pairs, quasars
from lensproc.evaluate.experiment import Experiment, Trial
from lensproc.evaluate.intervals import Measured, median
from lensproc.evaluate.scenes import scene
from lensproc.evaluate.scoring.dataset import DataSet, open_dataset
from lensproc.evaluate.scoring.example import Example, simulated_example
from lensproc.evaluate.scoring.points import (
    INPUT,
    PLACES,
    PointFlux,
    bootstrapped,
    half_width,
    measure_points,
)
from lensproc.evaluate.scoring.run import CHUNK, data_range_of
from lensproc.evaluate.scoring.score import Score, grounds_of, score
from lensproc.evaluate.scoring.summary import quoted, summarise
from lensproc.evaluate.sizes import FULL, QUICK, Sizes
from lensproc.evaluate.subjects import Subject, System, open_system
from lensproc.qc.fidelity import residual_chi2
from lensproc.qc.pair import side_by_side

SCALE = 2
SEED = 1
"""Of the experiments of ``lensproc validate``; that of the sealed sets is their own."""

QUASARS, PAIRS = "sealed-quasars", "sealed-sr-b"
REFERENCES = ("truth", "gaussian")
FAINTER_SNR = 20.0
PAIR_SNR = 100.0
RATIOS = (1.0, 3.0)

Record = dict[str, Any]


@dataclass(frozen=True)
class TableSizes:
    """How much is measured.

    Parameters
    ----------
    blanks, control : int
        Empty fields, lenses with clumpy arcs and without a quasar.
    scenes : int
        Images of `QUASARS` that are looked through for those of two quasars.
    images : int
        Images of `PAIRS`.
    pairs, singles : int
        Pairs of stars per separation and flux ratio, single stars.
    separations : tuple of float
        Of the pairs [FWHM].
    """

    blanks: int = 1000
    control: int = 1000
    scenes: int = 400
    images: int = 100
    pairs: int = 40
    singles: int = 100
    separations: tuple[float, ...] = FULL.separations

    @property
    def validation(self) -> Sizes:
        """The same for the experiments of ``lensproc validate``."""
        return replace(
            FULL,
            blanks=self.blanks,
            control=self.control,
            separations=self.separations,
            ratios=RATIOS,
            pair_snrs=(PAIR_SNR,),
            pairs=self.pairs,
            singles=self.singles,
        )


SMALL = TableSizes(24, 12, 24, 8, 4, 8, QUICK.separations)
"""To try whether a row runs, and how long the whole will take."""


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Parameters
    ----------
    name : str
        Of the row.
    stage : str
        Stage id.
    options : mapping
        Options that are set, weights among them.
    baseline : bool
        True for one that others are held against: it is quoted with the better of its two PSNR.
    """

    name: str
    stage: str
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    baseline: bool = False

    @property
    def resolved(self) -> tuple[tuple[str, OptionValue], ...]:
        """All options of the stage.

        Raises
        ------
        PluginError
            Where there is no such stage.
        UsageError
            Where it has no such option, or does not double the number of pixels.
        """
        manifest = load_registry().manifest(self.stage)
        options = manifest.resolve_options(dict(self.options))
        if manifest.scale_for(options) != SCALE:
            raise UsageError(f"stage {self.stage} does not double the number of pixels")
        return tuple(sorted(options.items()))

    @property
    def weights_sha256(self) -> str:
        """Of the file of weights; empty for a stage without.

        Raises
        ------
        UsageError
            Where there is no such file.
        """
        path = str(self.options.get("weights", ""))
        if path:
            if not Path(path).is_file():
                raise UsageError("there is no such file of weights", file=path)
            return hashlib.sha256(Path(path).read_bytes()).hexdigest()
        manifest = load_registry().manifest(self.stage)
        return manifest.weights[0].sha256 if manifest.weights else ""

    def depends_on(self, sizes: TableSizes) -> Record:
        """Return what the figures of this row follow from, as JSON has it."""
        sets = [open_dataset(QUASARS, sizes.scenes), open_dataset(PAIRS, sizes.images)]
        return {
            "stage": self.stage,
            "version": load_registry().manifest(self.stage).version,
            "options": {name: value for name, value in self.resolved if name != "weights"},
            "weights_sha256": self.weights_sha256,
            "sizes": {**asdict(sizes), "separations": list(sizes.separations)},
            "seed": SEED,
            "data": [one.describe() for one in sets],
        }


def measure_row(row: Row, sizes: TableSizes, tell: Callable[[str], None] = print) -> Record:
    """Measure a stage on everything.

    Returns
    -------
    dict
        ``depends``; ``seconds`` of processor time by part; ``measured``: name to [value, low, high, trials].
    """
    seconds: dict[str, float] = {}

    @contextmanager
    def timed(part: str) -> Iterator[None]:
        started = time.process_time()
        yield
        seconds[part] = round(time.process_time() - started, 2)
        tell(f"{row.name}: {part} {seconds[part]:.0f} s")

    depends = row.depends_on(sizes)
    with timed("calibration"):
        subject = open_system(System(row.name, row.stage, row.resolved, "cpu"))
    found: dict[str, Measured] = {}
    with timed(QUASARS):
        found |= of_quasars(row, subject, sizes.scenes)
    with timed(PAIRS):
        found |= of_pair_images(row, subject, sizes.images)
    for experiment, figures in EXPERIMENTS.items():
        with timed(experiment.name):
            found |= figures(row.name, trials_of(experiment, subject, sizes.validation))
    measured = {name: [one.value, one.low, one.high, one.n] for name, one in found.items()}
    return {"row": row.name, "depends": depends, "seconds": seconds, "measured": measured}


def trials_of(experiment: Experiment, subject: Subject, sizes: Sizes) -> list[Trial]:
    """Trials of an experiment of ``lensproc validate`` on one subject."""
    indices = list(experiment.indices(sizes))
    parts = (indices[at : at + experiment.chunk] for at in range(0, len(indices), experiment.chunk))
    return [trial for part in parts for trial in experiment.measure(subject, SEED, part, sizes)]


def of_quasars(row: Row, subject: Subject, number: int) -> dict[str, Measured]:
    """Everything on those of the first `number` images of `QUASARS` that show two images of a quasar."""
    dataset = open_dataset(QUASARS, number)
    seen = SetScores(row, dataset)
    trials: list[quasars.Field] = []
    for at in range(0, number, CHUNK):
        # each scene is simulated once: this chunk fits into the cache of `scene`
        scenes = {index: scene(QUASARS, dataset.seed, index) for index in range(at, min(at + CHUNK, number))}
        kinds = {index: [point.kind for point in one.sim.scene.points] for index, one in scenes.items()}
        chosen = [index for index, those in kinds.items() if those.count("quasar") == 2]
        if chosen:
            trials += quasars.measure_scenes(subject, QUASARS, dataset.seed, chosen)
            seen.add(subject, [simulated_example(scenes[index].sim, SCALE, REFERENCES) for index in chosen])
    table = quasars.tabulate(trials)
    found = {name: cell(table[0], name, "candidates") for name in ("purity", "invented")}
    found["peaks"] = cell(table[0], "peaks", "scenes")
    return {**found, "completeness": cell(table[0], "completeness", "sources"), **seen.figures()}


def of_pair_images(row: Row, subject: Subject, number: int) -> dict[str, Measured]:
    """Everything on the first `number` images of `PAIRS`."""
    dataset = open_dataset(PAIRS, number)
    seen = SetScores(row, dataset)
    for at in range(0, number, CHUNK):
        seen.add(subject, dataset.examples(range(at, min(at + CHUNK, number)), SCALE, REFERENCES))
    return seen.figures()


def cell(row: Any, name: str, count: str) -> Measured:
    """Value of a table with its interval."""
    value, low, high = (float(row[f"{name}{end}"]) for end in ("", "_low", "_high"))
    return Measured(value, low, high, int(row[count]))


class SetScores:
    """PSNR, SSIM, forward χ² and the flux of the fainter image of a quasar, gathered over images of one set.

    Parameters
    ----------
    row : Row
        What is measured.
    dataset : DataSet
        Where the images are from; it gives the data range.
    """

    def __init__(self, row: Row, dataset: DataSet) -> None:
        self.row, self.dataset = row, dataset
        self.data_range = data_range_of(dataset, SCALE)
        self.scores: list[Score] = []
        self.fluxes: list[PointFlux] = []
        self.chi2: list[float] = []

    def add(self, subject: Subject, examples: Sequence[Example]) -> None:
        """Enhance some images and measure them."""
        name = self.row.name
        results = subject.enhance([example.cutout for example in examples])
        for example, result in zip(examples, results, strict=True):
            self.scores += score(example, result, name, grounds_of(example, SCALE), SCALE, self.data_range)
            pair = side_by_side(result)
            value = None if pair is None else residual_chi2(pair).value
            self.chi2.append(np.nan if value is None else float(value))
            if self.dataset.has_points:
                self.fluxes += measure_points(example, {name: result})

    def figures(self) -> dict[str, Measured]:
        """Sum up."""
        name, dataset = self.row.name, self.dataset
        found = {f"{dataset.name} chi2": median(np.array(self.chi2))}
        rows = summarise(self.scores, self.data_range, name)
        for reference in REFERENCES:
            best = quoted(rows, name, reference, baseline=self.row.baseline)
            if best is not None:
                for measure in ("psnr_of_mean", "psnr_mean", "ssim"):
                    found[f"{dataset.name} {reference} {measure}"] = getattr(best, measure)
        return found | (of_fluxes(name, self.fluxes) if dataset.has_points else {})


def of_fluxes(name: str, fluxes: Sequence[PointFlux]) -> dict[str, Measured]:
    """Flux of the fainter image of quasars: median found/true, and its scatter over the photon error."""
    found = {}
    for method, place in ((INPUT, "H(output)"), *((name, place) for place in PLACES)):
        those = [
            flux
            for flux in fluxes
            if (flux.method, flux.place) == (method, place) and flux.fainter and flux.snr >= FAINTER_SNR
        ]
        key = INPUT if method == INPUT else place
        ratio, pull = np.array([flux.ratio for flux in those]), np.array([flux.pull for flux in those])
        found[f"{key} ratio"] = bootstrapped(ratio, lambda values: np.median(values, axis=-1))
        found[f"{key} scatter"] = bootstrapped(pull, half_width)
    return found


def of_blanks(name: str, trials: Sequence[Any]) -> dict[str, Measured]:
    """Candidates per 1,000 empty fields: all, those called HALLUC, those that stay after the forced fit."""
    row = blanks.tabulate(trials)[0]
    return {f"blanks {key}": cell(row, f"{key}_rate", "fields") for key in ("found", "denied", "supported")}


def of_control(name: str, trials: Sequence[Any]) -> dict[str, Measured]:
    """POINTs per 1,000 lenses without a quasar: all, and those that the truth does not explain."""
    row = control.tabulate(trials)[0]
    return {f"control {key}": cell(row, f"{key}_rate", "lenses") for key in ("points", "invented")}


def of_pairs(name: str, trials: Sequence[Any]) -> dict[str, Measured]:
    """Separation resolved half the time by flux ratio, and how often a single star is split."""
    table = pairs.tabulate(trials)
    found = {f"pairs {ratio:g}": pairs.resolved_half(table, name, ratio, PAIR_SNR) for ratio in RATIOS}
    single = [row for row in table if row["separation"] == 0]
    return found | ({"splits": cell(single[0], "resolved", "n")} if single else {})


EXPERIMENTS: dict[Experiment, Callable[[str, Sequence[Any]], dict[str, Measured]]] = {
    blanks.EXPERIMENT: of_blanks,
    control.EXPERIMENT: of_control,
    pairs.EXPERIMENT: of_pairs,
}
