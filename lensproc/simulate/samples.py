"""Simulated images as training samples: pixels, noise, PSF and truths in the convention of stages.

A stage keeps values as an interpolation does (``surface brightness``), so truths on finer pixels are given on that
scale: flux per pixel times the number of fine pixels in a pixel.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensproc.errors import UsageError
from lensproc.simulate.image import Simulated
from lensproc.simulate.psf import PSFModel

Float32 = NDArray[np.float32]

PSF_SIDE = 33
"""Side of the PSF images [input px]; wider wings are cut."""
FINE = 2
"""Fine pixels per input pixel of `truth2`, `sharp2` and `points2`."""
PER_FWHM = math.sqrt(8.0 * math.log(2.0))


def sample(sim: Simulated, fields: tuple[str, ...]) -> dict[str, Any]:
    """Fields of one simulated image.

    Parameters
    ----------
    sim : Simulated
        Image with its truth, of side n [px].
    fields : tuple of str
        Names of what is wanted:

        ``image`` (n, n): pixels with noise; ``variance`` (n, n): as its file states it, else the square of the
        robust noise of the sky; ``truth1`` (n, n), ``truth2`` (2n, 2n): noise-free behind the PSF of the image;
        ``sharp2`` (2n, 2n): noise-free behind a Gaussian of half its effective FWHM; ``partner``,
        ``partner_truth``: the high-resolution partner with and without noise; ``points1``, ``points2``: 1 at
        point sources and falling off as a Gaussian of the PSF's, or half its, FWHM; ``psf`` (33, 33): effective
        PSF on input pixels; ``fwhm`` [px]; ``sky``, ``sigma``: level and robust noise of the sky; ``noise``: the
        root of the median of ``variance``; ``label``: number of the class.

    Returns
    -------
    dict
        Field to array of float32, or to a number.

    Raises
    ------
    UsageError
        For an unknown field, or a partner of a recipe without one.
    """
    return {name: _field(name)(sim) for name in fields}


def _field(name: str) -> Callable[[Simulated], Any]:
    if name not in _FIELDS:
        raise UsageError(f"a sample has no field {name!r}", remedy=f"it has: {', '.join(_FIELDS)}")
    return _FIELDS[name]


def effective_psf(sim: Simulated) -> Float32:
    """Effective PSF of the exposure on its pixels, shape (k, k), k odd, summing to 1."""
    from lensproc.simulate.render import psf_on_pixels

    fine = 4 if sim.recipe.supersampling > 1 else 1
    return psf_on_pixels(sim.exposure.psf, sim.exposure.frame.pixel_scale, fine)


def half_width_gaussian(sim: Simulated, scale: int = FINE) -> PSFModel:
    """Gaussian which, seen on pixels `scale` times finer, is half as wide as the effective PSF.

    A Gaussian of variance V averaged over a pixel of side w has the variance V + w²/12.
    """
    from lensproc.nn.psf import PIXEL_VARIANCE, fwhm_of

    frame = sim.exposure.frame.finer(scale)
    fwhm = 0.5 * scale * fwhm_of(effective_psf(sim))  # in fine pixels
    variance = max((fwhm / PER_FWHM) ** 2 - PIXEL_VARIANCE, 1e-3)
    return PSFModel("gaussian", math.sqrt(variance) * PER_FWHM * frame.pixel_scale)


def _in_values(sim: Simulated, image: Float32, scale: int) -> Float32:
    """Flux per fine pixel to the values of an image that is as bright per area."""
    return image if sim.surface_brightness else np.asarray(image * np.float32(scale**2), np.float32)


def _truth(sim: Simulated, scale: int) -> Float32:
    return _in_values(sim, sim.truth(scale), scale)


def _sharp(sim: Simulated) -> Float32:
    return _in_values(sim, sim.behind(half_width_gaussian(sim), FINE), FINE)


def _variance(sim: Simulated) -> Float32:
    stated = sim.exposure.variance
    return np.full(sim.exposure.data.shape, _sky(sim)[1] ** 2, np.float32) if stated is None else stated


def _sky(sim: Simulated) -> tuple[float, float]:
    from lensproc.nn.prepare import sky_and_noise

    return sky_and_noise(sim.exposure.data)


def _partner(sim: Simulated, *, noisy: bool) -> Float32:
    if sim.partner is None:
        raise UsageError(f"recipe {sim.recipe.name} has no high-resolution partner")
    return sim.partner.data if noisy else sim.partner.noise_free


def _psf(sim: Simulated) -> Float32:
    image = effective_psf(sim)
    half, target = image.shape[0] // 2, PSF_SIDE // 2
    if half > target:
        image = image[half - target : half + target + 1, half - target : half + target + 1]
        return np.asarray(image / image.sum(), np.float32)
    return np.pad(image, target - half)


def _fwhm(sim: Simulated) -> float:
    from lensproc.nn.psf import fwhm_of

    return float(fwhm_of(effective_psf(sim)))


def _points(sim: Simulated, scale: int) -> Float32:
    """1 at every point source; Gaussians of the PSF's FWHM in input pixels, half of it on finer ones."""
    frame = sim.exposure.frame
    sigma = _fwhm(sim) / PER_FWHM
    axis = np.arange(scale * frame.size)
    weight = np.zeros((axis.size, axis.size))
    for point in sim.scene.points:
        x, y = (scale * (place + 0.5) - 0.5 for place in frame.pixel(point.x, point.y))
        column, row = (np.exp(-0.5 * ((axis - place) / sigma) ** 2) for place in (y, x))
        np.maximum(weight, np.outer(column, row), out=weight)
    return np.asarray(weight, np.float32)


_FIELDS: dict[str, Callable[[Simulated], Any]] = {
    "image": lambda sim: sim.exposure.data,
    "variance": _variance,
    "truth1": lambda sim: sim.exposure.noise_free,
    "truth2": lambda sim: _truth(sim, FINE),
    "sharp2": _sharp,
    "partner": lambda sim: _partner(sim, noisy=True),
    "partner_truth": lambda sim: _partner(sim, noisy=False),
    "points1": lambda sim: _points(sim, 1),
    "points2": lambda sim: _points(sim, FINE),
    "psf": _psf,
    "fwhm": _fwhm,
    "sky": lambda sim: _sky(sim)[0],
    "sigma": lambda sim: _sky(sim)[1],
    "noise": lambda sim: float(np.sqrt(np.median(_variance(sim)))),
    "label": lambda sim: sim.recipe.classes.index(sim.scene.class_name),
}
