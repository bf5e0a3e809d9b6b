"""Layers from which several networks are built. Convolutions keep the size and see zeros beyond the frame."""

from __future__ import annotations

import torch
from torch import nn


def conv(inputs: int, outputs: int, side: int) -> nn.Conv2d:
    """Convolution with a kernel of `side` × `side` pixels (odd) that keeps the size of the image."""
    return nn.Conv2d(inputs, outputs, side, padding=side // 2)


class Residual(nn.Module):
    """x + scale × body(x) (He et al. 2016, CVPR, 770; scaled as in Lim et al. 2017, CVPRW, 1132).

    Parameters
    ----------
    *body : nn.Module
        Layers, in order, that keep the shape.
    scale : float
        Factor on what they give.
    """

    def __init__(self, *body: nn.Module, scale: float = 1.0) -> None:
        super().__init__()
        self.body = nn.Sequential(*body)
        self.scale = scale

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply to features of shape (N, C, H, W)."""
        change: torch.Tensor = self.body(x)
        return torch.add(x, change, alpha=self.scale)


def pixel_shuffle(channels: int) -> nn.Sequential:
    """Twofold upsampling by a 3×3 convolution into four phases (Shi et al. 2016, CVPR, 1874)."""
    return nn.Sequential(conv(channels, 4 * channels, 3), nn.PixelShuffle(2))


def transposed(channels: int) -> nn.ConvTranspose2d:
    """Twofold upsampling by a transposed 4×4 convolution, with edges of pixels aligned; reaches 1 input pixel."""
    return nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1)


def require_blocks(blocks: int) -> None:
    """Require at least one block.

    Raises
    ------
    ValueError
        Where `blocks` is no number from 1 on.
    """
    if not isinstance(blocks, int) or isinstance(blocks, bool) or blocks < 1:
        raise ValueError(f"blocks must be a number from 1 on, got {blocks!r}")


def parameter_count(network: nn.Module) -> int:
    """Count what is trained."""
    return sum(parameter.numel() for parameter in network.parameters())
