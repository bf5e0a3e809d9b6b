"""The isotropic undecimated wavelet transform with the cubic B-spline, called starlet, on batches of images."""

from __future__ import annotations

import torch
import torch.nn.functional as F

SPLINE = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
"""Cubic B-spline filter."""


def number_of_scales(height: int, width: int, wanted: int) -> int:
    """Return how many of the `wanted` scales fit: the widest filter reaches 2^scales pixels to each side."""
    fitting = 0
    while fitting < wanted and 2 ** (fitting + 1) <= min(height, width):
        fitting += 1
    return fitting


def smooth(images: torch.Tensor, scale: int) -> torch.Tensor:
    """Convolve with the B-spline whose taps are 2^`scale` pixels apart, the image being periodic.

    Parameters
    ----------
    images : torch.Tensor, shape (N, C, H, W)
        Images, sides at least 2^(scale + 1) px.
    scale : int
        From 0.
    """
    step = 2**scale
    outer, inner, middle = SPLINE[:3]
    for dim, pad in ((-2, (0, 0, 2 * step, 2 * step)), (-1, (2 * step, 2 * step, 0, 0))):
        side = images.shape[dim]
        padded = F.pad(images, pad, mode="circular")
        total = images * middle
        total.add_(padded.narrow(dim, 0, side), alpha=outer)
        total.add_(padded.narrow(dim, step, side), alpha=inner)
        total.add_(padded.narrow(dim, 3 * step, side), alpha=inner)
        total.add_(padded.narrow(dim, 4 * step, side), alpha=outer)
        images = total
    return images


def analyse(images: torch.Tensor, scales: int) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Split images into details on scales of 1, 2, 4 … pixels and what is left.

    Parameters
    ----------
    images : torch.Tensor, shape (N, C, H, W)
        Images.
    scales : int
        Number of detail images.

    Returns
    -------
    details : list of torch.Tensor, each of the shape of `images`
        Finest first; their sum and `rest` give `images` back.
    rest : torch.Tensor
        The smoothest image.

    Notes
    -----
    Starck & Murtagh 1994, A&A 288, 342 (à trous algorithm); Starck, Fadili & Murtagh 2007, IEEE Trans. Image
    Process. 16, 297.
    """
    details = []
    for scale in range(scales):
        smoother = smooth(images, scale)
        details.append(images - smoother)
        images = smoother
    return details, images


def adjoint(details: list[torch.Tensor]) -> torch.Tensor:
    """Apply the transpose of the details of `analyse`; its norm is at most 1.

    Notes
    -----
    The filters are symmetric with transforms between 0 and 1, and so are those of the details, which with the
    rest sum to 1; so the squares of the details' sum to at most 1.
    """
    total = torch.zeros_like(details[0])
    for scale in reversed(range(len(details))):
        total = details[scale] + smooth(total - details[scale], scale)
    return total
