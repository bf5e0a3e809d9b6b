"""``srcnn``: three convolutions over an image that was interpolated first."""

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

HEADS = ("bicubic", "transposed")


class Network(nn.Module):
    """SRCNN (Dong et al. 2016, TPAMI 38, 295): upsampling, conv9 128, ReLU, conv5 64, ReLU, conv5 1.

    Parameters
    ----------
    head : str
        How the image is upsampled before: ``bicubic``, or ``transposed`` for a transposed 8×8 convolution that
        starts as one and learns.
    """

    reach = 6  # eight fine pixels are four, and interpolation reaches two more

    def __init__(self, head: str = "bicubic") -> None:
        super().__init__()
        if head not in HEADS:
            raise ValueError(f"head {head!r} is not {' or '.join(HEADS)}")
        self.up = None
        if head == "transposed":
            self.up = nn.ConvTranspose2d(1, 1, 8, stride=2, padding=3)
            starting.interpolate(self.up)
        self.patches, self.mapping, self.last = conv(1, 128, 9), conv(128, 64, 5), conv(64, 1, 5)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images (N, 1, H, W) to (N, 1, 2H, 2W)."""
        if self.up is None:
            fine = functional.interpolate(images, scale_factor=2, mode="bicubic")
        else:
            fine = self.up(images)
        result: torch.Tensor = self.last(torch.relu(self.mapping(torch.relu(self.patches(fine)))))
        return result

    def start_as_interpolation(self, others: float = starting.OTHERS) -> None:
        """Let training start from the interpolation."""
        starting.carry(self.patches)
        starting.carry(self.mapping)
        starting.read_out(self.last, others)


def stage(manifest: Manifest, options: Mapping[str, OptionValue]) -> NetworkStage:
    """Build the stage."""
    return NetworkStage(manifest, options, partial(from_spec, Network, name=manifest.id))
