"""SCI, ERR, DQ in electrons per second, as HST images come after drizzling with an error array."""

from __future__ import annotations

import math

import numpy as np
from astropy.io import fits

from lensproc.simulate.defects import replaced
from lensproc.simulate.image import Simulated
from lensproc.simulate.instrument import Instrument
from lensproc.simulate.layouts.planes import bit_plane, image_hdu, primary, psf_hdu
from lensproc.simulate.layouts.wcs import celestial

DQ_DEAD, DQ_COSMIC = 4, 4096
"""Bits of the data quality array: bad detector pixel, cosmic ray (ACS Data Handbook, table 3.4)."""

PIVOT = {"F606W": 5921.9, "F814W": 8046.6, "F160W": 15369.2}
"""Pivot wavelengths [Angstrom], from headers and the WFC3 handbook."""


def photflam(camera: Instrument) -> float:
    """PHOTFLAM [erg/cm²/Å/electron] that, with the pivot wavelength, gives the camera's AB zeropoint.

    AB = -2.5 log10 PHOTFLAM - 5 log10 PHOTPLAM - 2.408 (ACS Data Handbook, section 5.1).
    """
    return float(10.0 ** (-0.4 * (camera.zeropoint + 5.0 * math.log10(PIVOT[camera.band]) + 2.408)))


def hdulist(sim: Simulated) -> fits.HDUList:
    """SCI with a rotated CD matrix, PHOTFLAM and PHOTPLAM; ERR (1σ); DQ; PSF."""
    camera, exposure = sim.recipe.instrument, sim.exposure
    bad = exposure.defects.mask(exposure.data.shape)
    header = celestial(exposure.frame, sim.scene.sky)
    science = header.copy()
    science["BUNIT"] = camera.unit
    science["PHOTFLAM"] = (photflam(camera), "inverse sensitivity, ergs/cm2/Ang/electron")
    science["PHOTPLAM"] = (PIVOT[camera.band], "Pivot wavelength (Angstroms)")
    science["ORIENTAT"] = sim.scene.sky[2]
    assert exposure.variance is not None
    error = np.where(bad, 0.0, np.sqrt(exposure.variance)).astype(np.float32)
    quality = bit_plane(exposure, {"cosmic": DQ_COSMIC, "dead": DQ_DEAD}).astype(np.int16)
    cards = {"FILTER": camera.band, "EXPTIME": camera.exposure_time, "NCOMBINE": camera.exposures}
    return fits.HDUList(
        [
            primary(sim, **cards),
            image_hdu("SCI", replaced(exposure.data, bad, camera.bad_pixels), science),
            image_hdu("ERR", error, header),
            image_hdu("DQ", quality, header),
            psf_hdu(sim, exposure),
        ]
    )
