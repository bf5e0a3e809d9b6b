"""Checks of batches: shape, order, neighbours, repeats, and inputs left alone."""

from __future__ import annotations

import dataclasses

import numpy as np

from lensproc.testing.compare import require_same
from lensproc.testing.result import CheckFailedError, NotApplicableError
from lensproc.testing.scenes import Scene, field, window
from lensproc.testing.subject import Subject


def _four(subject: Subject) -> list[Scene]:
    shape = subject.shape(40, 48)
    return [field(shape, subject.bands, seed).times(1.0 + seed) for seed in range(4)]


def output_shape(subject: Subject) -> None:
    """Require scale × the sides of the input in the output, at every scale that the manifest names."""
    manifest = subject.manifest
    scales = manifest.scale if isinstance(manifest.scale, tuple) else (manifest.scale,)
    for scale in scales:
        options = dict(subject.options)
        if isinstance(manifest.scale, tuple):
            options["scale"] = scale
        one = dataclasses.replace(subject, options=options)
        scene = field(one.shape(40, 56), one.bands)
        image = one.run([scene])[0].image
        if image is None:
            continue
        expected = (one.bands, scene.data.shape[1] * scale, scene.data.shape[2] * scale)
        if image.shape != expected:
            raise CheckFailedError(
                f"at scale {scale} the output has shape {image.shape}, expected {expected}"
            )


def order_is_kept(subject: Subject) -> None:
    """Require that four cutouts in another order give the same outputs in that order."""
    scenes = _four(subject)
    order = [2, 0, 1, 3]
    straight = subject.run(scenes)
    for i, found in zip(order, subject.run([scenes[i] for i in order]), strict=True):
        require_same(found, straight[i], f"cutout {i} in another place of the batch")


def batch_equals_singles(subject: Subject) -> None:
    """Require that a cutout in a batch of four comes out as it does alone."""
    scenes = _four(subject)
    for i, found in enumerate(subject.run(scenes)):
        require_same(found, subject.run([scenes[i]])[0], f"cutout {i} of a batch of four against alone")


def inputs_are_not_mutated(subject: Subject) -> None:
    """Neither images, variance, mask nor PSF of the batch are written to."""
    batch, _ = subject.batch(_four(subject))
    before = {name: getattr(batch, name) for name in ("images", "variance", "mask", "original")}
    copies = {name: plane.clone() for name, plane in before.items() if plane is not None}
    psfs = [i.psf.image.copy() for i in batch.items if i.psf is not None and i.psf.image is not None]
    subject.apply(batch)
    for name, copy in copies.items():
        changed = int((before[name] != copy).sum())
        if changed:
            raise CheckFailedError(
                f"{changed} pixels of batch.{name} were changed by the stage, expected none"
            )
    for item, copy in zip(batch.items, psfs, strict=True):
        if item.psf is None or not np.array_equal(np.asarray(item.psf.image), copy):
            raise CheckFailedError("the PSF image of an item was changed by the stage")


def repeats_bit_for_bit(subject: Subject) -> None:
    """Require the same bits from the same batch twice on the CPU, and from a stage built anew."""
    scenes = _four(subject)[:2]
    first = subject.run(scenes)
    for again, what in (
        (subject.run(scenes), "a second run"),
        (subject.run(scenes, subject.load(subject.build())), "a stage built anew"),
    ):
        for found, expected in zip(again, first, strict=True):
            require_same(found, expected, what, exact=True)


def shift_moves_output(subject: Subject) -> None:
    """Require that a window moved by a pixel over one sky gives the output moved by `scale` pixels.

    Notes
    -----
    What differs after moving back must be less than a tenth (rms) of what differs without, away from the border.
    """
    height, width = subject.shape(48, 48)
    sky = field((height + 4, width + 4), subject.bands, seed=3)
    here = subject.run([window(sky, 2, 2, (height, width))])[0].image
    if here is None:
        raise NotApplicableError("the stage gives no image")
    border = min(8, height // 4) * subject.scale
    for dx, dy in ((1, 0), (0, 1)):
        there = subject.run([window(sky, 2 + dx, 2 + dy, (height, width))])[0].image
        if there is None:
            raise CheckFailedError("the stage gave an image once and none the next time")
        moved = np.roll(there, (dy * subject.scale, dx * subject.scale), (1, 2))
        inner = (slice(None), slice(border, -border), slice(border, -border))
        after = float(np.sqrt(np.mean((moved - here)[inner] ** 2)))
        before = float(np.sqrt(np.mean((there - here)[inner] ** 2)))
        if before == 0.0:
            raise CheckFailedError(f"moving the input by ({dx}, {dy}) px left the output as it was")
        if after > 0.1 * before:
            raise CheckFailedError(
                f"moving the input by ({dx}, {dy}) px: the output moved back differs by {after:.3g} (rms), "
                f"not moved back by {before:.3g}; expected at most a tenth of that"
            )
