"""Images of any side brought to the side that a network was made for."""

from __future__ import annotations

import torch
import torch.nn.functional as F

SIDE = 150
"""Side of the images of the Common Test [px]."""


def to_side(images: torch.Tensor, side: int) -> torch.Tensor:
    """Resample images to `side` × `side` pixels; of an oblong image the square in the middle is taken.

    Parameters
    ----------
    images : torch.Tensor, shape (N, C, H, W)
        Returned as they are where they have that side.
    side : int
        Side of the result [px].

    Notes
    -----
    Bilinear, with a triangle as wide as the coarser of the two pixels, so that smaller images are averages.
    """
    height, width = images.shape[-2:]
    square = min(height, width)
    top, left = (height - square) // 2, (width - square) // 2
    images = images[..., top : top + square, left : left + square]
    if square == side:
        return images
    return F.interpolate(images.float(), (side, side), mode="bilinear", align_corners=False, antialias=True)
