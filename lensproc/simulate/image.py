"""One simulated cutout: what a survey would deliver, beside the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lensproc.simulate.drawing import draw_scene
from lensproc.simulate.exposure import Exposure, Float32, expose, halved, partner_exposure, rescaled
from lensproc.simulate.psf import PSFModel
from lensproc.simulate.recipe import Recipe
from lensproc.simulate.render import Image, block_sum, points_image
from lensproc.simulate.scene import Scene, extended_light, seen_through
from lensproc.simulate.seeds import generator

TRUTH_SUPERSAMPLING = 4
"""Points per pixel side of the cutout at which truth images are computed: the largest truth scale."""


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

    def behind(self, psf: PSFModel, scale: int) -> Float32:
        """Noise-free image at `scale` (1, 2 or 4) behind another PSF, as `truth` otherwise."""
        frame = self.exposure.frame.finer(TRUTH_SUPERSAMPLING)
        image = seen_through(extended_light(self.scene, frame), self.scene, frame, psf)
        return self._in_pixels(block_sum(image, TRUTH_SUPERSAMPLING // scale), scale)

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
    exposure = expose(recipe, scene, clean, noise_rng)
    partner = None
    table = recipe.table("partner")
    if table is not None and table.get("kind") == "bicubic-half":
        partner = exposure
        exposure = halved(exposure)
    elif recipe.partner is not None:
        partner = partner_exposure(recipe, scene, partner_rng)
    result = Simulated(recipe, scene, exposure, partner, seed, split, index)
    return _to_unit_range(result) if recipe.normalise == "range" else result


def _to_unit_range(result: Simulated) -> Simulated:
    low, high = float(result.exposure.data.min()), float(result.exposure.data.max())
    factor = 1.0 / (high - low) if high > low else 1.0
    exposure = rescaled(result.exposure, low, factor)
    partner = result.partner
    if partner is not None and result.recipe.partner is None:
        # A bicubic half stays the half of its partner.
        partner = rescaled(partner, low, factor)
    elif partner is not None:
        mine, top = float(partner.data.min()), float(partner.data.max())
        partner = rescaled(partner, mine, 1.0 / (top - mine) if top > mine else 1.0)
    return replace(result, exposure=exposure, partner=partner, offset=low, factor=factor)
