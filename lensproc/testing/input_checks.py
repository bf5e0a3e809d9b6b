"""Checks of unusual inputs: whatever is finite must come out finite."""

from __future__ import annotations

import dataclasses

import numpy as np

from lensproc.testing.compare import require_finite
from lensproc.testing.result import CheckFailedError
from lensproc.testing.scenes import Scene, field
from lensproc.testing.subject import Outcome, Subject

SMALL_UNIT = 1e-11
"""Some surveys' unit: pixel values of this size."""


def _finite(subject: Subject, scenes: list[Scene], what: str, may_fail: bool = False) -> list[Outcome]:
    outcomes = subject.run(scenes)
    for outcome in outcomes:
        if outcome.failed is not None:
            if not may_fail or not outcome.failed.strip():
                raise CheckFailedError(f"{what} failed: {outcome.failed!r}; expected an output")
            continue
        require_finite(outcome, what)
    return outcomes


def finite_output(subject: Subject) -> None:
    """Take a plain field, with and without a variance plane."""
    shape = subject.shape(56, 64)
    _finite(subject, [field(shape, subject.bands)], "a field with variance")
    _finite(subject, [field(shape, subject.bands, variance=None)], "a field without variance")


def all_zero(subject: Subject) -> None:
    """Take an image of zeros, whose noise is 0, or give it up with a reason."""
    scene = Scene.of(np.zeros((subject.bands, *subject.shape(32, 32))))
    _finite(subject, [scene], "an image of zeros", may_fail=True)


def constant(subject: Subject) -> None:
    """Take a constant image, or give it up with a reason."""
    scene = Scene.of(np.full((subject.bands, *subject.shape(32, 32)), 7.5))
    _finite(subject, [scene, scene.times(-1.0)], "a constant image", may_fail=True)


def negative(subject: Subject) -> None:
    """Take a field whose sky was subtracted 1000σ too deep."""
    scene = field(subject.shape(48, 48), subject.bands, seed=4)
    shifted = dataclasses.replace(scene, data=scene.data - np.float32(1000.0))
    _finite(subject, [shifted], "a field with all values below zero")


def small_values(subject: Subject) -> None:
    """Give the same for a field in a unit in which its values are 1e-11, in that unit."""
    scene = field(subject.shape(48, 48), subject.bands, seed=5)
    large = _finite(subject, [scene], "a field")[0]
    small = _finite(subject, [scene.times(SMALL_UNIT)], "a field with values of 1e-11")[0]
    if large.image is None or small.image is None:
        return
    peak = float(np.abs(large.image).max())
    apart = float(np.abs(small.image.astype(np.float64) / SMALL_UNIT - large.image).max()) / peak
    if not apart <= 1e-3:
        raise CheckFailedError(
            f"in a unit in which values are 1e-11 the output differs by {apart:.3g} of the peak, "
            "expected at most 0.001"
        )


def masked(subject: Subject) -> None:
    """Take a field of which a third has no measurement."""
    scene = field(subject.shape(48, 48), subject.bands, seed=6)
    bad = scene.bad.copy()
    bad[:, :, : bad.shape[2] // 3] = True
    bad[:, 5, 5:] = True
    data = np.where(bad, np.float32(1e6), scene.data)
    _finite(subject, [dataclasses.replace(scene, data=data, bad=bad)], "a field with a third masked")


def odd_sized(subject: Subject) -> None:
    """Take sides that are odd, prime and unequal."""
    for height, width in ((37, 53), (53, 37)):
        scene = field(subject.shape(height, width), subject.bands, seed=7)
        _finite(subject, [scene], f"a field of {scene.data.shape[2]}×{scene.data.shape[1]} px")


def smallest(subject: Subject) -> None:
    """Take the smallest size that the manifest allows, or give it up with a reason."""
    side = subject.manifest.minimum_size
    scene = field((side, side), subject.bands, seed=8)
    _finite(subject, [scene], f"a field of {side}×{side} px", may_fail=True)


def without_psf(subject: Subject) -> None:
    """Without a PSF a cutout comes out finite or is given up with a reason, and its neighbour still comes out."""
    scenes = [field(subject.shape(40, 40), subject.bands, seed) for seed in (9, 10)]
    lacking = dataclasses.replace(scenes[0], psf=None)
    outcomes = _finite(subject, [lacking, scenes[1]], "a field without a PSF", may_fail=True)
    if outcomes[1].failed is not None:
        raise CheckFailedError(f"its neighbour, which has a PSF, failed too: {outcomes[1].failed}")
