"""The truth file: what only a simulator knows."""

from __future__ import annotations

import math

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from lensproc.simulate.exposure import Exposure
from lensproc.simulate.image import Simulated
from lensproc.simulate.layouts.planes import image_hdu, psf_hdu
from lensproc.simulate.layouts.wcs import celestial
from lensproc.simulate.render import Frame, Image, grid

SOURCE_PLANE_SIZE = 128
"""Side of the source-plane image [px]; it shows 3 Einstein radii from edge to edge (the field without lens)."""

OFF_FRAME = ("hsc", "des", "euclid")
"""Layouts whose reference pixel lies outside the cutout, so that the truth has the same one."""


def truth_hdulist(sim: Simulated) -> fits.HDUList:
    """Everything known about one image.

    Returns
    -------
    astropy.io.fits.HDUList
        PRIMARY with the parameters; TRUTH1, TRUTH2, TRUTH4 (noise-free behind the PSF of the cutout, at 1, 2
        and 4 pixels per pixel side), SHARP2 (at 2, behind a PSF of half the width), VARIANCE (expected),
        PSF; where there is a lens SOURCE (source plane, no PSF), DEFLX, DEFLY [arcsec], KAPPA, SUBHALOS;
        SOURCES (point sources); where there is a partner HIGHRES, HIGHTRUTH, HIGHPSF.
    """
    header = truth_header(sim, 1.0)
    hdus: list[fits.hdu.base.ExtensionHDU] = [fits.PrimaryHDU(header=_primary_header(sim))]
    planes = [(f"TRUTH{scale}", scale, 1.0) for scale in sim.recipe.truth_scales]
    if 2 in sim.recipe.truth_scales:
        planes.append(("SHARP2", 2, 2.0))
    images = sim.truths([(scale, sharper) for _, scale, sharper in planes])
    for (name, scale, _), image in zip(planes, images, strict=True):
        hdus.append(image_hdu(name, image, truth_header(sim, scale)))
    hdus.append(image_hdu("VARIANCE", sim.exposure.expected_variance, header))
    hdus.append(psf_hdu(sim, sim.exposure))
    if sim.scene.deflector is not None:
        hdus += _lens_planes(sim, header)
    hdus.append(_sources_table(sim, header))
    if sim.partner is not None:
        hdus += _partner_planes(sim, sim.partner)
    return fits.HDUList(hdus)


def truth_header(sim: Simulated, scale: float) -> fits.Header:
    """WCS of the cutout's sky at `scale` pixels per pixel side."""
    frame = sim.exposure.frame
    fine = Frame(round(frame.size * scale), frame.pixel_scale / scale)
    return celestial(fine, sim.scene.sky, off_frame=_off_frame(sim), binning=1.0 / scale)


def _off_frame(sim: Simulated) -> bool:
    return sim.recipe.instrument.layout in OFF_FRAME


def center_position(sim: Simulated) -> tuple[float, float]:
    """Right ascension and declination [deg] of the middle of the cutout."""
    middle = (sim.exposure.frame.size - 1) / 2.0
    ra, dec = WCS(truth_header(sim, 1.0)).wcs_pix2world(middle, middle, 0)
    return float(ra), float(dec)


def _primary_header(sim: Simulated) -> fits.Header:
    header = fits.Header()
    header["OBJECT"] = f"{sim.recipe.stem}-{sim.index:06d}"[:60]
    header["ORIGIN"] = ("lensproc simulate", "truth of a simulation")
    header["RECIPE"] = sim.recipe.name
    header["SEED"] = sim.seed
    header["SPLIT"] = sim.split
    header["INDEX"] = sim.index
    header["CLASS"] = (sim.scene.class_name, "substructure class")
    if not math.isnan(sim.scene.einstein_radius):
        header["THETA_E"] = (sim.scene.einstein_radius, "[arcsec] Einstein radius")
    if sim.scene.deflector is not None:
        main = sim.scene.deflector.kwargs[0]
        x, y = sim.exposure.frame.pixel(main["center_x"], main["center_y"])
        header["LENS_X"] = (x, "[px] place of the lens, zero-based")
        header["LENS_Y"] = (y, "[px] place of the lens, zero-based")
    header["OFFSET"] = (sim.offset, "pixels are (counts - OFFSET) * FACTOR")
    header["FACTOR"] = (sim.factor, "pixels are (counts - OFFSET) * FACTOR")
    return header


def _lens_planes(sim: Simulated, header: fits.Header) -> list[fits.hdu.base.ExtensionHDU]:
    scene = sim.scene
    assert scene.deflector is not None
    x, y = grid(sim.exposure.frame)
    ax, ay = scene.deflector.deflection(x, y)
    arcsec = header.copy()
    arcsec["BUNIT"] = "arcsec"
    planes = [
        image_hdu("DEFLX", ax.astype(np.float32), arcsec),
        image_hdu("DEFLY", ay.astype(np.float32), arcsec),
        image_hdu("KAPPA", scene.deflector.convergence(x, y).astype(np.float32), header),
    ]
    if scene.source.models:
        planes.insert(0, _source_plane(sim))
    halos = scene.subhalos
    frame = sim.exposure.frame
    middle = (frame.size - 1) / 2.0
    px, py = halos.x / frame.pixel_scale + middle, halos.y / frame.pixel_scale + middle
    columns = [
        fits.Column("X", "D", unit="pix", array=px),
        fits.Column("Y", "D", unit="pix", array=py),
        fits.Column("DX", "D", unit="arcsec", array=halos.x),
        fits.Column("DY", "D", unit="arcsec", array=halos.y),
        fits.Column("MASS", "D", unit="solMass", array=halos.mass),
    ]
    return [*planes, fits.BinTableHDU.from_columns(columns, name="SUBHALOS")]


def _source_plane(sim: Simulated) -> fits.ImageHDU:
    side = 3.0 * sim.scene.einstein_radius
    frame = Frame(SOURCE_PLANE_SIZE, side / SOURCE_PLANE_SIZE)
    x, y = grid(frame)
    image: Image = sim.scene.source.surface_brightness(x, y) * sim.factor
    header = fits.Header()
    header["PIXSCALE"] = (frame.pixel_scale, "[arcsec] side of a pixel in the source plane")
    header["COMMENT"] = "Surface brightness per arcsec2; the middle lies behind the middle of the cutout."
    return image_hdu("SOURCE", image.astype(np.float32), header)


def _sources_table(sim: Simulated, header: fits.Header) -> fits.BinTableHDU:
    points = sim.scene.points
    frame = sim.exposure.frame
    pixels = [frame.pixel(p.x, p.y) for p in points]
    x, y = np.array([p[0] for p in pixels]), np.array([p[1] for p in pixels])
    ra, dec = WCS(header).wcs_pix2world(x, y, 0) if points else (x, y)
    columns = [
        fits.Column("KIND", "6A", array=np.array([p.kind for p in points], dtype="U6")),
        fits.Column("X", "D", unit="pix", array=x),
        fits.Column("Y", "D", unit="pix", array=y),
        fits.Column("RA", "D", unit="deg", array=ra),
        fits.Column("DEC", "D", unit="deg", array=dec),
        fits.Column("FLUX", "D", array=np.array([p.flux * sim.factor for p in points])),
        fits.Column("SNR", "D", array=np.array([p.snr for p in points])),
        fits.Column("MAGNIF", "D", array=np.array([p.magnification for p in points])),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="SOURCES")
    table.header["COMMENT"] = "X, Y count from 0 at the centre of the first pixel."
    return table


def _partner_planes(sim: Simulated, partner: Exposure) -> list[fits.hdu.base.ExtensionHDU]:
    scale = sim.exposure.frame.pixel_scale / partner.frame.pixel_scale
    header = truth_header(sim, scale)
    return [
        image_hdu("HIGHRES", partner.data, header),
        image_hdu("HIGHTRUTH", partner.noise_free, header),
        image_hdu("HIGHVAR", partner.expected_variance, header),
        psf_hdu(sim, partner, "HIGHPSF"),
    ]
