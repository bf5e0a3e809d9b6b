"""What a simulated lens tells the network of ``sis``: pixels in σ, the light of its source, its parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensproc.errors import UsageError
from lensproc.simulate.image import Simulated
from lensproc.simulate.render import block_sum, convolved, points_image, unlensed
from lensproc.simulate.samples import sample

Float32 = NDArray[np.float32]

LENS = ("einstein_radius", "x", "y", "e1", "e2", "gamma1", "gamma2")
"""Order of the numbers in the field ``lens``."""


def lens_sample(sim: Simulated, side: int) -> dict[str, Any]:
    """Fields of one simulated lens, its pixels in the middle of a larger frame of sky.

    Parameters
    ----------
    sim : Simulated
        Lens of `side` pixels or less.
    side : int
        Of the frame [px].

    Returns
    -------
    dict
        ``image`` and ``arcs`` (side, side): pixels, and the noise-free light of the source alone, both in σ of the
        sky and 0 beyond the image's own edge; ``inside``: its own side [px]; ``fwhm`` [px], ``pixel_scale``
        [arcsec]; ``lens`` (7,): see `LENS`, the radius [px] that of all mass together, the centre [px of the
        frame].

    Raises
    ------
    UsageError
        For a field without a lens, or an image that is larger.
    """
    if sim.scene.deflector is None:
        raise UsageError(f"recipe {sim.recipe.name} has no lens to be measured")
    fields = sample(sim, ("image", "sky", "sigma", "fwhm"))
    frame = sim.exposure.frame
    if frame.size > side:
        raise UsageError(
            f"images of {frame.size} px do not fit a frame of {side} px", remedy="raise [network] frame"
        )
    sigma = float(fields["sigma"]) or 1.0
    before = (side - frame.size) // 2
    after = side - frame.size - before
    image = np.asarray((fields["image"] - fields["sky"]) / sigma, np.float32)
    main, shear = sim.scene.deflector.kwargs[:2]
    x, y = frame.pixel(main["center_x"], main["center_y"])
    lens = (
        sim.scene.einstein_radius / frame.pixel_scale,
        x + before,
        y + before,
        main["e1"],
        main["e2"],
        shear["gamma1"],
        shear["gamma2"],
    )
    return {
        "image": np.pad(image, (before, after)),
        "arcs": np.pad(np.asarray(arcs_of(sim) / sigma, np.float32), (before, after)),
        "inside": frame.size,
        "fwhm": fields["fwhm"],
        "pixel_scale": frame.pixel_scale,
        "lens": np.array(lens, np.float32),
    }


def arcs_of(sim: Simulated) -> Float32:
    """Noise-free light of the source alone behind the PSF, shape (ny, nx), in the unit of the image."""
    scene, factor = sim.scene, sim.recipe.supersampling
    fine = sim.exposure.frame.finer(factor)
    other = points_image(fine, scene.points, scene.psf)
    if scene.foreground.models:
        other += convolved(unlensed(fine, scene.foreground), scene.psf, fine.pixel_scale)
    conditions = sim.exposure.conditions
    sky = conditions.sky / conditions.electrons_per_unit if conditions.keep_sky else 0.0
    counted = sim.exposure.noise_free / np.float32(sim.factor) + np.float32(sim.offset)
    arcs = (counted - sky - block_sum(other, factor)) * sim.factor
    return np.asarray(arcs, np.float32)
