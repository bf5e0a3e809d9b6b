"""Light from one plane to another: backward warp and forward splat, bilinear, on grids in arcsec.

A pixel's value is the light at its centre; zero-based, pixel 0 reaches from −½ to ½. Both moves are differentiable
in the pixels and in the positions, and each image of a batch is moved by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch.nn import functional

from lensproc.nn.lensing import Grid

Mode = Literal["sum", "overwrite"]


def warp(images: torch.Tensor, grid: Grid, positions: torch.Tensor) -> torch.Tensor:
    """Look up images at positions: surface brightness is kept, as lensing keeps it.

    With images of the source plane and positions β(θ) of the image plane, this lenses them.

    Parameters
    ----------
    images : torch.Tensor, shape (N, C, h, w)
        On the pixels of `grid`.
    grid : Grid
        Where these pixels are.
    positions : torch.Tensor, shape (N, 2, H, W)
        Where to look [arcsec].

    Returns
    -------
    torch.Tensor, shape (N, C, H, W)
        Bilinear between the pixels' centres, 0 beyond the frame.

    Raises
    ------
    ValueError
        Where the images are not of the grid's size.
    """
    _require_grid(images, grid)
    x, y = grid.pixels(positions).unbind(1)
    # grid_sample counts from −1 to 1 between the outer edges of the frame, hence the half pixel
    places = torch.stack(((2.0 * x + 1.0) / grid.width - 1.0, (2.0 * y + 1.0) / grid.height - 1.0), dim=-1)
    return functional.grid_sample(images, places, mode="bilinear", padding_mode="zeros", align_corners=False)


@dataclass(frozen=True)
class Splat:
    """What a splat gives.

    Parameters
    ----------
    images : torch.Tensor, shape (N, C, h, w)
        On the grid.
    lost : torch.Tensor, shape (N, C)
        Sum of the light that fell beyond the grid.
    """

    images: torch.Tensor
    lost: torch.Tensor


def splat(images: torch.Tensor, positions: torch.Tensor, grid: Grid, mode: Mode = "sum") -> Splat:
    """Send every pixel to a position; there it falls on four pixels, with bilinear weights that sum to 1.

    With images of the image plane and positions β(θ), this brings them back to the source plane.

    Parameters
    ----------
    images : torch.Tensor, shape (N, C, H, W)
        Light to send.
    positions : torch.Tensor, shape (N, 2, H, W)
        Where each pixel goes [arcsec].
    grid : Grid
        That it falls on.
    mode : str
        ``sum``: what falls on one pixel is added, and the images' sum and `Splat.lost` together are the sum that
        was sent. ``overwrite``: of what falls on one pixel the brightest stays, the share (weight × value) that is
        largest in absolute value, and of two opposite ones the positive. Pixels that nothing falls on are 0.

    Returns
    -------
    Splat
        Differentiable in `images` and `positions`; for ``overwrite`` in those that stay, equal ones sharing the
        gradient.

    Raises
    ------
    ValueError
        For another `mode`.
    """
    if mode not in ("sum", "overwrite"):
        raise ValueError(f"mode {mode!r} is not sum or overwrite")
    n, channels = images.shape[:2]
    where, weights = _four_pixels(grid, positions)
    outside = grid.height * grid.width
    index = where.unsqueeze(1).expand(-1, channels, -1)
    shares = (images.flatten(2).unsqueeze(2) * weights.unsqueeze(1)).flatten(2)
    empty = images.new_zeros(n, channels, outside + 1)
    total = empty.scatter_add(2, index, shares)
    lost = total[..., outside]
    if mode == "overwrite":
        highest = empty.scatter_reduce(2, index, shares, "amax")
        lowest = empty.scatter_reduce(2, index, shares, "amin")
        total = torch.where(highest >= -lowest, highest, lowest)
    return Splat(total[..., :outside].reshape(n, channels, grid.height, grid.width), lost)


def _four_pixels(grid: Grid, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Numbers (N, 4 P) of the pixels around each of P positions, and weights (N, 4, P); beyond the grid: h w."""
    x, y = (coordinate.flatten(1) for coordinate in grid.pixels(positions).unbind(1))
    # far away is as good as just outside, and keeps whole numbers in range
    left = x.detach().floor().clamp(-2.0, grid.width + 1.0)
    below = y.detach().floor().clamp(-2.0, grid.height + 1.0)
    dx, dy = (x - left).clamp(0.0, 1.0), (y - below).clamp(0.0, 1.0)
    numbers, weights = [], []
    for column, across in ((left, 1.0 - dx), (left + 1.0, dx)):
        for row, down in ((below, 1.0 - dy), (below + 1.0, dy)):
            inside = (column >= 0) & (column < grid.width) & (row >= 0) & (row < grid.height)
            number = (row * grid.width + column).long()
            numbers.append(torch.where(inside, number, grid.height * grid.width))
            weights.append(across * down)
    return torch.cat(numbers, dim=1), torch.stack(weights, dim=1)


def _require_grid(images: torch.Tensor, grid: Grid) -> None:
    if images.shape[-2:] != (grid.height, grid.width):
        raise ValueError(
            f"images of {tuple(images.shape[-2:])} are not on a grid of {grid.height} × {grid.width}"
        )
