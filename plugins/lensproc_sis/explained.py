"""What a source explains of lensed images: residual and convergence, differentiable in lens and pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from lensproc.nn.lensing import Grid, convergence
from lensproc_sis.measure import Measured
from lensproc_sis.sis_frame import Frames, sampled
from lensproc_sis.sis_physics import FINE_MAP, LARGEST_SOURCE, SOURCE_HALF, TOLD
from lensproc_sis.source import LEAST, correction_deflection, smooth_deflection, smooth_map

HIGHEST = 3.0
"""Convergence that is told at most: at the centre of an isothermal lens it has no limit."""
NEIGHBOURS = ((0, 0), (0, 1), (1, 0), (1, 1))
"""(x, y) of the four pixels of the source plane around a place, from the one with the lowest indices."""
PAIRS = ((0, 2, 0), (1, 3, 0), (0, 1, 1), (2, 3, 1), (0, 3, 2), (1, 2, 3))
"""Pairs of them, and which way they lie: along x, along y, and along the two diagonals."""


@dataclass(frozen=True)
class Explained:
    """What is known of N images once their lenses are.

    Parameters
    ----------
    residual : torch.Tensor, shape (N, 1, H, W)
        (image − relensed source) / its 1σ; 0 where nothing but the pixel itself tells what it should be.
    kappa : torch.Tensor, shape (N, 1, H, W)
        Convergence, from 0 to 3.
    """

    residual: torch.Tensor
    kappa: torch.Tensor


def bent(measured: Measured, height: int, width: int, finer: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """Deflection of measured lenses, and where their light comes from.

    Parameters
    ----------
    measured : Measured
        N lenses.
    height, width : int
        Of the cutouts [px].
    finer : int
        Places along the side of a pixel, their outer edges those of the pixel.

    Returns
    -------
    alpha, beta : torch.Tensor, shape (N, 2, finer·height, finer·width)
        α, and β = θ − α from the centre of the lens, both [px of the cutout].
    """
    lens = measured.lens
    scale = lens.new_full((len(lens),), 1.0 / finer)
    grid = Grid.of(finer * height, finer * width, scale, finer * (lens[:, 1:3] + 0.5) - 0.5)
    theta = grid.positions()
    cells = smooth_map(measured.correction * lens[:, :1, None, None], FINE_MAP)
    strength = over_frames(cells, measured.frames, theta + lens[:, 1:3, None, None])
    alpha = smooth_deflection(theta, torch.cat((lens[:, :1], lens[:, 3:]), dim=1))
    alpha = alpha + correction_deflection(strength, grid)
    return alpha, theta - alpha


def over_frames(planes: torch.Tensor, frames: Frames, pixels: torch.Tensor) -> torch.Tensor:
    """Look up planes over frames (N, 1, s, s) at zero-based pixels (N, 2, H, W); beyond as at their edges."""
    side = planes.shape[-1]
    there = (frames.to_places(pixels) + 1.0) * (side / 2) - 0.5
    return sampled(planes, there.clamp(0.0, side - 1.0))[:, 0]


def source_grid(radius: torch.Tensor, sampling: float) -> Grid:
    """Source planes around what lies behind the centres of lenses.

    Parameters
    ----------
    radius : torch.Tensor, shape (N,)
        θ_E [px].
    sampling : float
        Pixels of the source plane per pixel of the image, along a side; fewer where the plane would be larger than
        512 px.

    Notes
    -----
    A side is a multiple of 8, so that pixels lie the same way behind every lens, and a larger plane, which a
    larger neighbour in a batch brings, holds the same pixels.
    """
    radius = radius.detach()
    step = (radius * (2.0 * SOURCE_HALF / LARGEST_SOURCE)).clamp_min(1.0 / sampling)
    most = float((2.0 * SOURCE_HALF * radius / step).max())
    side = min(8 * (int(most) // 8 + 1), LARGEST_SOURCE)
    return Grid.of(side, side, step)


def behind(beta: torch.Tensor, radius: torch.Tensor) -> torch.Tensor:
    """Return 1 where light comes from within the source plane of its own lens, shape (N, 1, H, W)."""
    reach = SOURCE_HALF * radius.detach()[:, None, None]
    return (beta.detach().abs().amax(1) <= reach).to(beta.dtype)[:, None]


def explained(
    images: torch.Tensor, good: torch.Tensor, measured: Measured, sampling: float = 1.0
) -> Explained:
    """Take the relensed source off images.

    Parameters
    ----------
    images : torch.Tensor, shape (N, 1, H, W)
        Light of the source, in σ of the noise of a pixel.
    good : torch.Tensor, shape (N, 1, H, W)
        1 where a pixel may be used, else 0.
    measured : Measured
        Their lenses.
    sampling : float
        Pixels of the source plane per pixel of the image. The fewer, the more pixels of the image say what one of
        them is, and the less fine structure the source can take in.
    """
    height, width = images.shape[-2:]
    alpha, beta = bent(measured, height, width)
    kappa = convergence(alpha, measured.lens.new_ones(len(images)))
    radius = measured.lens[:, 0]
    weights = good * behind(beta, radius)
    relensed, left = relensed_with_noise(images, weights, beta, source_grid(radius, sampling))
    told = (left > TOLD) & (good > 0)
    residual = torch.where(told, (images - relensed) / torch.where(told, left, 1.0), 0.0)
    return Explained(residual, kappa.clamp(0.0, HIGHEST)[:, None])


def relensed_with_noise(
    images: torch.Tensor, weights: torch.Tensor, beta: torch.Tensor, plane: Grid
) -> tuple[torch.Tensor, torch.Tensor]:
    """Bring images to the source plane, lens them again, and say how much noise the difference has.

    Parameters
    ----------
    images, weights : torch.Tensor, shape (N, 1, H, W)
        Pixels with white noise of 1, and their weights.
    beta : torch.Tensor, shape (N, 2, H, W)
        Where they fall [unit of the grid].
    plane : Grid
        The source plane.

    Returns
    -------
    relensed, left : torch.Tensor, shape (N, 1, H, W)
        The source lensed again as `lensproc_sis.source.reconstruct` does, and 1σ of (image − relensed).

    Notes
    -----
    With B the bilinear weights b, W those of the pixels and D the sums that fell on the source's pixels, relensed
    is A image with A = B D⁻¹ Bᵀ W, and the variance the diagonal of (1 − A)(1 − A)ᵀ, that of
    1 − 2 A + B D⁻¹ (Bᵀ W² B) D⁻¹ Bᵀ. Bᵀ W² B joins only pixels that touch, so that it is summed as five maps: each
    pixel with itself, and with its neighbours of four directions.
    """
    n, _, height, width = images.shape
    b, where, cells = _around(plane, beta)
    light, w = images.flatten(1), weights.flatten(1)

    def summed(values: torch.Tensor) -> torch.Tensor:
        return images.new_zeros(n, cells + 1).scatter_add(1, where.flatten(1), values.flatten(1))

    def taken(field: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        return field.gather(1, index.flatten(1)).view(index.shape)

    fallen = summed(b * w[:, None])
    full = fallen > LEAST * w.amax(1, keepdim=True)
    full[:, -1] = False
    share = torch.where(full, 1.0 / torch.where(full, fallen, 1.0), 0.0)
    c = b * taken(share, where)
    relensed = (c * taken(summed(b * (w * light)[:, None]), where)).sum(1)
    own = w * (b * c).sum(1)
    squared = w**2
    variance = (c**2 * taken(summed(b**2 * squared[:, None]), where)).sum(1)
    for way in range(4):
        pairs = [(first, second) for first, second, its in PAIRS if its == way]
        joint = images.new_zeros(n, cells + 1)
        for first, second in pairs:
            joint = joint.scatter_add(1, where[:, first], b[:, first] * b[:, second] * squared)
        for first, second in pairs:
            product = c[:, first] * c[:, second]
            variance = variance + 2.0 * product * joint.gather(1, where[:, first])
    left = torch.sqrt((1.0 - 2.0 * own + variance).clamp_min(1e-6))
    return relensed.view(n, 1, height, width), left.view(n, 1, height, width)


def _around(plane: Grid, beta: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, int]:
    """Bilinear weights and numbers (N, 4, P) of the pixels around P places, and how many pixels there are.

    Beyond the plane weights are 0 and numbers that of no pixel.
    """
    x, y = (coordinate.flatten(1) for coordinate in plane.pixels(beta).unbind(1))
    cells = plane.height * plane.width
    column = x.detach().floor().clamp(-2.0, plane.width + 1.0)
    row = y.detach().floor().clamp(-2.0, plane.height + 1.0)
    across, down = (x - column).clamp(0.0, 1.0), (y - row).clamp(0.0, 1.0)
    weights, numbers = [], []
    for right, up in NEIGHBOURS:
        i, j = column + right, row + up
        inside = (i >= 0) & (i < plane.width) & (j >= 0) & (j < plane.height)
        share = (across if right else 1.0 - across) * (down if up else 1.0 - down)
        weights.append(torch.where(inside, share, 0.0))
        numbers.append(torch.where(inside, j * plane.width + i, float(cells)).long())
    return torch.stack(weights, 1), torch.stack(numbers, 1), cells
