"""World coordinates in the ways surveys write them."""

from __future__ import annotations

import math

from astropy.io.fits import Header

from lensproc.simulate.render import Frame

Sky = tuple[float, float, float]


def coadd_corner(sky: Sky) -> tuple[int, int]:
    """Where the cutout's first pixel lies in its (imagined) coadd [px], a fixed function of the place."""
    ra, dec, _ = sky
    return 1000 + int(ra * 7919) % 15000, 1000 + int(abs(dec) * 7907) % 15000


def celestial(
    frame: Frame, sky: Sky, matrix: str = "CD", off_frame: bool = False, binning: float = 1.0
) -> Header:
    """Header cards of a tangential projection.

    Parameters
    ----------
    frame : Frame
        Pixel grid.
    sky : (ra, dec, rotation)
        Position [deg] of the reference point and position angle [deg] of the y axis, east of north.
    matrix : str
        ``CD``, ``PC`` (with CDELT), or ``CD+PC`` (both, as Euclid and HSC cutouts carry them).
    off_frame : bool
        Put the reference pixel outside the cutout, as one cut from a coadd has it; else in its middle.
    binning : float
        Pixels of the cutout per pixel of `frame` (½ for a truth image at twice the scale): where an off-frame
        reference pixel is measured in pixels of the cutout.
    """
    ra, dec, rotation = sky
    middle = (frame.size + 1) / 2.0
    x = y = middle
    if off_frame:
        column, row = coadd_corner(sky)
        x, y = middle - (column % 4001 - 2000) / binning, middle - (row % 4001 - 2000) / binning
    step = frame.pixel_scale / 3600.0
    cosine, sine = math.cos(math.radians(rotation)), math.sin(math.radians(rotation))
    elements = {"1_1": -step * cosine, "1_2": step * sine, "2_1": step * sine, "2_2": step * cosine}
    header = Header()
    header["WCSAXES"] = 2
    header["CTYPE1"] = ("RA---TAN", "Right ascension, gnomonic projection")
    header["CTYPE2"] = ("DEC--TAN", "Declination, gnomonic projection")
    header["CRPIX1"] = (x, "Reference pixel")
    header["CRPIX2"] = (y, "Reference pixel")
    header["CRVAL1"] = (ra, "[deg] Right ascension at the reference pixel")
    header["CRVAL2"] = (dec, "[deg] Declination at the reference pixel")
    header["CUNIT1"] = "deg"
    header["CUNIT2"] = "deg"
    if "CD" in matrix:
        for name, value in elements.items():
            header[f"CD{name}"] = value
    if matrix == "CD+PC":
        header["PC1_1"], header["PC1_2"] = elements["1_1"], elements["1_2"]
        header["PC2_1"], header["PC2_2"] = elements["2_1"], elements["2_2"]
        header["CDELT1"], header["CDELT2"] = 1.0, 1.0
    if matrix == "PC":
        header["CDELT1"], header["CDELT2"] = step, step
        for name, value in elements.items():
            header[f"PC{name}"] = value / step
    header["RADESYS"] = "ICRS"
    return header
