"""Training samples of several instruments on one frame, so that every batch holds images of all of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from lensproc.errors import UsageError
from lensproc.nn.classifying.classes import FIELDS
from lensproc.simulate.image import Simulated
from lensproc.simulate.samples import sample


def padded_sample(sim: Simulated, side: int) -> dict[str, Any]:
    """Fields of one simulated image, its pixels in the middle of a larger frame of sky.

    Parameters
    ----------
    sim : Simulated
        Image of `side` pixels or less.
    side : int
        Of the frame [px].

    Returns
    -------
    dict
        ``image`` (side, side), with the level of the sky beyond its own edge; ``label``, ``sky``, ``sigma``,
        ``fwhm``; ``inside``: its own side [px].

    Raises
    ------
    UsageError
        For an image that is larger.

    Notes
    -----
    Batch normalisation keeps one mean and one scale per feature. Batches of one instrument each would teach it
    those of every single one, and what it keeps would fit none of them.
    """
    fields = sample(sim, FIELDS)
    image = fields["image"]
    own = image.shape[0]
    if own > side:
        raise UsageError(
            f"images of {own} px do not fit a frame of {side} px", remedy="raise [network] frame"
        )
    before = (side - own) // 2
    after = side - own - before
    fields["image"] = np.pad(image, (before, after), constant_values=np.float32(fields["sky"]))
    return {**fields, "inside": own}
