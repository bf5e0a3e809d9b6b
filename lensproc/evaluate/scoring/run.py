"""Score methods on a set: images shared out over processes, results independent of how many there are."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lensproc.enhanced import Enhanced
from lensproc.errors import UsageError
from lensproc.evaluate.scoring.dataset import DataSet, peak_of, range_indices
from lensproc.evaluate.scoring.example import REFERENCES, Example
from lensproc.evaluate.scoring.methods import DECONVOLVER, Method, open_method, yardstick
from lensproc.evaluate.scoring.points import PointFlux, PointSummary, measure_points, summarise_points
from lensproc.evaluate.scoring.score import Score, grounds_of, matching, output_values, score
from lensproc.evaluate.scoring.summary import Summary, best_of, quoted, summarise
from lensproc.nn.psf import output_psf_of
from lensproc.simulate.workers import run_tasks

CHUNK = 8
"""Images per task; they run as one batch, whatever the number of processes."""

EXAMPLES = 4
"""The first so many images are drawn."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Panels:
    """Images of one example for the picture, as surface brightness per input pixel.

    Parameters
    ----------
    index : int
        Number of the image.
    input : ndarray
        What every method got.
    truths : mapping of str to ndarray
        References that outputs are held against.
    outputs : mapping of str to ndarray
        By method.
    held_against : mapping of str to str
        Method to the one of `truths` whose PSF is nearer to the one it declares.
    """

    index: int
    input: NDArray[np.float32]
    truths: Mapping[str, NDArray[np.float32]]
    outputs: Mapping[str, NDArray[np.float32]]
    held_against: Mapping[str, str]


@dataclass(frozen=True)
class Work:
    """Some images of a set, for all methods; it pickles."""

    order: int
    dataset: DataSet
    indices: tuple[int, ...]
    methods: tuple[Method, ...]
    scale: int
    against: tuple[str, ...]
    data_range: float
    points: bool


@dataclass
class Part:
    """What was measured on the images of one `Work`."""

    order: int
    scores: list[Score] = field(default_factory=list)
    points: list[PointFlux] = field(default_factory=list)
    panels: list[Panels] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    weights: dict[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Evaluation:
    """Everything that was measured.

    Parameters
    ----------
    dataset : DataSet
        The set.
    methods : tuple of Method
        The stages first.
    scale : int
        Output pixels per input pixel.
    data_range : float
        Of the PSNR and the SSIM.
    yardstick : str
        Method that gains are counted from.
    scores : tuple of Score
        Per image.
    summaries : tuple of Summary
        Of the set.
    points : tuple of PointSummary
        Fluxes of point sources; empty where there are none.
    panels : tuple of Panels
        Of the first images.
    weights : mapping of str to (str, str)
        Files that the stages loaded and their SHA-256.
    speed : mapping of str to float
        Images per second and process. It differs from run to run.
    """

    dataset: DataSet
    methods: tuple[Method, ...]
    scale: int
    data_range: float
    yardstick: str
    scores: tuple[Score, ...]
    summaries: tuple[Summary, ...]
    points: tuple[PointSummary, ...]
    panels: tuple[Panels, ...]
    weights: Mapping[str, tuple[str, str]]
    speed: Mapping[str, float]

    @property
    def references(self) -> tuple[str, ...]:
        """Names of the references that the set has."""
        present = {one.reference for one in self.summaries}
        return tuple(name for name in REFERENCES if name in present)

    def quoted(self, method: Method, reference: str) -> Summary | None:
        """Row that a method is quoted with (`lensproc.evaluate.scoring.summary.quoted`)."""
        return quoted(self.summaries, method.name, reference, baseline=method.baseline)

    def best_iterations(self, reference: str) -> str | None:
        """Name of the best Richardson-Lucy against a reference, where several were scored."""
        names = [m.name for m in self.methods if m.baseline and m.stage == DECONVOLVER]
        return best_of(self.summaries, names, reference) if len(names) > 1 else None


def data_range_of(dataset: DataSet, scale: int, jobs: int = 1) -> float:
    """Range of values that PSNR and SSIM of a set refer to, the same for all methods and images.

    Returns
    -------
    float
        1 where the images are scaled to [0, 1]; else the median noise-free peak of the first 64 images of the
        set, however many of them are scored.
    """
    if dataset.unit_range:
        return 1.0
    indices = range_indices(dataset)
    tasks = [(dataset, tuple(indices[at : at + CHUNK]), scale) for at in range(0, len(indices), CHUNK)]
    peaks = [peak for part in run_tasks(_peaks, tasks, jobs) for peak in part]
    return float(np.median(peaks))


def _peaks(task: tuple[DataSet, tuple[int, ...], int]) -> list[float]:
    dataset, indices, scale = task
    return [peak_of(dataset, index, scale) for index in indices]


def evaluate(
    dataset: DataSet,
    methods: Sequence[Method],
    scale: int,
    *,
    against: Sequence[str] = tuple(REFERENCES),
    points: bool | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Evaluation:
    """Score methods on a set.

    Parameters
    ----------
    dataset : DataSet
        The images.
    methods : sequence of Method
        From `methods_for`.
    scale : int
        Output pixels per input pixel.
    against : sequence of str
        References, by the names of `REFERENCES`; those that a set does not have are left out.
    points : bool, optional
        Whether fluxes of point sources are measured; by default where the recipe has some.
    jobs : int
        Processes; their number changes nothing.
    progress : callable, optional
        Called with the number of images that are done, and their total.

    Raises
    ------
    UsageError
        Where the set has none of the references, or no point sources that are asked for.
    LensprocError
        Where a method fails.
    """
    if points and not dataset.has_points:
        raise UsageError(f"the set {dataset.name} has no point sources whose hosts are known")
    with_points = dataset.has_points if points is None else points
    for method in methods:
        open_method(method)  # what cannot be loaded is told before any image is simulated
    data_range = data_range_of(dataset, scale, jobs)
    numbers = range(dataset.number)
    works = [
        Work(
            at,
            dataset,
            tuple(numbers[at : at + CHUNK]),
            tuple(methods),
            scale,
            tuple(against),
            data_range,
            with_points,
        )
        for at in range(0, dataset.number, CHUNK)
    ]
    parts: list[Part] = []
    done = 0
    for part in run_tasks(measure, works, jobs):
        parts.append(part)
        done += len(works[part.order // CHUNK].indices)
        if progress is not None:
            progress(done, dataset.number)
    parts.sort(key=lambda part: part.order)
    names = [method.name for method in methods]
    order = {name: at for at, name in enumerate([*names, *REFERENCES])}
    scores = [one for part in parts for one in part.scores]
    if not scores:
        raise UsageError(
            f"the set {dataset.name} has none of the references {', '.join(against)} at scale {scale}"
        )
    scores.sort(key=lambda one: (order[one.reference], order[one.method], one.index))
    fluxes = [one for part in parts for one in part.points]
    base = yardstick(methods)
    seconds = {name: sum(part.seconds[name] for part in parts) for name in names}
    return Evaluation(
        dataset,
        tuple(methods),
        scale,
        data_range,
        base,
        tuple(scores),
        tuple(summarise(scores, data_range, base)),
        tuple(summarise_points(fluxes, names)),
        tuple(panel for part in parts for panel in part.panels),
        parts[0].weights,
        {name: dataset.number / seconds[name] for name in names if seconds[name] > 0},
    )


def measure(work: Work) -> Part:
    """Run all methods on the images of one task, and score what they make of them."""
    examples = work.dataset.examples(work.indices, work.scale, work.against)
    grounds = [grounds_of(example, work.scale) for example in examples]
    part = Part(work.order)
    made: dict[str, list[Enhanced]] = {}
    for method in work.methods:
        enhance = open_method(method)
        started = time.perf_counter()
        made[method.name] = enhance([example.cutout for example in examples])
        part.seconds[method.name] = time.perf_counter() - started
        part.weights |= weights_of(method, made[method.name][0])
        for example, ground, result in zip(examples, grounds, made[method.name], strict=True):
            part.scores += score(example, result, method.name, ground, work.scale, work.data_range)
    if work.points:
        for at, example in enumerate(examples):
            part.points += measure_points(example, {name: results[at] for name, results in made.items()})
    for at, example in enumerate(examples):
        if example.index < EXAMPLES and example.references:
            part.panels.append(
                _panels(example, {name: results[at] for name, results in made.items()}, work.scale)
            )
    return part


def weights_of(method: Method, result: Enhanced) -> dict[str, tuple[str, str]]:
    """File of weights that made a result, and its SHA-256, by the name of the method; empty for none."""
    used = [one for one in result.activities if one.id == method.stage and one.weights]
    return {method.name: (used[-1].weights, used[-1].wsha256)} if used else {}


def _panels(example: Example, made: Mapping[str, Enhanced], scale: int) -> Panels:
    present = example.references
    wide = next((name for name in ("truth", "partner", "noisy") if name in present), "")
    narrow = next((name for name in ("gaussian", "sharp") if name in present), wide)
    wide = wide or narrow
    held = {}
    for name, enhanced in made.items():
        declared = output_psf_of(example.cutout.psf.value, enhanced.output_psf, scale)
        sharper = matching(present[wide].psf, declared) is not None
        held[name] = narrow if sharper else wide
    return Panels(
        example.index,
        example.cutout.data,
        {name: present[name].image.astype(np.float32) for name in dict.fromkeys((wide, narrow))},
        {key: output_values(example, one, scale).astype(np.float32) for key, one in made.items()},
        held,
    )
