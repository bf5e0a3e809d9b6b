"""Training samples that know how large their pixels are, for a strength counted in arcsec."""

from __future__ import annotations

from typing import Any

from lensproc.nn.classifying.classes import FIELDS
from lensproc.simulate.image import Simulated
from lensproc.simulate.samples import sample


def scaled_sample(sim: Simulated) -> dict[str, Any]:
    """Fields that every classifier takes of a simulated lens, and ``pixel_scale`` [arcsec]."""
    return {**sample(sim, FIELDS), "pixel_scale": sim.exposure.frame.pixel_scale}
