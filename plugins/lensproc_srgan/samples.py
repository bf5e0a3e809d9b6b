"""Scenes that srgan, esrgan and swinir learn from.

They stand by themselves: simulated samples are kept under a hash of this file, so that another loss does not make
them anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lensproc.nn.prepare import affine_for
from lensproc.simulate.samples import sample

if TYPE_CHECKING:
    from lensproc.simulate.image import Simulated


def scene(sim: Simulated, normalisation: str) -> dict[str, Any]:
    """Fields of one simulated scene, all normalised as the core does it to the image.

    Parameters
    ----------
    sim : Simulated
        Any scene.
    normalisation : str
        Of the stage's manifest.
    """
    fields = sample(sim, ("image", "variance", "sharp2", "points2", "fwhm", "sky", "noise"))
    affine = affine_for(normalisation, fields["image"], np.zeros(fields["image"].shape, bool))

    def values(name: str) -> Any:
        return np.asarray((fields[name] - affine.offset) / affine.scale, np.float32)

    return {
        "image": values("image"),
        "sharp2": values("sharp2"),
        "sky": float(values("sky")),
        "variance": np.asarray(fields["variance"] / affine.scale**2, np.float32),
        "noise": float(fields["noise"] / affine.scale),
        "points2": fields["points2"],
        "fwhm": fields["fwhm"],
    }
