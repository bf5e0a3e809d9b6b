"""FITS layouts of surveys: one module per layout, each with ``hdulist(simulated)``."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from lensproc.errors import InputError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from astropy.io import fits
    from numpy.typing import NDArray

    from lensproc.simulate.image import Simulated

LAYOUTS = ("plain", "hsc", "des", "euclid", "hst", "jwst")
"""Names of the layouts; each is a module of this package."""


def hdulist(sim: Simulated) -> fits.HDUList:
    """Lay the cutout out as the survey that the recipe imitates would deliver it.

    Raises
    ------
    UsageError
        For an instrument with an unknown layout, or one that needs a variance its instrument does not give.
    """
    camera = sim.recipe.instrument
    if camera.layout not in LAYOUTS:
        raise UsageError(
            f"instrument {camera.name}: no layout {camera.layout!r}", remedy=f"there are {', '.join(LAYOUTS)}"
        )
    if camera.layout != "plain" and sim.exposure.variance is None:
        raise UsageError(f"instrument {camera.name}: layout {camera.layout} states a variance, it has none")
    module = importlib.import_module(f"lensproc.simulate.layouts.{camera.layout}")
    result: fits.HDUList = module.hdulist(sim)
    return result


def read_science(path: Path) -> NDArray[np.float32]:
    """Read the science pixels back from a file that `hdulist` made: its first image."""
    import numpy as np
    from astropy.io import fits

    with fits.open(path) as hdus:
        for hdu in hdus:
            if hdu.header.get("NAXIS") == 2:
                return np.array(hdu.data, np.float32)
    raise InputError("no image in the file", file=path.name)
