"""What a super-resolved image must keep of point sources: their response to a matched filter, and their flux.

Both compare an image with its truth on the grid of the output, in units of noise. Values are surface brightness:
they stay as they are on finer pixels. A mean over s² fine pixels of white noise s σ has the noise σ, so an input
of noise σ corresponds to s σ on pixels s times finer.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from lensproc.nn.consistency import matched_significance
from lensproc.nn.forward import convolve
from lensproc.nn.psf import SIGMA_PER_FWHM


def gaussian_stamps(fwhm: torch.Tensor, side: int) -> torch.Tensor:
    """Gaussians on pixels, each summing to 1.

    Parameters
    ----------
    fwhm : torch.Tensor, shape (N,)
        Full widths at half maximum, pixels included [px].
    side : int
        Of the stamps, odd [px].

    Returns
    -------
    torch.Tensor, shape (N, side, side)
        Values at pixel centres, for the width is that of the effective PSF.
    """
    squared = _squared_radius(side, fwhm)
    stamps = torch.exp(-0.5 * squared / (fwhm[:, None, None] * SIGMA_PER_FWHM) ** 2)
    return stamps / stamps.sum((1, 2), keepdim=True)


def aperture_stamps(radius: torch.Tensor, side: int) -> torch.Tensor:
    """Circular apertures with an edge a pixel wide over which weights fall from 1 to 0.

    Parameters
    ----------
    radius : torch.Tensor, shape (N,)
        Of the apertures [px].
    side : int
        Of the stamps, odd [px].

    Returns
    -------
    torch.Tensor, shape (N, side, side)
        Weights from 0 to 1.
    """
    return (radius[:, None, None] + 0.5 - _squared_radius(side, radius).sqrt()).clamp(0.0, 1.0)


def _squared_radius(side: int, like: torch.Tensor) -> torch.Tensor:
    if side % 2 == 0:
        raise ValueError(f"a stamp needs an odd side, got {side}")
    axis = torch.arange(side, device=like.device, dtype=like.dtype) - side // 2
    return (axis[:, None] ** 2 + axis[None, :] ** 2)[None]


def matched_response(images: torch.Tensor, psf: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """Signal to noise of a point source at every pixel of images with white noise.

    Parameters
    ----------
    images : torch.Tensor, shape (N, 1, H, W)
        Above their sky. Differentiable in it.
    psf : torch.Tensor, shape (N, k, k), k odd
        Effective PSFs.
    sigma : torch.Tensor, shape (N,)
        Noise of a pixel.

    Returns
    -------
    torch.Tensor, shape (N, 1, H, W)
        (image ⋆ P) / (σ √ΣP²): F √ΣP² / σ on a star of flux F (e.g. Zackay & Ofek 2017, ApJ 836, 187, eq. 6).
    """
    variance = (sigma**2)[:, None, None, None].expand_as(images)
    return matched_significance(images, variance, psf)


def response_loss(
    found: torch.Tensor, truth: torch.Tensor, psf: torch.Tensor, sigma: torch.Tensor
) -> torch.Tensor:
    """Mean over the pixels of √(1 + Δ²) − 1, with Δ the error of the matched response [σ].

    Linear where Δ is large, so that one bright star does not outweigh all faint ones; a structure that is invented
    costs as much as one that is lost. Parameters as of `matched_response`.
    """
    return _robust(matched_response(found - truth, psf, sigma)).mean()


def _apertures(radius: torch.Tensor) -> torch.Tensor:
    """Stamps of apertures, as large as the widest needs."""
    return aperture_stamps(radius, 2 * math.ceil(float(radius.max()) + 0.5) + 1)


def aperture_fluxes(images: torch.Tensor, radius: torch.Tensor) -> torch.Tensor:
    """Sum of the pixels within a radius of every pixel.

    Parameters
    ----------
    images : torch.Tensor, shape (N, 1, H, W)
        Above their sky. Differentiable in it; beyond the frame it goes on with its border value.
    radius : torch.Tensor, shape (N,)
        Of each image's apertures [px].
    """
    return convolve(images, _apertures(radius))


def source_pixels(points: torch.Tensor, least: float = 0.5) -> torch.Tensor:
    """Pixels in which the known point sources lie.

    Parameters
    ----------
    points : torch.Tensor, shape (N, 1, H, W)
        1 at sources and falling off around them (``points2`` of `lensproc.simulate.samples.sample`).
    least : float
        Smallest value of a peak.

    Returns
    -------
    torch.Tensor of bool, shape (N, 1, H, W)
        True at local maxima; sources closer than a pixel or two are one.
    """
    return (points == functional.max_pool2d(points, 3, 1, 1)) & (points >= least)


def aperture_loss(
    found: torch.Tensor,
    truth: torch.Tensor,
    points: torch.Tensor,
    radius: torch.Tensor,
    sigma: torch.Tensor,
    tolerance: float = 0.1,
) -> torch.Tensor:
    """Mean over the known sources of √(1 + Δ²) − 1, with Δ the error of a source's flux over what is forgiven.

    Parameters
    ----------
    found, truth : torch.Tensor, shape (N, 1, H, W)
        Images above the same sky.
    points : torch.Tensor, shape (N, 1, H, W)
        Map of the known sources (`source_pixels`).
    radius : torch.Tensor, shape (N,)
        Of the apertures [px].
    sigma : torch.Tensor, shape (N,)
        Noise of a pixel.
    tolerance : float
        Share of a source's flux that is forgiven, beside the noise of the aperture: Δ² is
        (ΔF)² / (tolerance² F² + σ² Σw²) with weights w of the aperture.

    Returns
    -------
    torch.Tensor, shape ()
        0 where there is no source.
    """
    error, flux = aperture_fluxes(found - truth, radius), aperture_fluxes(truth, radius)
    noise = sigma**2 * _apertures(radius).square().sum((1, 2))
    forgiven = (tolerance * flux) ** 2 + noise[:, None, None, None]
    where = source_pixels(points).to(error.dtype)
    return (_robust(error / forgiven.sqrt()) * where).sum() / where.sum().clamp(min=1.0)


def _robust(error: torch.Tensor) -> torch.Tensor:
    return torch.sqrt(1.0 + error**2) - 1.0
