"""One image of a set, and the references that every method is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lensproc.cutout import Cutout
from lensproc.errors import UsageError
from lensproc.qc.groups import CORE_RADIUS, POINT_RADIUS

if TYPE_CHECKING:
    from lensproc.simulate.image import Simulated

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

REFERENCES = {
    "noisy": "the high-resolution partner with its noise; at scale 1 the input itself",
    "partner": "the high-resolution partner without noise",
    "truth": "the sky without noise behind the PSF of the input, on the pixels of the output",
    "sharp": "the same behind a PSF of half the width",
    "gaussian": "the same behind a Gaussian of half the FWHM, what a stage declares by an output PSF of 0.5",
}
"""What methods are compared with, by the name in the tables."""

TRUTH_SCALES = (1, 2, 4)

LIT = 1.0
"""Noise-free light above this many σ of the noise is an arc (or a galaxy), below it is sky."""

SEEN = 3.0
"""A lens whose centre is brighter than this many σ has a core."""


@dataclass(frozen=True)
class Reference:
    """An image that methods are compared with, with the values that an interpolation of the input would have.

    Parameters
    ----------
    image : ndarray, shape (s ny, s nx)
        Surface brightness per pixel of the input.
    psf : ndarray, shape (k, k), k odd, or None
        Its effective PSF on its pixels, summing to 1; None where it is not known.
    background : float
        Its darkest noise-free pixel.
    own_scale : bool
        True where its values are scaled apart from the input's, so that only an affine fit makes them agree.
    """

    image: Array
    psf: NDArray[np.float32] | None
    background: float
    own_scale: bool = False


@dataclass(frozen=True)
class PointSources:
    """Point sources of an image.

    Parameters
    ----------
    kind : tuple of str
        quasar, star, pair.
    x, y : ndarray, shape (n,)
        Zero-based places [input px].
    flux : ndarray, shape (n,)
        In the unit of the input.
    """

    kind: tuple[str, ...]
    x: Array
    y: Array
    flux: Array


@dataclass(frozen=True)
class Example:
    """One image with its truth.

    Parameters
    ----------
    index : int
        Its number in the set.
    cutout : Cutout
        What a method gets.
    clean : ndarray, shape (ny, nx)
        The input without noise.
    references : mapping of str to Reference
        By the names of `REFERENCES`, all at one scale.
    points : PointSources
        Its point sources.
    sim : Simulated or None
        The simulator's record, for sets in memory.
    """

    index: int
    cutout: Cutout
    clean: Array
    references: Mapping[str, Reference]
    points: PointSources
    sim: Simulated | None = None

    @property
    def background(self) -> float:
        """The darkest noise-free pixel of the input."""
        return float(self.clean.min())


def values_of(image: NDArray[np.floating], scale: int, *, surface_brightness: bool) -> Array:
    """Pixels on a grid `scale` times finer as surface brightness per pixel of the input, shape kept.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
        Flux per pixel, or surface brightness already.
    scale : int
        Its pixels per pixel of the input.
    surface_brightness : bool
        Which of both it is.
    """
    per_pixel = 1.0 if surface_brightness else float(scale**2)
    return np.asarray(image, np.float64) * per_pixel


def simulated_example(sim: Simulated, scale: int, wanted: tuple[str, ...]) -> Example:
    """Make an example of a simulated image, with the references among `wanted` that there are at `scale`."""
    from lensproc.evaluate.scenes import cutout_of

    cutout = cutout_of(sim, sim.exposure)
    clean = sim.exposure.noise_free.astype(np.float64)
    references: dict[str, Reference] = {}
    if scale == 1 and "noisy" in wanted:
        own = cutout.psf.value
        psf = None if own is None else own.image
        references["noisy"] = Reference(sim.exposure.data.astype(np.float64), psf, float(clean.min()))
    references |= _partners(sim, scale, wanted)
    references |= _truths(sim, scale, wanted, float(clean.min()))
    points = sim.scene.points
    places = [sim.exposure.frame.pixel(point.x, point.y) for point in points]
    sources = PointSources(
        tuple(point.kind for point in points),
        np.array([place[0] for place in places], np.float64),
        np.array([place[1] for place in places], np.float64),
        np.array([point.flux * sim.factor for point in points], np.float64),
    )
    return Example(sim.index, cutout, clean, references, sources, sim)


def _partners(sim: Simulated, scale: int, wanted: tuple[str, ...]) -> dict[str, Reference]:
    from lensproc.simulate.render import psf_on_pixels

    partner = sim.partner
    if partner is None or partner.frame.size != scale * sim.exposure.frame.size:
        return {}
    # a camera of its own has its own counts per light
    apart = sim.recipe.partner is not None
    fine = 4 if sim.recipe.supersampling > 1 else 1
    psf = psf_on_pixels(partner.psf, partner.frame.pixel_scale, fine)
    floor = float(partner.noise_free.min())
    found = {}
    for name, pixels in (("noisy", partner.data), ("partner", partner.noise_free)):
        # the partner of a bicubic half is the truth itself, which stands for both
        if name in wanted and (name == "noisy" or apart or "truth" not in wanted):
            found[name] = Reference(pixels.astype(np.float64), psf, floor, apart)
    return found


def _truths(sim: Simulated, scale: int, wanted: tuple[str, ...], floor: float) -> dict[str, Reference]:
    from lensproc.simulate.render import psf_on_pixels
    from lensproc.simulate.samples import half_width_gaussian

    if scale not in TRUTH_SCALES:
        raise UsageError(f"truth is known at the scales 1, 2 and 4, not {scale}")
    pixel_scale, fine = (
        sim.exposure.frame.pixel_scale / scale,
        4 // scale if sim.recipe.supersampling > 1 else 1,
    )
    sharpness = {"truth": 1.0, "sharp": 2.0}
    names = [name for name in sharpness if name in wanted]
    images = sim.truths([(scale, sharpness[name]) for name in names])
    models = [sim.exposure.psf.narrowed(sharpness[name]) for name in names]
    if "gaussian" in wanted:
        gaussian = half_width_gaussian(sim, scale)
        names, models = [*names, "gaussian"], [*models, gaussian]
        images = [*images, sim.behind(gaussian, scale)]
    flat = sim.surface_brightness
    return {
        name: Reference(
            values_of(image, scale, surface_brightness=flat), psf_on_pixels(model, pixel_scale, fine), floor
        )
        for name, image, model in zip(names, images, models, strict=True)
    }


def without_points(sim: Simulated) -> Simulated:
    """Return the same sky without its point sources: only its truths are meaningful."""
    from lensproc.simulate.render import block_sum
    from lensproc.simulate.scene import noise_free_image

    scene = replace(sim.scene, points=())
    factor = sim.recipe.supersampling
    clean = block_sum(noise_free_image(scene, scene.frame.finer(factor), scene.psf), factor)
    conditions = sim.exposure.conditions
    sky = conditions.sky / conditions.electrons_per_unit if conditions.keep_sky else 0.0
    exposure = replace(
        sim.exposure, noise_free=np.asarray((clean + sky - sim.offset) * sim.factor, np.float32)
    )
    return replace(sim, scene=scene, exposure=exposure)


def regions_of(example: Example, sigma: float, fwhm: float) -> dict[str, Mask]:
    """Sort the pixels of an input by what the truth has there.

    Parameters
    ----------
    example : Example
        Image with its truth.
    sigma, fwhm : float
        Noise of its sky [unit] and width of its PSF [px].

    Returns
    -------
    dict of str to ndarray of bool, shape (ny, nx)
        ``all``: every pixel that is not bad; of these ``core``: within 1.5 FWHM of a lens that is seen; ``point``:
        else within 1 FWHM of a point source; ``arc``: else with noise-free light above 1σ; ``sky``: the rest.

    Notes
    -----
    The radii are those of the quality checks (`lensproc.qc.groups`), which know no truth.
    """
    ny, nx = example.clean.shape
    columns, rows = np.arange(nx), np.arange(ny)[:, None]
    light = example.clean - example.background
    good = ~example.cutout.bad
    core, point = np.zeros((ny, nx), bool), np.zeros((ny, nx), bool)
    center = example.cutout.lens_center.value
    if center is not None:
        x, y = (min(max(round(place), 0), side - 1) for place, side in zip(center, (nx, ny), strict=True))
        if light[y, x] > SEEN * sigma:
            core = np.hypot(columns - center[0], rows - center[1]) <= CORE_RADIUS * fwhm
    for x, y in zip(example.points.x, example.points.y, strict=True):
        point |= np.hypot(columns - x, rows - y) <= POINT_RADIUS * fwhm
    lit = light > LIT * sigma
    return {
        "all": good,
        "point": point & ~core & good,
        "arc": lit & ~point & ~core & good,
        "core": core & good,
        "sky": ~lit & ~point & ~core & good,
    }
