"""Lenses of known parameters on small grids, drawn by the formula of the lens."""

from __future__ import annotations

import numpy as np
import torch

from lensproc.nn.lensing import Grid
from lensproc_sis.source import smooth_deflection


def drawn(
    lens, shape=(60, 64), source=(0.6, -0.9, 3.0), peak=100.0, subhalo=None, light=None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Image (ny, nx) of a Gaussian source behind a lens, all in pixels, and its deflection (2, ny, nx).

    `lens` is θ_E, x, y, e1, e2, g1, g2; `source` x, y (behind the lens), σ; `subhalo` x, y, deflection, which ends
    after 4 px; `light` peak and σ of the lens galaxy.
    """
    lens = torch.as_tensor(lens, dtype=torch.float64)
    grid = Grid.of(*shape, torch.ones(1, dtype=torch.float64), lens[None, 1:3])
    theta = grid.positions()
    alpha = smooth_deflection(theta, torch.cat((lens[:1], lens[3:]))[None])
    if subhalo is not None:
        x, y, strength = subhalo
        away = theta - (torch.tensor([x, y], dtype=torch.float64) - lens[1:3])[None, :, None, None]
        distance = away.norm(dim=1, keepdim=True).clamp_min(1e-9)
        alpha = alpha + strength * away / distance * torch.exp(-0.5 * (distance / 4.0) ** 2)
    beta = theta - alpha
    x, y, sigma = source
    image = peak * torch.exp(-0.5 * ((beta[0, 0] - x) ** 2 + (beta[0, 1] - y) ** 2) / sigma**2)
    if light is not None:
        image = image + light[0] * torch.exp(-0.5 * (theta[0] ** 2).sum(0) / light[1] ** 2)
    return image, alpha[0]


def noise(shape, seed=0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))
