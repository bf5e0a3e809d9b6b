"""IMAGE, MASK, VARIANCE as the LSST pipelines write coadds of HSC and LSST."""

from __future__ import annotations

import numpy as np
from astropy.io import fits

from lensproc.simulate.defects import replaced
from lensproc.simulate.image import Simulated
from lensproc.simulate.layouts.planes import bit_plane, image_hdu, primary, psf_hdu
from lensproc.simulate.layouts.wcs import celestial, coadd_corner

MASK_PLANES = {
    "BAD": 0,
    "SAT": 1,
    "INTRP": 2,
    "CR": 3,
    "EDGE": 4,
    "DETECTED": 5,
    "DETECTED_NEGATIVE": 6,
    "SUSPECT": 7,
    "NO_DATA": 8,
    "BRIGHT_OBJECT": 9,
    "CROSSTALK": 10,
    "NOT_DEBLENDED": 11,
    "UNMASKEDNAN": 12,
}
"""Bit numbers, which each file carries in its MP_* cards."""


def hdulist(sim: Simulated) -> fits.HDUList:
    """IMAGE in the instrument's unit, MASK with MP_* cards, VARIANCE, PSF.

    Cosmic rays and dead pixels are interpolated over and flagged, as the pipeline does. FLUXMAG0 gives the zero
    point; the alternate WCS A and LTV place the cutout in its coadd.
    """
    camera, exposure = sim.recipe.instrument, sim.exposure
    bad = exposure.defects.mask(exposure.data.shape)
    fluxmag0 = 10.0 ** (0.4 * camera.zeropoint)
    first = primary(sim, FILTER=camera.band, EXPTIME=camera.exposure_time, FLUXMAG0=fluxmag0)
    header = celestial(exposure.frame, sim.scene.sky, off_frame=True)
    column, row = coadd_corner(sim.scene.sky)
    header["LTV1"], header["LTV2"] = float(-column), float(-row)
    for axis, start in ((1, column), (2, row)):
        header[f"CTYPE{axis}A"] = "LINEAR"
        header[f"CRPIX{axis}A"] = 1.0
        header[f"CRVAL{axis}A"] = float(start)
        header[f"CUNIT{axis}A"] = "PIXEL"
    science = header.copy()
    if camera.unit:
        science["BUNIT"] = camera.unit
    science["INHERIT"] = True
    mask_header = header.copy()
    for name, number in MASK_PLANES.items():
        key = f"MP_{name}"
        mask_header[key if len(key) <= 8 else f"HIERARCH {key}"] = number
    interpolated = 1 << MASK_PLANES["INTRP"]
    bits = {
        "cosmic": interpolated | 1 << MASK_PLANES["CR"],
        "dead": interpolated | 1 << MASK_PLANES["BAD"],
        "detected": 1 << MASK_PLANES["DETECTED"],
    }
    mask = bit_plane(exposure, bits, detected="detected")
    assert exposure.variance is not None
    variance = np.asarray(exposure.variance, np.float32)
    return fits.HDUList(
        [
            first,
            image_hdu("IMAGE", replaced(exposure.data, bad, camera.bad_pixels), science),
            image_hdu("MASK", mask, mask_header),
            image_hdu("VARIANCE", variance, header),
            psf_hdu(sim, exposure),
        ]
    )
