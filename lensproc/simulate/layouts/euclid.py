"""BGSUB, PSF, RMS of one band, as cutouts of Euclid MER mosaics carry them."""

from __future__ import annotations

import numpy as np
from astropy.io import fits

from lensproc.simulate.defects import replaced
from lensproc.simulate.image import Simulated
from lensproc.simulate.layouts.planes import image_hdu, primary, psf_hdu
from lensproc.simulate.layouts.wcs import celestial

NO_DATA = 1e16
"""What the RMS plane holds where there is no measurement."""


def hdulist(sim: Simulated) -> fits.HDUList:
    """BAND_BGSUB with MAGZERO, TARGETX/Y (zero-based), CD and PC together; BAND_PSF; BAND_RMS."""
    camera, exposure = sim.recipe.instrument, sim.exposure
    bad = exposure.defects.mask(exposure.data.shape)
    header = celestial(exposure.frame, sim.scene.sky, matrix="CD+PC", off_frame=True)
    header["MAGZERO"] = (camera.zeropoint, "AB zeropoint")
    header["FILTER"] = camera.band
    if sim.scene.deflector is not None:
        main = sim.scene.deflector.kwargs[0]
        x, y = exposure.frame.pixel(main["center_x"], main["center_y"])
        header["TARGETX"], header["TARGETY"] = x, y
    assert exposure.variance is not None
    rms = np.where(bad, NO_DATA, np.sqrt(exposure.variance)).astype(np.float32)
    names = [f"{camera.band}_{plane}" for plane in ("BGSUB", "PSF", "RMS")]
    first = primary(sim)
    for number, name in enumerate(names, start=1):
        first.header[f"EXT_{number}"] = name
    return fits.HDUList(
        [
            first,
            image_hdu(names[0], replaced(exposure.data, bad, camera.bad_pixels), header),
            psf_hdu(sim, exposure, names[1]),
            image_hdu(names[2], rms),
        ]
    )
