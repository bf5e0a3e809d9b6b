"""Where the ring of a cutout lies, how large it is, and the cutout resampled to it.

A classifier that reads images of one instrument learns the size of its rings in pixels. This one sees every ring
at the same size, so that it may be asked about cutouts of any size and pixel scale.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

SEEN = 3.0
"""Light below this many σ of the (smoothed) sky does not count for the ring."""
SMOOTHING = 3
"""Side of the box that smooths the image before light is looked for [px]."""
EXTENT = 2.0
"""Half the side of the resampled image [radius of the ring]."""
SMALLEST = 2.0
"""Rings are taken to be no smaller than this [px]: below, pixels tell nothing of a ring's shape."""


@dataclass(frozen=True)
class Rings:
    """Place and size of the light of N cutouts.

    Parameters
    ----------
    x, y : torch.Tensor, shape (N,)
        Zero-based centroid [px].
    radius : torch.Tensor, shape (N,)
        Mean distance of the light from it [px].
    """

    x: torch.Tensor
    y: torch.Tensor
    radius: torch.Tensor


@dataclass(frozen=True)
class Moved:
    """Shift, turn and scale of N rings.

    Parameters
    ----------
    x, y : torch.Tensor, shape (N,)
        Shift of the centre that is looked at [radius].
    scale : torch.Tensor, shape (N,)
        Factor on the radius that it is taken for.
    turn : torch.Tensor, shape (N,)
        Angle [rad].
    """

    x: torch.Tensor
    y: torch.Tensor
    scale: torch.Tensor
    turn: torch.Tensor

    def applied(self, rings: Rings) -> Rings:
        """Rings that are looked for at another place and size than they are."""
        return Rings(
            rings.x + self.x * rings.radius, rings.y + self.y * rings.radius, rings.radius * self.scale
        )


def draw_moved(
    count: int, shift: float, zoom: float, turn: float, generator: torch.Generator, device: torch.device
) -> Moved:
    """Draw how rings are moved in training.

    Parameters
    ----------
    count : int
        Number of rings.
    shift : float
        1σ of the shift along each axis [radius].
    zoom : float
        Largest relative change of the size; drawn evenly in its logarithm.
    turn : float
        Part of the rings that are turned by an angle, which is drawn from all.
    generator, device : torch.Generator, torch.device
        Where random numbers come from.
    """
    shifts = shift * torch.randn((2, count), generator=generator, device=device)
    random = torch.rand((3, count), generator=generator, device=device)
    scale = torch.exp((2.0 * random[0] - 1.0) * math.log1p(zoom))
    angle = torch.where(random[1] < turn, 2.0 * math.pi * random[2], torch.zeros_like(random[2]))
    return Moved(shifts[0], shifts[1], scale, angle)


def measure_rings(images: torch.Tensor) -> Rings:
    """Measure centroid and radius of the light that stands out of the sky.

    Parameters
    ----------
    images : torch.Tensor, shape (N, 1, H, W)
        In σ above the sky.

    Returns
    -------
    Rings
        The middle and a quarter of the smaller side for images without light above the noise.
    """
    height, width = images.shape[-2:]
    smooth = F.avg_pool2d(images, SMOOTHING, stride=1, padding=SMOOTHING // 2, count_include_pad=False)
    light = (smooth[:, 0] - SEEN / SMOOTHING).clamp_min(0.0)
    light = torch.where(smooth[:, 0] > SEEN, light, torch.zeros_like(light))
    total = light.sum((1, 2))
    dark = total <= 0
    weight = light / torch.where(dark, torch.ones_like(total), total)[:, None, None]
    rows = torch.arange(height, device=images.device, dtype=images.dtype)
    columns = torch.arange(width, device=images.device, dtype=images.dtype)
    x = (weight.sum(1) * columns).sum(1)
    y = (weight.sum(2) * rows).sum(1)
    distance = torch.sqrt((columns - x[:, None])[:, None, :] ** 2 + (rows - y[:, None])[:, :, None] ** 2)
    radius = (weight * distance).sum((1, 2)).clamp_min(SMALLEST)
    middle = torch.full_like(x, (width - 1) / 2), torch.full_like(y, (height - 1) / 2)
    return Rings(
        torch.where(dark, middle[0], x),
        torch.where(dark, middle[1], y),
        torch.where(dark, torch.full_like(radius, min(height, width) / 4), radius),
    )


def to_ring(images: torch.Tensor, rings: Rings, side: int, turn: torch.Tensor | None = None) -> torch.Tensor:
    """Resample cutouts so that every ring has its centroid in the middle and the same radius.

    Parameters
    ----------
    images : torch.Tensor, shape (N, C, H, W)
        In σ above the sky, so that the sky beyond the edges is 0.
    rings : Rings
        Of these images.
    side : int
        Of the result [px]; the ring's radius becomes ``side / (2 EXTENT)``.
    turn : torch.Tensor, shape (N,), optional
        Angle by which the image is turned about the centroid [rad], counted from x towards y.

    Returns
    -------
    torch.Tensor, shape (N, C, side, side)
        Bilinear at twice the sampling, then averaged in squares of four, so that no ring of up to four times the
        resampled one's radius is undersampled.
    """
    height, width = images.shape[-2:]
    fine = 2 * side
    step = rings.radius * (2 * EXTENT / fine)  # input pixels per fine pixel
    axis = torch.arange(fine, device=images.device, dtype=images.dtype) - (fine - 1) / 2
    right, up = axis.expand(fine, fine), axis[:, None].expand(fine, fine)
    if turn is None:
        dx, dy = right[None] * step[:, None, None], up[None] * step[:, None, None]
    else:
        cosine, sine = torch.cos(turn)[:, None, None], torch.sin(turn)[:, None, None]
        dx = (cosine * right + sine * up) * step[:, None, None]
        dy = (cosine * up - sine * right) * step[:, None, None]
    # grid_sample counts from -1 to 1 between the outer edges of the pixels
    grid_x = (rings.x[:, None, None] + dx + 0.5) * (2.0 / width) - 1.0
    grid_y = (rings.y[:, None, None] + dy + 0.5) * (2.0 / height) - 1.0
    grid = torch.stack((grid_x, grid_y), dim=-1)
    finer = F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    return F.avg_pool2d(finer, 2)
