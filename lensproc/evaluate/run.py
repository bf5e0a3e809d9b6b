"""Run the experiments: scenes shared out over processes, results independent of how many there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lensproc.evaluate import blanks, control, coverage, injection, pairs, quasars, repeatability, stability
from lensproc.evaluate.experiment import Experiment, Trial
from lensproc.evaluate.goals import Outcome, judge_goals
from lensproc.evaluate.sizes import Sizes
from lensproc.evaluate.subjects import Subject, System, open_system
from lensproc.simulate.workers import run_tasks

if TYPE_CHECKING:
    from astropy.table import Table

EXPERIMENTS: tuple[Experiment, ...] = (
    quasars.EXPERIMENT,
    injection.EXPERIMENT,
    blanks.EXPERIMENT,
    control.EXPERIMENT,
    pairs.EXPERIMENT,
    stability.EXPERIMENT,
    repeatability.EXPERIMENT,
    coverage.EXPERIMENT,
)
"""In the order of the page."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Task:
    """Some scenes of one experiment, for all systems.

    Parameters
    ----------
    order : int
        Place of its trials in the result.
    experiment : str
        Name.
    systems : tuple of System or Subject
        What is measured; subjects stay in one process.
    seed : int
        Of the scenes.
    indices : tuple of int
        Their numbers.
    sizes : Sizes
        How much is measured.
    """

    order: int
    experiment: str
    systems: tuple[System | Subject, ...]
    seed: int
    indices: tuple[int, ...]
    sizes: Sizes


@dataclass(frozen=True)
class Validation:
    """Everything that was measured.

    Parameters
    ----------
    systems : tuple of str
        Names, the stage first.
    seed : int
        Of the scenes.
    sizes : Sizes
        How much was measured.
    tables : mapping of str to Table
        By experiment.
    goals : tuple of Outcome
        Every goal for every system.
    """

    systems: tuple[str, ...]
    seed: int
    sizes: Sizes
    tables: Mapping[str, Table]
    goals: tuple[Outcome, ...]


def validate(
    systems: Sequence[System | Subject],
    seed: int,
    sizes: Sizes,
    jobs: int = 1,
    progress: Progress | None = None,
    experiments: Sequence[Experiment] = EXPERIMENTS,
) -> Validation:
    """Measure systems on simulated scenes.

    Parameters
    ----------
    systems : sequence of System or Subject
        The stage first, then what it is held against.
    seed : int
        Everything follows from it; the number of processes changes nothing.
    sizes : Sizes
        How much is measured.
    jobs : int
        Processes; `Subject` needs 1.
    progress : callable, optional
        Called with the number of images of each system that are done, and their total.
    experiments : sequence of Experiment
        What is measured.

    Raises
    ------
    UsageError
        Where the simulator's library is missing.
    LensprocError
        Where a system fails.
    """
    from lensproc.evaluate.scenes import require_simulator

    require_simulator()
    tasks = _tasks(tuple(systems), seed, sizes, experiments)
    images = {experiment.name: experiment.images(sizes) for experiment in experiments}
    total = sum(len(task.indices) * images[task.experiment] for task in tasks)
    done, parts = 0, {}
    for task, trials in run_tasks(measure_task, tasks, jobs):
        parts[task.order] = (task.experiment, trials)
        done += len(task.indices) * images[task.experiment]
        if progress is not None:
            progress(done, total)
    names = tuple(system.name for system in systems)
    tables = {}
    for experiment in experiments:
        trials = [t for _, (name, part) in sorted(parts.items()) for t in part if name == experiment.name]
        trials.sort(key=lambda trial: names.index(trial.system))
        tables[experiment.name] = experiment.tabulate(trials)
    return Validation(names, seed, sizes, tables, judge_goals(tables, names))


def measure_task(task: Task) -> tuple[Task, list[Trial]]:
    """Measure all systems on the scenes of one task."""
    experiment = next(e for e in EXPERIMENTS if e.name == task.experiment)
    trials: list[Trial] = []
    for system in task.systems:
        subject = system if isinstance(system, Subject) else open_system(system)
        trials += experiment.measure(subject, task.seed, task.indices, task.sizes)
    return task, trials


def _tasks(
    systems: tuple[Any, ...], seed: int, sizes: Sizes, experiments: Sequence[Experiment]
) -> list[Task]:
    tasks: list[Task] = []
    for experiment in experiments:
        indices = tuple(experiment.indices(sizes))
        for start in range(0, len(indices), experiment.chunk):
            part = indices[start : start + experiment.chunk]
            tasks.append(Task(len(tasks), experiment.name, systems, seed, part, sizes))
    return tasks
