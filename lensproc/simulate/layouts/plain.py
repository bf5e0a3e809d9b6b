"""One image in the primary HDU, as training sets and small surveys hand it out."""

from __future__ import annotations

from astropy.io import fits

from lensproc.simulate.defects import replaced
from lensproc.simulate.image import Simulated
from lensproc.simulate.layouts.planes import primary
from lensproc.simulate.layouts.wcs import celestial


def hdulist(sim: Simulated) -> fits.HDUList:
    """PRIMARY with the image, and the FWHM of its PSF; no variance."""
    camera, exposure = sim.recipe.instrument, sim.exposure
    data = replaced(exposure.data, exposure.defects.mask(exposure.data.shape), camera.bad_pixels)
    header = primary(sim).header
    header.extend(celestial(exposure.frame, sim.scene.sky))
    header["FILTER"] = camera.band
    if camera.unit:
        header["BUNIT"] = camera.unit
    if camera.zeropoint == camera.zeropoint:
        header["MAGZERO"] = (camera.zeropoint, "AB magnitude of one unit")
    header["EXPTIME"] = (camera.exposure_time, "[s]")
    header["SEEING"] = (exposure.psf.fwhm, "[arcsec] FWHM of the PSF")
    return fits.HDUList([fits.PrimaryHDU(data, header)])
