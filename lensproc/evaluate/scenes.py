"""Simulated scenes as cutouts in memory, with their truth; each is made once per process."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lensproc.cutout import PSF, Cutout, Resolved, Source
from lensproc.errors import UsageError

if TYPE_CHECKING:
    from lensproc.qc.forced import PointSpread
    from lensproc.simulate.exposure import Exposure
    from lensproc.simulate.image import Simulated
    from lensproc.simulate.recipe import Recipe

Array = NDArray[np.float64]

SPLIT = "test"
"""Of the simulator's random streams: no network was trained on it."""

BY = "simulation"


@dataclass(frozen=True)
class Scene:
    """One simulated image and what is known of it.

    Parameters
    ----------
    sim : Simulated
        The simulator's record.
    cutout : Cutout
        What a survey would deliver: pixels with noise, variance, PSF image, lens centre.
    x, y : ndarray, shape (n,)
        Zero-based places of the point sources [px].
    spread : PointSpread
        Its PSF, to be put anywhere.
    """

    sim: Simulated
    cutout: Cutout
    x: Array
    y: Array
    spread: PointSpread

    @property
    def fwhm(self) -> float:
        """FWHM of the PSF [px]."""
        return self.spread.fwhm

    @property
    def psf(self) -> PSF:
        """PSF of the cutout."""
        assert self.cutout.psf.value is not None
        return self.cutout.psf.value


def require_simulator() -> None:
    """Say clearly where the simulator's library is missing.

    Raises
    ------
    UsageError
        Where lenstronomy is not installed.
    """
    if importlib.util.find_spec("lenstronomy") is None:
        raise UsageError(
            "validate needs lenstronomy for its scenes, which is not installed",
            remedy="pip install 'lensproc[simulate,plot]'",
        )


@lru_cache(maxsize=8)
def recipe_of(name: str) -> Recipe:
    """Load a named recipe of the simulator."""
    from lensproc.simulate.recipe import load_recipe

    return load_recipe(name)


@lru_cache(maxsize=64)
def scene(recipe: str, seed: int, index: int) -> Scene:
    """Simulate image `index` of a named recipe."""
    from lensproc.qc.forced import PointSpread
    from lensproc.simulate.image import simulate

    sim = simulate(recipe_of(recipe), seed, SPLIT, index)
    places = [sim.exposure.frame.pixel(point.x, point.y) for point in sim.scene.points]
    x, y = (np.array([place[axis] for place in places], np.float64) for axis in (0, 1))
    cutout = cutout_of(sim, sim.exposure)
    assert cutout.psf.value is not None
    return Scene(sim, cutout, x, y, PointSpread(cutout.psf.value))


def cutout_of(sim: Simulated, exposure: Exposure) -> Cutout:
    """Return an exposure of a simulated scene as the reader would give it, without the detour over FITS."""
    from lensproc.nn.psf import fwhm_of
    from lensproc.simulate.render import psf_on_pixels
    from lensproc.simulate.truth import truth_header

    fine = 4 if sim.recipe.supersampling > 1 else 1
    image = psf_on_pixels(exposure.psf, exposure.frame.pixel_scale, fine).astype(np.float32)
    center = None
    if sim.scene.deflector is not None:
        lens = sim.scene.deflector.kwargs[0]
        x, y = exposure.frame.pixel(lens["center_x"], lens["center_y"])
        center = (float(x), float(y))
    number = f"{sim.recipe.stem}-{sim.index:06d}"
    return Cutout(
        data=exposure.data,
        variance=exposure.variance,
        mask=np.zeros(exposure.data.shape, np.uint32),
        header=truth_header(sim, 1.0),
        source=Source(number, "0", _digest(sim), BY),
        unit=Resolved("adu", BY),
        amplitude=Resolved("surface brightness" if sim.surface_brightness else "flux", BY),
        pixel_scale=Resolved(exposure.frame.pixel_scale, BY),
        psf=Resolved(PSF(fwhm_of(image), image), BY),
        lens_center=Resolved(center, BY),
    )


def _digest(sim: Simulated) -> str:
    """Stand-in for the hash of a file: it names the image, and stages that draw noise get their seed from it."""
    import hashlib

    text = f"{sim.recipe.name} {sim.seed} {sim.split} {sim.index}"
    return hashlib.sha256(text.encode()).hexdigest()


def another_exposure(made: Scene, draw: int) -> Cutout:
    """Return the same scene with other noise."""
    from lensproc.simulate.exposure import expose

    conditions = made.sim.scene.conditions
    sky = conditions.sky / conditions.electrons_per_unit if conditions.keep_sky else 0.0
    clean = made.sim.exposure.noise_free.astype(np.float64) - sky
    rng = np.random.default_rng([made.sim.seed, made.sim.index, draw])
    return cutout_of(made.sim, expose(made.sim.recipe, made.sim.scene, clean, rng))


def star_image(made: Scene, x: float, y: float, flux: float) -> Array:
    """Noise-free star on the pixels of a scene, with the simulator's own PSF.

    Parameters
    ----------
    x, y : float
        Zero-based place [px].
    flux : float
        In the unit of the pixels.
    """
    from lensproc.simulate.points import Point
    from lensproc.simulate.render import block_sum, points_image

    frame, fine = made.sim.exposure.frame, made.sim.recipe.supersampling
    middle = (frame.size - 1) / 2.0
    point = Point("star", (x - middle) * frame.pixel_scale, (y - middle) * frame.pixel_scale, flux=flux)
    return np.asarray(block_sum(points_image(frame.finer(fine), (point,), made.sim.scene.psf), fine))


def with_light(cutout: Cutout, light: Array) -> Cutout:
    """Return a cutout with noise-free light added; its stated errors stay, so that both images of a pair agree."""
    return cutout.replace(data=np.asarray(cutout.data + light, np.float32))
