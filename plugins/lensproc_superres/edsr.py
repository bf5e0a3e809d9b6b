"""``edsr``: many scaled residual blocks without normalisation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn

from lensproc.contract.network import NetworkStage
from lensproc.nn import starting
from lensproc.nn.blocks import Residual, conv, pixel_shuffle
from lensproc.nn.spec import from_spec

if TYPE_CHECKING:
    from lensproc.contract.manifest import Manifest, OptionValue

WIDTH, BLOCKS, SCALING = 64, 16, 0.1


class Network(nn.Module):
    """EDSR (Lim et al. 2017, CVPRW, 1132) of 16 blocks of 64 channels.

    conv3 1→64; 16 × [conv3, ReLU, conv3, scaled by .1, + input of the block]; conv3, + first features; conv3
    64→256, pixel shuffle; conv3 64→1.
    """

    reach = 1 + 2 * BLOCKS + 1 + 1 + 1

    def __init__(self) -> None:
        super().__init__()

        def block() -> Residual:
            return Residual(conv(WIDTH, WIDTH, 3), nn.ReLU(), conv(WIDTH, WIDTH, 3), scale=SCALING)

        self.first = conv(1, WIDTH, 3)
        self.blocks = nn.Sequential(*(block() for _ in range(BLOCKS)))
        self.middle = conv(WIDTH, WIDTH, 3)
        self.up = pixel_shuffle(WIDTH)
        self.last = conv(WIDTH, 1, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images (N, 1, H, W) to (N, 1, 2H, 2W)."""
        features = self.first(images)
        features = features + self.middle(self.blocks(features))
        result: torch.Tensor = self.last(self.up(features))
        return result

    def start_as_interpolation(self, others: float = starting.OTHERS) -> None:
        """Let training start from an interpolation."""
        starting.carry(self.first)
        starting.leave_out(self.middle)
        starting.interpolate(self.up)
        starting.read_out(self.last, others)


def stage(manifest: Manifest, options: Mapping[str, OptionValue]) -> NetworkStage:
    """Build the stage."""
    return NetworkStage(manifest, options, partial(from_spec, Network, name=manifest.id))
