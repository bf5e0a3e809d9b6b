"""Run classifiers over a set: images shared out over processes, results independent of how many there are."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from lensproc.errors import PluginError
from lensproc.evaluate.classification.answer import Answer, Answers, answer_of, failure_of, gather
from lensproc.evaluate.classification.bins import BinScore, bins_of
from lensproc.evaluate.classification.score import Score, scores_of
from lensproc.evaluate.classification.stages import parameters_of
from lensproc.evaluate.classification.truth import Truth, labelled
from lensproc.evaluate.scoring.dataset import DataSet
from lensproc.evaluate.scoring.methods import Method, open_method
from lensproc.evaluate.scoring.run import weights_of
from lensproc.simulate.workers import run_tasks

CHUNK = 16
"""Images per task; they run as one call, whatever the number of processes."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Work:
    """Some images of a set, for all stages; it pickles."""

    order: int
    dataset: DataSet
    indices: tuple[int, ...]
    methods: tuple[Method, ...]


@dataclass
class Part:
    """What was said of the images of one `Work`."""

    order: int
    truths: list[Truth] = field(default_factory=list)
    answers: dict[str, list[Answer | None]] = field(default_factory=dict)
    failures: dict[str, list[str]] = field(default_factory=dict)
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
        The stages; others are compared with the first.
    truths : tuple of Truth
        Of the images that every stage has answered.
    answers : mapping of str to Answers
        By stage, of these images.
    scores : tuple of Score
        Of all stages.
    bins : tuple of BinScore
        By mass, θ_E and SNR.
    failures : mapping of str to tuple of str
        Why stages failed on images, each reason once per image.
    weights : mapping of str to (str, str)
        Files that the stages loaded and their SHA-256.
    parameters : mapping of str to int or None
        Of the networks.
    speed : mapping of str to float
        Images per second and process. It differs from run to run.
    """

    dataset: DataSet
    methods: tuple[Method, ...]
    truths: tuple[Truth, ...]
    answers: Mapping[str, Answers]
    scores: tuple[Score, ...]
    bins: tuple[BinScore, ...]
    failures: Mapping[str, tuple[str, ...]]
    weights: Mapping[str, tuple[str, str]]
    parameters: Mapping[str, int | None]
    speed: Mapping[str, float]

    @property
    def left_out(self) -> int:
        """Images that a stage failed on; they are left out for all stages."""
        return self.dataset.number - len(self.truths)

    def score(self, stage: str, measure: str, of_class: str = "") -> Score | None:
        """Find a figure; None where the stage has none."""
        wanted = (stage, measure, of_class)
        return next((s for s in self.scores if (s.stage, s.measure, s.of_class) == wanted), None)


def evaluate(
    dataset: DataSet,
    methods: Sequence[Method],
    *,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Evaluation:
    """Score classifiers on a set.

    Parameters
    ----------
    dataset : DataSet
        The images.
    methods : sequence of Method
        From `classifiers`.
    jobs : int
        Processes; their number changes nothing.
    progress : callable, optional
        Called with the number of images that are done, and their total.

    Raises
    ------
    PluginError
        Where a stage cannot be loaded, fails on every image, or does not say what is scored.
    """
    parameters = {method.name: parameters_of(method) for method in methods}
    numbers = range(dataset.number)
    works = [
        Work(at, dataset, tuple(numbers[at : at + CHUNK]), tuple(methods))
        for at in range(0, dataset.number, CHUNK)
    ]
    parts: list[Part] = []
    done = 0
    for part in run_tasks(classify, works, jobs):
        parts.append(part)
        done += len(part.truths)
        if progress is not None:
            progress(done, dataset.number)
    parts.sort(key=lambda part: part.order)
    names = [method.name for method in methods]
    truths = [truth for part in parts for truth in part.truths]
    said = {name: [one for part in parts for one in part.answers[name]] for name in names}
    failures = {name: tuple(one for part in parts for one in part.failures[name]) for name in names}
    kept = [i for i in range(len(truths)) if all(said[name][i] is not None for name in names)]
    if not kept:
        worst = max(names, key=lambda name: len(failures[name]))
        raise PluginError(
            f"no image has an answer of every stage; {worst} failed on {len(failures[worst])} of {len(truths)}: "
            f"{failures[worst][0]}"
        )
    answered = {name: [one for i in kept if (one := said[name][i]) is not None] for name in names}
    classes = [truths[i].class_name for i in kept]
    answers = {name: gather(answered[name], classes, name) for name in names}
    seconds = {name: sum(part.seconds[name] for part in parts) for name in names}
    scored = tuple(truths[i] for i in kept)
    return Evaluation(
        dataset,
        tuple(methods),
        scored,
        answers,
        tuple(scores_of(answers)),
        tuple(bins_of(scored, answers)),
        failures,
        {name: used for part in reversed(parts) for name, used in part.weights.items()},
        parameters,
        {name: dataset.number / seconds[name] for name in names if seconds[name] > 0},
    )


def classify(work: Work) -> Part:
    """Run all stages on the images of one task."""
    images = labelled(work.dataset, work.indices)
    part = Part(work.order, [truth for _, truth in images])
    for method in work.methods:
        run = open_method(method)
        started = time.perf_counter()
        results = run([cutout for cutout, _ in images])
        part.seconds[method.name] = time.perf_counter() - started
        reasons = [failure_of(result, method.stage) for result in results]
        part.failures[method.name] = [reason for reason in reasons if reason is not None]
        part.answers[method.name] = [
            answer_of(result, method.stage) if reason is None else None
            for result, reason in zip(results, reasons, strict=True)
        ]
        for result, reason in zip(results, reasons, strict=True):
            if reason is None:
                part.weights |= weights_of(method, result)
    return part
