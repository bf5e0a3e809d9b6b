"""Measure an enhancer's conformal factors on scenes with a known truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lensproc.cutout import Cutout
from lensproc.enhanced import Enhanced
from lensproc.qc.calibration_scenes import CalibrationScene, make_scene
from lensproc.qc.conformal import Basis, Conformal, conformal_factor
from lensproc.qc.copies import enhance_copies
from lensproc.qc.groups import GROUPS, pixel_groups
from lensproc.qc.pair import Pair, side_by_side
from lensproc.qc.uncertainty import scatter_error

Array = NDArray[np.float64]
Results = Callable[[Sequence[Cutout]], Sequence[Enhanced]]
"""Sequence of cutouts to results in the same order."""

FEWEST_PIXELS = 500
"""A group of fewer pixels, over all scenes, gets no factor: they are a few stars only."""


@dataclass(frozen=True)
class ErrorTrial:
    """One scene enhanced, as surface brightness per input pixel in units of its noise level.

    Parameters
    ----------
    image, truth, error : ndarray, shape (scale ny, scale nx)
        Enhanced, what it ought to be, and its 1σ error.
    groups : mapping of str to ndarray of bool, shape (ny, nx)
        Pixels by group.
    basis : str
        Where the error comes from.
    """

    image: Array
    truth: Array
    error: Array
    groups: dict[str, NDArray[np.bool_]]
    basis: Basis


def stage_error(pair: Pair, enhanced: Enhanced) -> Array | None:
    """Stage's own 1σ in the unit of `Pair.y`; None where it gives none."""
    if enhanced.uncertainty is None:
        return None
    per_pixel = pair.scale**2 if pair.cutout.amplitude.value != "surface brightness" else 1
    return np.asarray(enhanced.uncertainty.astype(np.float64) * per_pixel / pair.noise.level)


def error_trial(scene: CalibrationScene, enhanced: Enhanced, enhance: Results) -> ErrorTrial | None:
    """Hold an enhanced scene against its truth.

    Parameters
    ----------
    scene : CalibrationScene
        What was enhanced.
    enhanced : Enhanced
        Result.
    enhance : callable
        Makes more of them.

    Returns
    -------
    ErrorTrial or None
        None where the output is declared to have a PSF of no width: its truth is no image.
    """
    pair = side_by_side(enhanced)
    if pair is None or pair.psf_out is None or pair.psf_out.fwhm <= 0.0:
        return None
    groups = pixel_groups(pair)
    own = stage_error(pair, enhanced)
    if own is None:
        copies = enhance_copies(pair, lambda cutouts: [result.image for result in enhance(cutouts)])
        error = scatter_error(pair, copies.redraws, copies.symmetry)
    else:
        error = own
    truth = scene.truth(pair.scale, pair.psf_out.fwhm / pair.scale)
    truth = (truth - pair.noise.sky) / pair.noise.level
    return ErrorTrial(pair.y, truth, error, groups, "scatter" if own is None else "stage")


def measure_conformal(
    enhance: Results,
    *,
    scenes: int = 8,
    size: int = 48,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Conformal | None:
    """Enhance scenes and find the factors that make 90 % intervals cover the truth.

    Parameters
    ----------
    enhance : callable
        Sequence of cutouts to results.
    scenes : int
        Number of scenes; each takes 16 passes, one where the stage gives its own uncertainty.
    size : int
        Side of a scene [px].
    seed : int
        Of the scenes.
    progress : callable, optional
        Called with the number of scenes done after each.

    Returns
    -------
    Conformal or None
        None where the truth of this enhancer's output is no image (fully deconvolved).
    """
    rng = np.random.default_rng([seed, 1])
    scores: dict[str, list[Array]] = {name: [] for name in GROUPS}
    basis: Basis = "scatter"
    for _ in range(scenes):
        scene = make_scene(rng, size)
        (enhanced,) = enhance([scene.cutout])
        trial = error_trial(scene, enhanced, enhance)
        if trial is None:
            return None
        basis = trial.basis
        score = np.abs(trial.image - trial.truth) / np.maximum(trial.error, 1e-12)
        for name, pixels in trial.groups.items():
            scale = score.shape[0] // pixels.shape[0]
            scores[name].append(score[pixels.repeat(scale, 0).repeat(scale, 1)])
        if progress is not None:
            progress(1)
    joined = {name: np.concatenate(values) for name, values in scores.items()}
    factors = {
        name: conformal_factor(values) for name, values in joined.items() if values.size >= FEWEST_PIXELS
    }
    return Conformal(basis, factors, scenes)
