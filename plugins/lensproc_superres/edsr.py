"""``edsr``: many scaled residual blocks without normalisation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from lensproc.contract.network import NetworkStage
from lensproc.nn.blocks import Residual, conv, pixel_shuffle
from lensproc.nn.long_skip import LongSkip
from lensproc.nn.spec import from_spec

if TYPE_CHECKING:
    from lensproc.contract.manifest import Manifest, OptionValue

WIDTH, BLOCKS, SCALING = 64, 16, 0.1


class Network(LongSkip):
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


def stage(manifest: Manifest, options: Mapping[str, OptionValue]) -> NetworkStage:
    """Build the stage."""
    return NetworkStage(manifest, options, partial(from_spec, Network, name=manifest.id))
