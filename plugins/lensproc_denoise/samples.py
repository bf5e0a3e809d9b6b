"""What a denoiser is taught with: simulated skies without noise, and what is needed to take them again."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensproc.errors import UsageError
from lensproc.simulate.image import Simulated
from lensproc.simulate.samples import sample

Float32 = NDArray[np.float32]

SIDE = 64
"""Side of the windows that are cut from simulated images [px]: that of the smallest ones."""


def exposure_parts(sim: Simulated) -> dict[str, Any]:
    """Window of a simulated sky in units of its background noise, so that its noise can be drawn anew.

    Parameters
    ----------
    sim : Simulated
        Image of at least `SIDE` pixels a side, in the unit of a camera.

    Returns
    -------
    dict
        ``truth`` (64, 64): noise-free image less its sky [1σ of the sky's noise]; ``photon``: variance [σ²] that a
        light of 1σ adds; ``correlation`` of the noise of neighbouring pixels; ``psf`` (33, 33) and ``fwhm`` [px].

    Raises
    ------
    UsageError
        For a recipe with smaller images, or one that scales them to [0, 1].

    Notes
    -----
    With E electrons for a pixel value of 1, a sky of s electrons and a read variance r, the noise of the sky is
    σ = √(s + r) / E, and light of n σ adds a variance n σ / E: n / √(s + r) in units of σ².
    """
    exposure = sim.exposure
    if min(exposure.data.shape) < SIDE or sim.recipe.normalise != "none":
        raise UsageError(
            f"recipe {sim.recipe.name} does not teach lens-denoise: its images are not as a camera's"
        )
    conditions = exposure.conditions
    level = conditions.background_sigma
    sky = conditions.sky / conditions.electrons_per_unit if conditions.keep_sky else 0.0
    rows, columns = _window(exposure.data.shape[0], sim.index)
    truth = (exposure.noise_free[rows, columns] - sky) / level
    return {
        "truth": np.asarray(truth, np.float32),
        "photon": 1.0 / (level * conditions.electrons_per_unit),
        "correlation": float(conditions.correlation),
        **sample(sim, ("psf", "fwhm")),
    }


def _window(side: int, index: int) -> tuple[slice, slice]:
    """Window of `SIDE` pixels whose place follows from the number of the image."""
    starts = np.random.default_rng([side, index]).integers(0, side - SIDE + 1, 2)
    rows, columns = (slice(int(start), int(start) + SIDE) for start in starts)
    return rows, columns


def unit_range(sim: Simulated) -> dict[str, Any]:
    """Window of an image that its recipe scales to [0, 1], as the only field ``image`` (64, 64).

    Raises
    ------
    UsageError
        For a recipe with smaller images, or one that does not scale them.
    """
    image: Float32 = sample(sim, ("image",))["image"]
    if min(image.shape) < SIDE or sim.recipe.normalise != "range":
        raise UsageError(
            f"recipe {sim.recipe.name} does not teach denoiser: its images are not of range [0, 1]"
        )
    return {"image": np.ascontiguousarray(image[_window(image.shape[0], sim.index)])}
