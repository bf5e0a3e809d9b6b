"""Stars far brighter than those of the simulated scenes, behind PSFs of many shapes, drawn onto training samples.

The network is told the width of the PSF and not its shape. Scenes come with few shapes; a core of a thousand σ
shows the difference between a Gaussian and the wings of a Moffat profile, and a network that never saw it rings.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

PEAKS = (30.0, 5000.0)
"""Range of the stars' peaks [σ], evenly in the logarithm."""
BETAS = (2.2, 6.0)
"""Range of the exponents of Moffat profiles; a third of the stars are Gaussians."""
PHOTONS = (0.003, 0.5)
"""Range of the photon variance per unit of light [σ² / σ], evenly in the logarithm."""


def bright_stars(
    fwhm: Tensor, side: int, scale: int, share: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Draw one star onto some of the samples.

    Parameters
    ----------
    fwhm : Tensor, shape (N, 1, 1, 1)
        Of the effective PSF [input px].
    side : int
        Side of the samples [input px].
    scale : int
        Output pixels per input pixel.
    share : float
        Chance that a sample gets a star.
    generator : torch.Generator
        Where the draws come from.

    Returns
    -------
    star, variance : Tensor, shape (N, 1, side, side)
        Value of the star in each input pixel [σ], 0 where there is none, and the variance of its photons [σ²].
    sharp : Tensor, shape (N, 1, scale side, scale side)
        The star behind a Gaussian of half the width, as surface brightness.
    """
    n, device = fwhm.shape[0], fwhm.device

    def uniform(low: float, high: float) -> Tensor:
        draw = torch.rand((n, 1, 1, 1), generator=generator, device=device)
        return low + (high - low) * draw

    x, y = uniform(0.0, side - 1.0), uniform(0.0, side - 1.0)
    peak = torch.exp(uniform(math.log(PEAKS[0]), math.log(PEAKS[1])))
    peak = torch.where(uniform(0.0, 1.0) < share, peak, torch.zeros_like(peak))
    beta, gaussian = uniform(*BETAS), uniform(0.0, 1.0) < 1.0 / 3.0
    sigma2 = fwhm**2 / (8.0 * math.log(2.0))
    alpha2 = fwhm**2 / (4.0 * (2.0 ** (1.0 / beta) - 1.0))
    r2 = _squared_radius(x, y, side, device)
    profile = torch.where(gaussian, torch.exp(-0.5 * r2 / sigma2), (1.0 + r2 / alpha2) ** -beta)
    # light per pixel area at the centre, for a total of 1
    norm = torch.where(gaussian, 1.0 / (2.0 * math.pi * sigma2), (beta - 1.0) / (math.pi * alpha2))
    fine = scale * side
    r2 = _squared_radius(scale * (x + 0.5) - 0.5, scale * (y + 0.5) - 0.5, fine, device) / scale**2
    sharp2 = sigma2 / 4.0
    sharp = peak / norm / (2.0 * math.pi * sharp2) * torch.exp(-0.5 * r2 / sharp2)
    star = peak * profile
    return star, star * torch.exp(uniform(math.log(PHOTONS[0]), math.log(PHOTONS[1]))), sharp


def _squared_radius(x: Tensor, y: Tensor, side: int, device: torch.device) -> Tensor:
    axis = torch.arange(side, device=device, dtype=torch.float32)
    return (axis[None, None, None, :] - x) ** 2 + (axis[None, None, :, None] - y) ** 2
