"""One simulated cutout: what a survey would deliver, beside the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lensproc.simulate.defects import Defects, draw_defects
from lensproc.simulate.noise import Conditions, draw_conditions, observe, stated_variance
from lensproc.simulate.psf import PSFModel
from lensproc.simulate.recipe import Recipe
from lensproc.simulate.render import (
    Frame,
    Image,
    bicubic_half,
    block_sum,
    convolved,
    lensed_source,
    points_image,
    unlensed,
)
from lensproc.simulate.scene import Scene, draw_scene
from lensproc.simulate.seeds import generator

Float32 = NDArray[np.float32]

TRUTH_SUPERSAMPLING = 4
"""Points per pixel side of the cutout at which truth images are computed: the largest truth scale."""


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


@dataclass(frozen=True)
class Simulated:
    """One scene, its exposure, and its high-resolution partner where the recipe has one.

    Parameters
    ----------
    recipe : Recipe
        Where it comes from.
    scene : Scene
        What is on the sky.
    exposure : Exposure
        The cutout.
    partner : Exposure or None
        The high-resolution partner, with noise of its own (or, for a bicubic half, the image it was made of).
    offset, factor : float
        The pixels are (value - `offset`) × `factor` of what the camera counted.
    seed, split, index
        Which image it is.
    """

    recipe: Recipe
    scene: Scene
    exposure: Exposure
    partner: Exposure | None
    seed: int
    split: str
    index: int
    offset: float = 0.0
    factor: float = 1.0

    @property
    def surface_brightness(self) -> bool:
        """Whether pixel values are surface brightness, so that a truth at another scale keeps its values."""
        return self.recipe.instrument.amplitude == "surface brightness"

    def truth(self, scale: int, sharper: float = 1.0) -> Float32:
        """Noise-free image at `scale` pixels per pixel side of the cutout.

        Parameters
        ----------
        scale : int
            1, 2 or 4.
        sharper : float
            Divide the width of the PSF by this; 1 keeps the PSF of the cutout.

        Returns
        -------
        ndarray, shape (scale ny, scale nx), float32
            In the unit of the cutout; of flux per pixel the sums are the same at every scale.
        """
        return self.truths([(scale, sharper)])[0]

    def truths(self, wanted: Sequence[tuple[int, float]]) -> list[Float32]:
        """Several truth images (`truth`) at once; the light is traced through the lens only once."""
        light: Image | None = None
        images = []
        for scale, sharper in wanted:
            known = self._known_truth(scale, sharper)
            if known is not None:
                images.append(known)
                continue
            frame = self.exposure.frame.finer(TRUTH_SUPERSAMPLING)
            light = extended_light(self.scene, frame) if light is None else light
            image = seen_through(light, self.scene, frame, self.scene.psf.narrowed(sharper))
            images.append(self._in_pixels(block_sum(image, TRUTH_SUPERSAMPLING // scale), scale))
        return images

    def _known_truth(self, scale: int, sharper: float) -> Float32 | None:
        """Truth that was computed for the exposure or its partner already."""
        if sharper != 1.0:
            return None
        if scale == 1:
            return self.exposure.noise_free
        return self.partner.noise_free if scale == self._halved and self.partner is not None else None

    @property
    def _halved(self) -> int:
        """2 where the exposure is the half of another one, else 1."""
        return self.scene.frame.size // self.exposure.frame.size

    def _in_pixels(self, image: Image, scale: int) -> Float32:
        """Flux per pixel of a truth image in the unit, with the sky and on the scale of the exposure."""
        conditions = self.exposure.conditions
        sky = conditions.sky / conditions.electrons_per_unit if conditions.keep_sky else 0.0
        if self.surface_brightness:
            image = image * (scale / self._halved) ** 2 + (sky - self.offset)
        else:
            image = image + (sky - self.offset) / scale**2
        return np.asarray(image * self.factor, np.float32)


def extended_light(scene: Scene, frame: Frame) -> Image:
    """Flux per pixel of the source through the lens and of the foreground, without PSF, points and sky."""
    image = np.zeros((frame.size, frame.size))
    if scene.source.models:
        image += lensed_source(frame, scene.deflector, scene.source)
    if scene.foreground.models:
        image += unlensed(frame, scene.foreground)
    return image


def seen_through(light: Image, scene: Scene, frame: Frame, psf: PSFModel) -> Image:
    """`light` behind `psf`, and the point sources of `scene`; flux per pixel of `frame`, sky subtracted."""
    image = convolved(light, psf, frame.pixel_scale) if light.any() else light
    return image + points_image(frame, scene.points, psf)


def noise_free_image(scene: Scene, frame: Frame, psf: PSFModel) -> Image:
    """Flux per pixel of all light of `scene` behind `psf` on `frame`, sky subtracted."""
    return seen_through(extended_light(scene, frame), scene, frame, psf)


def simulate(recipe: Recipe, seed: int, split: str = "train", index: int = 0) -> Simulated:
    """Simulate one image; the same arguments give the same pixels, whatever else is simulated.

    Parameters
    ----------
    recipe : Recipe
        What to simulate.
    seed : int
        Seed of the set.
    split : str
        train, val or test.
    index : int
        Number of the image within the split.

    Raises
    ------
    UsageError
        When the recipe contradicts itself.
    """
    stream = generator(recipe.stream, seed, split, index)
    scene_rng, camera_rng, noise_rng, partner_rng = stream.spawn(4)
    scene, extended = draw_scene(recipe, index, scene_rng, camera_rng)
    factor = recipe.supersampling
    if scene.points:
        extended = extended + points_image(scene.frame.finer(factor), scene.points, scene.psf)
    clean = block_sum(extended, factor)
    exposure = _expose(recipe, scene, clean, noise_rng)
    partner = None
    table = recipe.table("partner")
    if table is not None and table.get("kind") == "bicubic-half":
        partner = exposure
        exposure = _halved(exposure)
    elif recipe.partner is not None:
        partner = _partner(recipe, scene, partner_rng)
    result = Simulated(recipe, scene, exposure, partner, seed, split, index)
    return _to_unit_range(result) if recipe.normalise == "range" else result


def _expose(recipe: Recipe, scene: Scene, clean: Image, rng: np.random.Generator) -> Exposure:
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


def _halved(full: Exposure) -> Exposure:
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


def _partner(recipe: Recipe, scene: Scene, rng: np.random.Generator) -> Exposure:
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


def _to_unit_range(result: Simulated) -> Simulated:
    low, high = float(result.exposure.data.min()), float(result.exposure.data.max())
    factor = 1.0 / (high - low) if high > low else 1.0
    exposure = _rescaled(result.exposure, low, factor)
    partner = result.partner
    if partner is not None:
        if partner.frame.size == result.scene.frame.size and partner.conditions is result.scene.conditions:
            partner = _rescaled(partner, low, factor)
        else:
            mine = float(partner.data.min())
            partner = _rescaled(partner, mine, 1.0 / max(float(partner.data.max()) - mine, 1e-30))
    return Simulated(
        result.recipe,
        result.scene,
        exposure,
        partner,
        result.seed,
        result.split,
        result.index,
        low,
        factor,
    )


def _rescaled(exposure: Exposure, offset: float, factor: float) -> Exposure:
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
