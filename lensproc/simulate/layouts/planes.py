"""HDUs that several layouts share."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from lensproc.simulate.exposure import Exposure
from lensproc.simulate.image import Simulated
from lensproc.simulate.render import psf_on_pixels


def image_hdu(name: str, data: NDArray[np.generic], header: fits.Header | None = None) -> fits.ImageHDU:
    """Image extension of that name."""
    hdu = fits.ImageHDU(data, header, name=name)
    return hdu


def primary(sim: Simulated, **cards: object) -> fits.PrimaryHDU:
    """Empty primary HDU that says the file is simulated."""
    camera = sim.recipe.instrument
    header = fits.Header()
    header["TELESCOP"] = (camera.telescope, "telescope imitated")
    header["INSTRUME"] = (camera.camera, "camera imitated")
    header["OBJECT"] = (f"{sim.recipe.stem}-{sim.index:06d}"[:60], "simulated field")
    header["ORIGIN"] = ("lensproc simulate", "this is a simulation")
    for key, value in cards.items():
        header[key] = value
    return fits.PrimaryHDU(header=header)


def psf_hdu(sim: Simulated, exposure: Exposure, name: str = "PSF") -> fits.ImageHDU:
    """PSF image on the pixels of the cutout, with its FWHM [arcsec]."""
    fine = 4 if sim.recipe.supersampling > 1 else 1
    header = fits.Header()
    header["FWHM"] = (exposure.psf.fwhm, "[arcsec] full width at half maximum")
    header["PIXSCALE"] = (exposure.frame.pixel_scale, "[arcsec] side of a pixel")
    return image_hdu(name, psf_on_pixels(exposure.psf, exposure.frame.pixel_scale, fine), header)


def bit_plane(exposure: Exposure, bits: Mapping[str, int], detected: str | None = None) -> NDArray[np.int32]:
    """Mask of named bits: ``cosmic`` and ``dead`` pixels, and pixels above 5σ under the name `detected`."""
    plane = np.zeros(exposure.data.shape, np.int32)
    for row, column in exposure.defects.cosmic_rays:
        plane[row, column] |= bits["cosmic"]
    for row, column in exposure.defects.dead:
        plane[row, column] |= bits["dead"]
    if detected is not None:
        sky = float(np.median(exposure.data))
        plane[exposure.data - sky > 5.0 * exposure.conditions.background_sigma] |= bits[detected]
    return plane
