"""SCI, MSK, WGT as the Dark Energy Survey writes coadds."""

from __future__ import annotations

import numpy as np
from astropy.io import fits

from lensproc.simulate.defects import replaced
from lensproc.simulate.image import Simulated
from lensproc.simulate.layouts.planes import bit_plane, image_hdu, primary, psf_hdu
from lensproc.simulate.layouts.wcs import celestial

BADPIX_BPM, BADPIX_CRAY = 1, 16
"""Bits of the mask: bad pixel map, and cosmic ray (Morganson et al. 2018, PASP 130, 074501, table 4)."""


def hdulist(sim: Simulated) -> fits.HDUList:
    """SCI with MAGZERO, MSK, WGT (inverse variance; 0 where there is no measurement), PSF."""
    camera, exposure = sim.recipe.instrument, sim.exposure
    bad = exposure.defects.mask(exposure.data.shape)
    header = celestial(exposure.frame, sim.scene.sky, off_frame=True)
    science = header.copy()
    science["MAGZERO"] = (camera.zeropoint, "AB magnitude of one count")
    science["FILTER"] = f"{camera.band} DECam"
    science["BAND"] = camera.band
    science["EXPTIME"] = camera.exposure_time
    science["PSF_FWHM"] = (exposure.psf.fwhm, "[arcsec]")
    assert exposure.variance is not None
    weight = np.where(bad, 0.0, 1.0 / exposure.variance)
    return fits.HDUList(
        [
            primary(sim),
            image_hdu("SCI", replaced(exposure.data, bad, camera.bad_pixels), science),
            image_hdu("MSK", bit_plane(exposure, {"cosmic": BADPIX_CRAY, "dead": BADPIX_BPM}), header),
            image_hdu("WGT", weight.astype(np.float32), header),
            psf_hdu(sim, exposure),
        ]
    )
