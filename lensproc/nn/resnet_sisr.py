"""ResnetSISR: residual blocks with batch normalisation, with or without twofold upsampling."""

from __future__ import annotations

import torch
from torch import nn

from lensproc.nn.blocks import Residual, conv, pixel_shuffle, require_blocks
from lensproc.nn.long_skip import LongSkip

WIDTH = 64


class ResnetSISR(LongSkip):
    """Network of N residual blocks under one long skip.

    conv9 1→64, ReLU; N × [conv3, BN, ReLU, conv3, BN, ReLU, + input of the block]; conv9, BN, + first features;
    conv3 64→256, pixel shuffle, ReLU; conv3 64→1, ReLU.

    Parameters
    ----------
    blocks : int
        N. 1,226,625 parameters at 10, 1,671,297 at 16.
    upsample : bool
        False leaves out conv3 64→256 with its shuffle and ReLU: a denoiser (1,078,913 parameters at 10).
    batch_norm : bool
        False leaves out the normalisations; the convolutions have biases either way.
    inputs : int
        Channels of the input: more than one for planes beside the image.

    Notes
    -----
    The last ReLU allows no value below 0: images are to be normalised so that their minimum is 0 (``range``).
    """

    def __init__(
        self, blocks: int = 10, upsample: bool = True, batch_norm: bool = True, inputs: int = 1
    ) -> None:
        super().__init__()
        require_blocks(blocks)

        def norm() -> list[nn.Module]:
            return [nn.BatchNorm2d(WIDTH)] if batch_norm else []

        def block() -> Residual:
            return Residual(
                conv(WIDTH, WIDTH, 3), *norm(), nn.ReLU(), conv(WIDTH, WIDTH, 3), *norm(), nn.ReLU()
            )

        self.first = nn.Sequential(conv(inputs, WIDTH, 9), nn.ReLU())
        self.blocks = nn.Sequential(*(block() for _ in range(blocks)))
        self.middle = nn.Sequential(conv(WIDTH, WIDTH, 9), *norm())
        self.up = nn.Sequential(pixel_shuffle(WIDTH), nn.ReLU()) if upsample else nn.Identity()
        last = conv(WIDTH, 1, 3)
        # With a bias of either sign the last ReLU may be shut from the start, and then never learns.
        last.bias = nn.Parameter(torch.full((1,), 0.1))
        self.last = nn.Sequential(last, nn.ReLU())
        # Two convolutions of 9×9, two of 3×3 in each block, and those at the end; the one on fine pixels reaches
        # into the neighbouring input pixel.
        self.reach = 4 + 2 * blocks + 4 + (2 if upsample else 1)
