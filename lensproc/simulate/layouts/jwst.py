"""SCI, ERR, WHT, VAR_* in MJy/sr, as the JWST pipeline writes i2d images."""

from __future__ import annotations

import numpy as np
from astropy.io import fits

from lensproc.simulate.defects import replaced
from lensproc.simulate.image import Simulated
from lensproc.simulate.layouts.planes import image_hdu, primary, psf_hdu
from lensproc.simulate.layouts.wcs import celestial

STERADIANS_PER_ARCSEC2 = 2.350443053909789e-11


def hdulist(sim: Simulated) -> fits.HDUList:
    """SCI with PC and CDELT, PIXAR_SR, PHOTMJSR; ERR (1σ); WHT (exposure time); VAR_POISSON, VAR_RNOISE; PSF."""
    camera, exposure = sim.recipe.instrument, sim.exposure
    bad = exposure.defects.mask(exposure.data.shape)
    header = celestial(exposure.frame, sim.scene.sky, matrix="PC")
    science = header.copy()
    area = exposure.frame.pixel_scale**2
    science["BUNIT"] = camera.unit
    science["PIXAR_SR"] = (area * STERADIANS_PER_ARCSEC2, "Nominal pixel area in steradians")
    science["PIXAR_A2"] = (area, "Nominal pixel area in arcsec^2")
    # MJy/sr that give one count of the detector per second.
    per_count = camera.gain * camera.exposure_time / camera.electrons_per_unit
    science["PHOTMJSR"] = (per_count, "Flux density (MJy/steradian) producing 1 cps")
    assert exposure.variance is not None
    variance = np.where(bad, np.nan, exposure.variance)
    read = np.full_like(variance, exposure.conditions.read_variance / camera.electrons_per_unit**2)
    read[bad] = np.nan
    weight = np.where(bad, 0.0, camera.exposure_time).astype(np.float32)
    cards = {"FILTER": camera.band, "EFFEXPTM": camera.exposure_time}
    return fits.HDUList(
        [
            primary(sim, **cards),
            image_hdu("SCI", replaced(exposure.data, bad, camera.bad_pixels), science),
            image_hdu("ERR", np.sqrt(variance).astype(np.float32), header),
            image_hdu("WHT", weight, header),
            image_hdu("VAR_POISSON", (variance - read).astype(np.float32), header),
            image_hdu("VAR_RNOISE", read.astype(np.float32), header),
            psf_hdu(sim, exposure),
        ]
    )
