"""Cutouts into buckets of one shape, buckets into micro-batches, and what happens when one fails."""

from __future__ import annotations

import traceback
from collections import defaultdict
from collections.abc import Hashable, Sequence

from lensproc.engine.step import Runner, Subject, record_failure, run_batch, seen_image
from lensproc.engine.working import Working
from lensproc.errors import LensprocError, PluginError


def subjects_for(runner: Runner, works: Sequence[Working]) -> list[Subject]:
    """Put together the bands that a stage takes as channels; a set that does not fit is marked failed.

    Parameters
    ----------
    runner : Runner
        The stage; its manifest says how many bands, or which.
    works : sequence of Working
        Cutouts that are still alive.
    """
    manifest = runner.link.manifest
    if manifest.n_bands == 1 and isinstance(manifest.bands, int):
        return [(work,) for work in works]
    by_object: dict[int, list[Working]] = defaultdict(list)
    for work in works:
        by_object[work.subject].append(work)
    subjects = []
    for bands in by_object.values():
        chosen = _choose_bands(bands, manifest.bands)
        shapes = {seen_image(work, runner.link).shape for work in chosen}
        if len(chosen) == manifest.n_bands and len(shapes) == 1:
            subjects.append(tuple(chosen))
            continue
        have = ", ".join(work.original.band.value or "unnamed" for work in bands)
        wanted = manifest.bands if isinstance(manifest.bands, int) else ", ".join(manifest.bands)
        reason = f"stage {manifest.id} takes the bands {wanted} on one grid; there are: {have}"
        for work in bands:
            record_failure(runner, work, PluginError(reason, plugin=runner.link.package))
    return subjects


def _choose_bands(bands: Sequence[Working], wanted: int | tuple[str, ...]) -> list[Working]:
    if isinstance(wanted, int):
        return list(bands)
    named = {work.original.band.value: work for work in bands}
    return [named[name] for name in wanted if name in named]


def run_stage(runner: Runner, works: Sequence[Working], batch_size: int) -> None:
    """Apply a stage to all cutouts, in micro-batches of one shape; a bad cutout costs only itself.

    Parameters
    ----------
    runner : Runner
        The stage.
    works : sequence of Working
        Changed in place; those that fail carry their error.
    batch_size : int
        Largest micro-batch.
    """
    buckets: dict[Hashable, list[Subject]] = defaultdict(list)
    for subject in subjects_for(runner, [work for work in works if work.error is None]):
        lacking = [n for n in runner.link.manifest.requires if n not in subject[0].products]
        if lacking:
            error = PluginError(
                f"stage {runner.link.manifest.id} lacks {', '.join(lacking)}: the stage that gives it failed",
                plugin=runner.link.package,
            )
            for work in subject:
                record_failure(runner, work, error)
            continue
        images = [seen_image(work, runner.link) for work in subject]
        has_variance = all(image.variance is not None for image in images)
        key: tuple[Hashable, ...] = (images[0].shape, has_variance)
        if runner.link.also_enhanced:
            key += (subject[0].image.shape, all(work.image.variance is not None for work in subject))
        buckets[key].append(subject)
    for bucket in buckets.values():
        for start in range(0, len(bucket), batch_size):
            _run_or_split(runner, bucket[start : start + batch_size])


def _run_or_split(runner: Runner, batch: Sequence[Subject]) -> None:
    import torch

    try:
        run_batch(runner, batch)
        return
    except torch.cuda.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        if len(batch) == 1:
            shape = seen_image(batch[0][0], runner.link).shape
            _fail_alone(
                runner,
                batch[0],
                PluginError(
                    f"stage {runner.link.manifest.id}: an image of {shape[1]}×{shape[0]} px needs more GPU memory "
                    f"than is free ({str(error).splitlines()[0]})",
                    plugin=runner.link.package,
                    remedy="use --device cpu",
                ),
            )
            return
        middle = len(batch) // 2
        parts = [batch[:middle], batch[middle:]]
    except Exception as error:
        if len(batch) == 1:
            _fail_alone(runner, batch[0], error)
            return
        untouched = [s for s in batch if not any(a.stage == runner.position for a in s[0].activities)]
        parts = [[subject] for subject in untouched]
    for part in parts:
        _run_or_split(runner, part)


def _fail_alone(runner: Runner, subject: Subject, error: Exception) -> None:
    if not isinstance(error, LensprocError):
        where = traceback.extract_tb(error.__traceback__)[-1]
        error = PluginError(
            f"stage {runner.link.manifest.id} raised {type(error).__name__}: {error} "
            f"({where.filename.rsplit('/', 1)[-1]}:{where.lineno})",
            plugin=runner.link.package,
        )
    for work in subject:
        record_failure(runner, work, error)
