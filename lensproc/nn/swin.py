"""SwinIR, small and with twofold upsampling: groups of windowed attention under one long skip."""

from __future__ import annotations

import torch
from torch import nn

from lensproc.nn.blocks import conv, pixel_shuffle, require_blocks
from lensproc.nn.long_skip import LongSkip
from lensproc.nn.prepare import pad_to
from lensproc.nn.window_attention import SHIFT, WINDOW, SwinBlock, allowed_pairs, begin_small

SLOPE = 0.2


class SwinGroup(nn.Module):
    """x + conv3(blocks(x)), every second block shifted: the residual group of SwinIR (Liang et al. 2021, eq. 5).

    Parameters
    ----------
    width, heads, expansion : int
        Of `SwinBlock`.
    depth : int
        Number of blocks.
    """

    def __init__(self, width: int, heads: int, depth: int, expansion: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(SwinBlock(width, heads, i % 2 == 1, expansion) for i in range(depth))
        self.last = conv(width, width, 3)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Apply to features (N, C, H, W)."""
        allowed = allowed_pairs(features.shape[2], features.shape[3], features.device)
        mixed = features.permute(0, 2, 3, 1)
        for block in self.blocks:
            mixed = block(mixed, allowed)
        result: torch.Tensor = features + self.last(mixed.permute(0, 3, 1, 2))
        return result


class SwinSR(LongSkip):
    """Windowed-attention generator with one upsampling by two.

    conv3 1→C; groups of shifted-window blocks, each closed by conv3 and a skip; conv3, + first features;
    conv3 C→4C, pixel shuffle, LeakyReLU; conv3 C→1.

    Parameters
    ----------
    groups, depth : int
        Number of groups, and of blocks in each.
    width, heads : int
        Channels C, a multiple of the number of heads.
    expansion : int
        Hidden channels of the MLPs per channel.

    Notes
    -----
    Liang et al. 2021, ICCVW, arXiv:2108.10257, in the size of its light variant or below; attention of Liu et al.
    2021, ICCV, arXiv:2103.14030. Sides that are no multiple of `WINDOW` are mirrored at the right and the bottom
    and cropped afterwards. The grid of windows begins at the first pixel: what an image gives depends, a little,
    on where that lies.
    """

    def __init__(
        self, groups: int = 2, depth: int = 4, width: int = 48, heads: int = 2, expansion: int = 2
    ) -> None:
        super().__init__()
        for number in (groups, depth, heads, expansion):
            require_blocks(number)
        if width < heads or width % heads:
            raise ValueError(f"width must be a multiple of the {heads} heads, got {width}")
        self.first = conv(1, width, 3)
        self.blocks = nn.Sequential(*(SwinGroup(width, heads, depth, expansion) for _ in range(groups)))
        self.middle = conv(width, width, 3)
        self.up = nn.Sequential(pixel_shuffle(width), nn.LeakyReLU(SLOPE))
        self.last = conv(width, 1, 3)
        self.reach = reach(groups, depth)
        self.blocks.apply(begin_small)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images (N, 1, H, W) to (N, 1, 2H, 2W)."""
        height, width = images.shape[-2:]
        return super().forward(pad_to(images, WINDOW, WINDOW))[..., : 2 * height, : 2 * width]


def reach(groups: int, depth: int) -> int:
    """Farthest that one pixel of the input can lie from an output pixel that depends on it [input px].

    Followed from the output to the input, a convolution widens a range by a pixel at both ends, and attention
    widens it to whole windows; where the pixel lies in its window decides by how much.
    """
    farthest = 0
    for pixel in range(WINDOW):
        # The last convolution, that on fine pixels, the one before the shuffle and the one after the groups.
        low, high = pixel - 3, pixel + 3
        for _ in range(groups):
            low, high = low - 1, high + 1
            for i in reversed(range(depth)):
                shift = SHIFT * (i % 2)
                low = (low - shift) // WINDOW * WINDOW + shift
                high = ((high - shift) // WINDOW + 1) * WINDOW + shift - 1
        farthest = max(farthest, pixel - low + 1, high - pixel + 1)
    return farthest
