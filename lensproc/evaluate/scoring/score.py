"""Scores of one image made by one method, against every reference."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lensproc.cutout import PSF
from lensproc.enhanced import Enhanced
from lensproc.errors import InputError
from lensproc.evaluate.scoring.example import Example, Mask, Reference, regions_of, values_of
from lensproc.evaluate.scoring.metrics import Agreement, Array, affine_fit, agreements, flux_ratio
from lensproc.nn.forward import forward_image
from lensproc.nn.prepare import sky_and_noise
from lensproc.nn.psf import fwhm_of, output_psf_of, psf_image, ratio_kernel

VARIANTS = {
    "direct": "the output as it is",
    "affine": "after the offset and factor that bring it nearest to the reference, fitted per image",
    "matched_psf": "after convolving it to the PSF of the reference, where its declared PSF is sharper",
    "matched_affine": "convolved, then fitted",
}
"""How an output is compared, by the name in the tables."""

SHARPER = 0.95
"""An output of less than this part of the reference's FWHM is convolved to it."""


@dataclass(frozen=True)
class Score:
    """How one output agrees with one reference in one way.

    Parameters
    ----------
    index : int
        Number of the image.
    method, reference, variant : str
        What was compared with what, how.
    sigma : float
        Noise of the input [unit]; NaN where the reference has a scale of its own.
    regions : mapping of str to Agreement
        By region.
    flux : float
        Light of the output over that of the reference; NaN where the two have scales of their own.
    missing : int
        Pixels without a value where the input had one.
    """

    index: int
    method: str
    reference: str
    variant: str
    sigma: float
    regions: Mapping[str, Agreement]
    flux: float
    missing: int


@dataclass(frozen=True)
class Grounds:
    """What all methods share on one image.

    Parameters
    ----------
    sigma, fwhm : float
        Noise of the sky [unit] and width of the PSF [px] of the input.
    regions : dict of str to ndarray of bool
        On the pixels of the output.
    """

    sigma: float
    fwhm: float
    regions: dict[str, Mask]


def grounds_of(example: Example, scale: int) -> Grounds:
    """Measure the noise of an input, and sort the pixels of its outputs."""
    cutout = example.cutout
    psf = cutout.psf.value
    fwhm = psf.fwhm if psf is not None else 3.0
    sigma = noise_of(example)
    regions = regions_of(example, sigma, fwhm)
    return Grounds(
        sigma, fwhm, {name: mask.repeat(scale, 0).repeat(scale, 1) for name, mask in regions.items()}
    )


def noise_of(example: Example) -> float:
    """Typical 1σ of an input: the root of the median variance, else the robust scatter of its sky [unit]."""
    cutout = example.cutout
    if cutout.variance is not None:
        known = cutout.variance[np.isfinite(cutout.variance) & (cutout.variance > 0)]
        if known.size:
            return float(np.sqrt(np.median(known.astype(np.float64))))
    return sky_and_noise(cutout.data, cutout.bad)[1]


def output_values(example: Example, enhanced: Enhanced, scale: int) -> Array:
    """Pixels of an output as surface brightness per pixel of the input.

    Raises
    ------
    InputError
        Where the output has another shape than the references.
    """
    data = enhanced.image.data
    ny, nx = example.clean.shape
    if data.shape != (scale * ny, scale * nx):
        raise InputError(f"the output has {data.shape} pixels, not {(scale * ny, scale * nx)}")
    flat = example.cutout.amplitude.value == "surface brightness"
    return values_of(data, scale, surface_brightness=flat)


def matching(psf: NDArray[np.float32] | None, output: PSF | None) -> NDArray[np.float32] | None:
    """Kernel that takes an output to the PSF of a reference; None where it is not sharper, or one is unknown.

    Parameters
    ----------
    psf : ndarray, shape (k, k), or None
        PSF of the reference.
    output : PSF or None
        PSF that is declared for the output, in its pixels; a FWHM of 0 says that every pixel is a point.
    """
    if psf is None or output is None or output.fwhm >= SHARPER * fwhm_of(psf):
        return None
    return psf if output.fwhm <= 0.0 else ratio_kernel(psf, psf_image(output))


def score(
    example: Example,
    enhanced: Enhanced,
    method: str,
    grounds: Grounds,
    scale: int,
    data_range: float,
) -> list[Score]:
    """Compare an output with every reference, in every way that applies.

    Parameters
    ----------
    example : Example
        The image with its references.
    enhanced : Enhanced
        What the method made of it.
    method : str
        Its name.
    grounds : Grounds
        From `grounds_of`.
    scale : int
        Output pixels per input pixel.
    data_range : float
        Of the set.
    """
    image = output_values(example, enhanced, scale)
    usable = grounds.regions["all"]
    missing = int(np.count_nonzero(usable & ~np.isfinite(image)))
    declared = output_psf_of(example.cutout.psf.value, enhanced.output_psf, scale)
    scores = []
    for name, reference in example.references.items():
        views = {"direct": image}
        kernel = matching(reference.psf, declared)
        if kernel is not None:
            views["matched_psf"] = _convolved(image, kernel, example.background)
        for variant, view in views.items():
            fitted_name = "affine" if variant == "direct" else "matched_affine"
            use = usable & np.isfinite(view)
            offset, factor = affine_fit(view, reference.image, use)
            for label, values in ((variant, view), (fitted_name, offset + factor * view)):
                scores.append(
                    _compare(
                        example, values, reference, grounds, data_range, method, name, label, missing, use
                    )
                )
    return scores


def _compare(
    example: Example,
    values: Array,
    reference: Reference,
    grounds: Grounds,
    data_range: float,
    method: str,
    name: str,
    variant: str,
    missing: int,
    use: Mask,
) -> Score:
    fitted = variant in ("affine", "matched_affine")
    # the structural similarity costs most of the time: after a fit only where the fit is needed
    similar = reference.own_scale or not fitted
    regions = agreements(values, reference.image, grounds.regions, data_range, with_ssim=similar)
    flux = math.nan
    if not reference.own_scale and not fitted:
        flux = flux_ratio(values, reference.image, (example.background, reference.background), use)
    sigma = math.nan if reference.own_scale else grounds.sigma
    return Score(example.index, method, name, variant, sigma, regions, flux, missing)


def _convolved(image: Array, kernel: NDArray[np.float32], background: float) -> Array:
    """Convolve an output, its missing pixels filled with the background and missing again afterwards."""
    good = np.isfinite(image)
    filled = np.where(good, image, background)
    blurred = forward_image(filled, kernel, 1, "surface brightness").astype(np.float64)
    return np.where(good, blurred, np.nan)
