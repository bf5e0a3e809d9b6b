"""Exposures: pixels as a camera delivers them, beside what they would be without noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lensproc.simulate.defects import Defects, draw_defects
from lensproc.simulate.noise import Conditions, draw_conditions, observe, stated_variance
from lensproc.simulate.psf import PSFModel
from lensproc.simulate.recipe import Recipe
from lensproc.simulate.render import Frame, Image, bicubic_half, block_sum
from lensproc.simulate.scene import Scene, noise_free_image

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Exposure:
    """Pixels as delivered.

    Parameters
    ----------
    frame : Frame
        Pixel grid.
    data : ndarray, shape (ny, nx), float32
        Image with noise [unit].
    noise_free : ndarray, shape (ny, nx), float32
        The same without noise, with sky where `data` has it.
    expected_variance : ndarray, shape (ny, nx), float32
        Variance that the noise was drawn with [unit²]: truth, not for a stage.
    variance : ndarray or None
        Variance as the file states it [unit²].
    psf : PSFModel
        PSF.
    conditions : Conditions
        Sky and read-out.
    defects : Defects
        Bad pixels.
    """

    frame: Frame
    data: Float32
    noise_free: Float32
    expected_variance: Float32
    variance: Float32 | None
    psf: PSFModel
    conditions: Conditions
    defects: Defects


def expose(recipe: Recipe, scene: Scene, clean: Image, rng: np.random.Generator) -> Exposure:
    """Take an exposure of the noise-free, sky-subtracted image `clean` with the recipe's instrument."""
    camera = recipe.instrument
    observed, expected = observe(clean, scene.conditions, rng)
    stated = stated_variance(camera, scene.conditions, observed)
    sky = scene.conditions.sky / scene.conditions.electrons_per_unit if scene.conditions.keep_sky else 0.0
    defects = draw_defects(recipe.defects, camera.size, rng)
    return Exposure(
        scene.frame,
        np.asarray(observed, np.float32),
        np.asarray(clean + sky, np.float32),
        np.asarray(expected, np.float32),
        None if stated is None else np.asarray(stated, np.float32),
        scene.psf,
        scene.conditions,
        defects,
    )


def halved(full: Exposure) -> Exposure:
    """Make the bicubic half of an exposure, image and truth alike; neighbouring pixels keep no common noise."""
    frame = Frame(full.frame.size // 2, full.frame.pixel_scale * 2.0)
    # Σ of the squared weights: the variance that cubic convolution at half positions leaves.
    kept = (2.0 * (0.59375**2 + 0.09375**2)) ** 2
    variance = full.expected_variance.astype(np.float64)
    return Exposure(
        frame,
        np.asarray(bicubic_half(full.data.astype(np.float64)), np.float32),
        np.asarray(bicubic_half(full.noise_free.astype(np.float64)), np.float32),
        np.asarray(kept * block_sum(variance, 2) / 4.0, np.float32),
        None,
        full.psf,
        full.conditions,
        Defects(),
    )


def partner_exposure(recipe: Recipe, scene: Scene, rng: np.random.Generator) -> Exposure:
    """Take the partner's exposure of the same scene, with the partner's PSF, scale, and noise of its own."""
    camera = recipe.partner
    assert camera is not None
    psf = PSFModel(
        camera.psf.get("profile", "gaussian"), float(camera.psf["fwhm"]), camera.psf.get("beta", 3.0)
    )
    conditions = draw_conditions(camera, rng)
    frame = Frame(camera.size, camera.pixel_scale)
    # The same AB magnitude in the partner's unit; without calibration the recipe gives the ratio.
    ratio = float((recipe.table("partner") or {}).get("flux_ratio", 0.0))
    ratio = ratio or 10.0 ** (0.4 * (camera.zeropoint - recipe.instrument.zeropoint))
    fine = 4 if recipe.supersampling > 1 else 1
    clean = ratio * block_sum(noise_free_image(scene, frame.finer(fine), psf), fine)
    observed, expected = observe(clean, conditions, rng)
    stated = stated_variance(camera, conditions, observed)
    sky = conditions.sky / conditions.electrons_per_unit if conditions.keep_sky else 0.0
    return Exposure(
        frame,
        np.asarray(observed, np.float32),
        np.asarray(clean + sky, np.float32),
        np.asarray(expected, np.float32),
        None if stated is None else np.asarray(stated, np.float32),
        psf,
        conditions,
        Defects(),
    )


def rescaled(exposure: Exposure, offset: float, factor: float) -> Exposure:
    """Return the exposure with (value - `offset`) × `factor` in all its planes."""

    def affine(image: Float32) -> Float32:
        return np.asarray((image - np.float32(offset)) * np.float32(factor), np.float32)

    square = np.float32(factor**2)
    return Exposure(
        exposure.frame,
        affine(exposure.data),
        affine(exposure.noise_free),
        exposure.expected_variance * square,
        None if exposure.variance is None else exposure.variance * square,
        exposure.psf,
        exposure.conditions,
        exposure.defects,
    )
