"""The PSF of an item, or the reason why there is none to work with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lensproc.contract.stage import Item
from lensproc.cutout import PSF
from lensproc.nn.psf import psf_image

NO_PSF = "needs the PSF and none is known; give one with --psf FWHM or --psf FILE"


def psf_or_reason(item: Item) -> tuple[PSF | None, str | None]:
    """Return the PSF of an item, or why it cannot be used.

    Returns
    -------
    psf : PSF or None
        In pixels of the image that the stage gets.
    reason : str or None
        For `StageOutput.failed`.
    """
    psf = item.psf
    if psf is None:
        return None, NO_PSF
    if not psf.fwhm > 0:
        return None, "an earlier stage has taken the whole PSF out; leave one of the two away"
    image: NDArray[np.float32] = psf_image(psf)
    if not np.isfinite(image).all() or image.sum() <= 0:
        return None, "the PSF image has non-finite pixels or no light; give another with --psf"
    return psf, None
