"""The noise-free truth of a scene as the finder sees it, so that real structure does not count as invented."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lensproc.evaluate.scenes import Scene, scene
from lensproc.qc import thresholds as at
from lensproc.qc.forced import flux_error
from lensproc.qc.noise import measure_noise
from lensproc.qc.nucleus import lens_is_seen
from lensproc.qc.sources import find_sources, finder_fwhm, finder_kernel

Array = NDArray[np.float64]

TRUTH_SNR = 0.5 * at.FINDER_FLOOR_SNR
"""A peak of the truth counts from this SNR in the input: noise lifts some of them over the finder's threshold."""

VIEWS = ((2, 1.0), (2, 2.0))
"""Scale of the truth images that are searched, and how much sharper than the input's PSF they are."""


@lru_cache(maxsize=64)
def true_peaks(recipe: str, seed: int, index: int) -> tuple[Array, Array]:
    """Peaks of the noise-free image, behind the PSF of the input and behind one of half its width.

    Returns
    -------
    x, y : ndarray, shape (n,)
        Zero-based places in the input [px]: point sources, knots of arcs, whatever is really there.
    """
    made = scene(recipe, seed, index)
    noise = measure_noise(made.cutout, made.fwhm)
    assert noise is not None
    # the finder takes light off about the centre only where the input shows the lens; so it must be here
    center = made.cutout.lens_center.value
    pixels = np.nan_to_num(made.cutout.data.astype(np.float64) - noise.sky, nan=0.0) / noise.level
    if center is not None and not lens_is_seen(pixels, noise, center, made.fwhm):
        center = None
    faintest = TRUTH_SNR * flux_error(made.spread, noise) * noise.level
    xs, ys = [made.x], [made.y]
    for (scale, sharper), image in zip(VIEWS, made.sim.truths(VIEWS), strict=True):
        found = _peaks(made, image.astype(np.float64), scale, sharper, faintest, center)
        xs.append(found[0])
        ys.append(found[1])
    return np.concatenate(xs), np.concatenate(ys)


def _peaks(
    made: Scene,
    image: Array,
    scale: int,
    sharper: float,
    faintest: float,
    center: tuple[float, float] | None,
) -> tuple[Array, Array]:
    from lensproc.nn.psf import gaussian_psf

    width = finder_fwhm(made.fwhm * scale / sharper)
    kernel = finder_kernel(width)
    star = float((kernel * gaussian_psf(width, kernel.shape[0])).sum())
    per_pixel = scale**2 if made.sim.surface_brightness else 1
    threshold = np.full(image.shape, faintest * star * per_pixel)
    fine = None if center is None else (scale * (center[0] + 0.5) - 0.5, scale * (center[1] + 0.5) - 0.5)
    found = find_sources(image, width, threshold, fine, scale).to_input(scale)
    return found.x, found.y
