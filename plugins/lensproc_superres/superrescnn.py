"""``superrescnn``: three wide convolutions over repeated pixels."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from lensproc.contract.network import NetworkStage
from lensproc.nn import starting
from lensproc.nn.blocks import conv
from lensproc.nn.spec import from_spec

if TYPE_CHECKING:
    from lensproc.contract.manifest import Manifest, OptionValue

BILINEAR = (0.25, 0.5, 0.25)
"""What makes of repeated pixels their linear interpolation."""


class Network(nn.Module):
    """SuperResCNN: nearest neighbour ×2, conv3 1024, ReLU, conv1 512, ReLU, conv3 1."""

    reach = 1  # two fine pixels

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.mapping, self.last = conv(1, 1024, 3), conv(1024, 512, 1), conv(512, 1, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images (N, 1, H, W) to (N, 1, 2H, 2W)."""
        fine = functional.interpolate(images, scale_factor=2, mode="nearest")
        result: torch.Tensor = self.last(torch.relu(self.mapping(torch.relu(self.patches(fine)))))
        return result

    def start_as_interpolation(self, others: float = starting.OTHERS) -> None:
        """Let training start from linear interpolation."""
        starting.carry(self.patches, BILINEAR)
        starting.carry(self.mapping)
        starting.read_out(self.last, others)


def stage(manifest: Manifest, options: Mapping[str, OptionValue]) -> NetworkStage:
    """Build the stage."""
    return NetworkStage(manifest, options, partial(from_spec, Network, name=manifest.id))
