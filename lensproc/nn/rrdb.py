"""RRDB generator of ESRGAN: residual-in-residual dense blocks and twofold upsampling."""

from __future__ import annotations

import torch
from torch import nn

from lensproc.nn import starting
from lensproc.nn.blocks import Residual, conv, pixel_shuffle, require_blocks

WIDTH, GROWTH, SCALING, SLOPE = 64, 32, 0.2, 0.2


class DenseBlock(nn.Module):
    """Five 3×3 convolutions, each of which sees all earlier features (Wang et al. 2018, section 3.1)."""

    def __init__(self) -> None:
        super().__init__()
        widths = [WIDTH + GROWTH * i for i in range(5)]
        self.convolutions = nn.ModuleList(
            [*(conv(width, GROWTH, 3) for width in widths[:4]), conv(widths[4], WIDTH, 3)]
        )
        self.activation = nn.LeakyReLU(SLOPE)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map features (N, 64, H, W) to features of the same shape."""
        features = [x]
        for layer in self.convolutions[:4]:
            features.append(self.activation(layer(torch.cat(features, 1))))
        result: torch.Tensor = self.convolutions[4](torch.cat(features, 1))
        return result


class RRDBNet(nn.Module):
    """Generator of ESRGAN with one upsampling by two.

    conv3 1→64; N × RRDB (three dense blocks, each and all together scaled by .2); conv3, + first features;
    conv3 64→256, pixel shuffle, LeakyReLU; conv3 64→64, LeakyReLU; conv3 64→1.

    Parameters
    ----------
    blocks : int
        N.

    Notes
    -----
    Wang et al. 2018, ECCVW, arXiv:1809.00219; upsampling by pixel shuffle instead of nearest neighbour.
    """

    def __init__(self, blocks: int = 1) -> None:
        super().__init__()
        require_blocks(blocks)

        def rrdb() -> Residual:
            return Residual(*(Residual(DenseBlock(), scale=SCALING) for _ in range(3)), scale=SCALING)

        self.first = conv(1, WIDTH, 3)
        self.blocks = nn.Sequential(*(rrdb() for _ in range(blocks)))
        self.middle = conv(WIDTH, WIDTH, 3)
        self.up = nn.Sequential(pixel_shuffle(WIDTH), nn.LeakyReLU(SLOPE))
        self.fine = nn.Sequential(conv(WIDTH, WIDTH, 3), nn.LeakyReLU(SLOPE))
        self.last = conv(WIDTH, 1, 3)
        # Fifteen 3×3 convolutions in a block; the two on fine pixels reach one input pixel together.
        self.reach = 1 + 15 * blocks + 1 + 1 + 1

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images (N, 1, H, W) to (N, 1, 2H, 2W)."""
        features = self.first(images)
        features = features + self.middle(self.blocks(features))
        result: torch.Tensor = self.last(self.fine(self.up(features)))
        return result

    def start_as_interpolation(self, others: float = starting.OTHERS) -> None:
        """Set the weights so that training starts from an interpolation; see `lensproc.nn.starting`."""
        starting.carry(self.first)
        starting.leave_out(self.middle)
        starting.interpolate(self.up)
        starting.carry(self.fine)
        starting.read_out(self.last, others)
