"""A measured lens as header values and planes of a file."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lensproc.enhanced import Plane, Value
from lensproc_sis.sis_physics import Maps

if TYPE_CHECKING:
    from astropy.io.fits import Header

    from lensproc.contract.stage import SkyAxes

Array = NDArray[np.float64]


def orientation(matrix: tuple[tuple[float, float], tuple[float, float]]) -> Array:
    """Return the turn (2, 2), with a mirror where east lies left of north, that is nearest to a WCS's matrix.

    Notes
    -----
    The orthogonal part of the polar decomposition; it takes directions along (x, y) to (east, north).
    """
    left, _, right = np.linalg.svd(np.array(matrix, np.float64))
    return np.asarray(left @ right, np.float64)


def turned_shape(shape: Array, sigma: Array, turn: Array) -> tuple[Array, Array]:
    """Give a spin-2 pair and its errors along other axes.

    Parameters
    ----------
    shape, sigma : ndarray, shape (2,)
        e₁, e₂ (or γ₁, γ₂) along x and y, and their 1σ errors, taken to be independent.
    turn : ndarray, shape (2, 2)
        Of `orientation`.

    Notes
    -----
    As a symmetric matrix S = ((e₁, e₂), (e₂, −e₁)) the pair turns as T S Tᵀ, mirrors included.
    """
    basis = np.array([[[1.0, 0.0], [0.0, -1.0]], [[0.0, 1.0], [1.0, 0.0]]])
    new = turn @ basis @ turn.T
    linear = np.array([[new[0][0, 0], new[1][0, 0]], [new[0][0, 1], new[1][0, 1]]])
    return linear @ shape, np.sqrt(linear**2 @ np.asarray(sigma) ** 2)


def values_of(
    lens: Array, sigma: Array, pixel_scale: float, sky: SkyAxes | None, misfit: float | None
) -> dict[str, Value]:
    """Header values of one lens.

    Parameters
    ----------
    lens, sigma : ndarray, shape (7,)
        θ_E, x, y [px], e₁, e₂, γ₁, γ₂ along the axes of the pixels, and their 1σ errors.
    pixel_scale : float
        [arcsec].
    sky : SkyAxes or None
        Where the cutout lies on the sky: e and γ are given along right ascension and declination, or without it
        along the axes of the pixels.
    misfit : float or None
        Mean square of the residual where the arcs are; None where no arcs are seen.
    """
    axes = "x, y of pixels" if sky is None else "RA, Dec"
    turn = np.eye(2) if sky is None else orientation(sky.matrix)
    shape, shape_sigma = turned_shape(lens[3:5], sigma[3:5], turn)
    shear, shear_sigma = turned_shape(lens[5:7], sigma[5:7], turn)

    def value(number: float, error: float, unit: str, text: str) -> Value:
        return Value(float(number), float(error), unit, text)

    return {
        "LPTHETAE": value(lens[0] * pixel_scale, sigma[0] * pixel_scale, "arcsec", "Einstein radius"),
        "LPLENSX": value(lens[1], sigma[1], "pix", "x of the lens, from 0, original image"),
        "LPLENSY": value(lens[2], sigma[2], "pix", "y of the lens, from 0, original image"),
        "LPE1": value(shape[0], shape_sigma[0], "", f"ellipticity e1, axes: {axes}"),
        "LPE2": value(shape[1], shape_sigma[1], "", f"ellipticity e2, axes: {axes}"),
        "LPG1": value(shear[0], shear_sigma[0], "", f"shear gamma1, axes: {axes}"),
        "LPG2": value(shear[1], shear_sigma[1], "", f"shear gamma2, axes: {axes}"),
        "LPMISFIT": Value(misfit, None, "", "mean square of RESIDUAL on the arcs"),
    }


def planes_of(
    maps: Maps, lens: Array, pixel_scale: float, level: float, sky: SkyAxes | None
) -> dict[str, Plane]:
    """Planes of one lens.

    Parameters
    ----------
    maps : Maps
        Of that lens.
    lens : ndarray, shape (7,)
        Its parameters.
    pixel_scale : float
        [arcsec].
    level : float
        What one unit of the maps' source is in the unit of the image.
    sky : SkyAxes or None
        Where the cutout lies on the sky.
    """

    def single(values: Array) -> NDArray[np.float32]:
        return np.ascontiguousarray(values, np.float32)

    header = source_header(maps, lens, pixel_scale, sky)
    return {
        "ALPHA": Plane(
            single(maps.alpha * pixel_scale),
            1.0,
            "arcsec",
            description="deflection along x and y of the pixels",
        ),
        "KAPPA": Plane(single(maps.kappa), 1.0, description="convergence"),
        "SOURCE": Plane(
            single(maps.source * level),
            None,
            header=header,
            description="source plane; value of a pixel of the input as bright",
        ),
        "RESIDUAL": Plane(
            single(maps.residual), 1.0, description="image less light and relensed source, in sigma"
        ),
    }


def source_header(maps: Maps, lens: Array, pixel_scale: float, sky: SkyAxes | None) -> Header:
    """Header of SOURCE: its pixels [arcsec], and where there is a WCS one of its own.

    A place in the source plane is given the sky position that it would have without the lens.
    """
    from astropy.io.fits import Header

    header = Header()
    header["PIXSCALE"] = (maps.step * pixel_scale, "[arcsec] side of a pixel of this plane")
    header["BETA0X"] = (maps.origin[0], "[pix] x behind the lens, from 0")
    header["BETA0Y"] = (maps.origin[1], "[pix] y behind the lens, from 0")
    if sky is None:
        return header
    # the plane's pixel p lies at lens + (p - origin) step; the sky's reference at (sky.x, sky.y)
    x = maps.origin[0] + (sky.x - lens[1]) / maps.step
    y = maps.origin[1] + (sky.y - lens[2]) / maps.step
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN", "DEC--TAN"
    header["CUNIT1"], header["CUNIT2"] = "deg", "deg"
    header["CRVAL1"], header["CRVAL2"] = sky.ra, sky.dec
    header["CRPIX1"], header["CRPIX2"] = float(x) + 1.0, float(y) + 1.0
    for i in (0, 1):
        for j in (0, 1):
            header[f"CD{i + 1}_{j + 1}"] = sky.matrix[i][j] * maps.step / 3600.0
    return header


def misfit_of(maps: Maps) -> float | None:
    """Mean square of the residual where the arcs are; None where there are none."""
    there = maps.lit & (maps.residual != 0.0)
    value = float(np.mean(maps.residual[there] ** 2)) if there.any() else math.nan
    return value if math.isfinite(value) else None
