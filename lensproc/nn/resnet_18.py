"""The residual network of 18 layers, for one channel, and its block."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from lensproc.nn.classifying.classes import CLASSES
from lensproc.nn.side import SIDE, to_side

BLOCKS_PER_STAGE = 2
STAGES = 4


class BasicBlock(nn.Module):
    """Two 3×3 convolutions, their input added before the last ReLU (He et al. 2016, CVPR, 770, fig. 5, left).

    Parameters
    ----------
    before, after : int
        Channels.
    stride : int
        Of the first convolution; where it or the channels change, a 1×1 convolution carries the input across.
    """

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(after)
        self.second = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(after)
        self.across: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            self.across = nn.Sequential(
                nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply to features (N, before, H, W)."""
        y = F.relu(self.first_norm(self.first(x)))
        return F.relu(self.second_norm(self.second(y)) + self.across(x))


class Resnet18(nn.Module):
    """conv7 and max-pooling, both of stride 2; four stages of two blocks; the mean over the maps (He et al. 2016).

    Parameters
    ----------
    width : int
        Channels of the first stage; each further one has twice as many. 64 is the network of the paper.
    side : int
        Side to which images are resampled [px].
    classes : int
        Number of classes.
    """

    def __init__(self, width: int = 64, side: int = SIDE, classes: int = len(CLASSES)) -> None:
        super().__init__()
        self.side = side
        self.stem = nn.Sequential(
            nn.Conv2d(1, width, 7, 2, padding=3, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, padding=1),
        )
        blocks: list[nn.Module] = []
        before = width
        for stage_number in range(STAGES):
            after = width * 2**stage_number
            for block in range(BLOCKS_PER_STAGE):
                blocks.append(BasicBlock(before, after, 2 if stage_number and not block else 1))
                before = after
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Linear(before, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def features(self, images: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """Features (N, 8 width) of images (N, 1, H, W) of range [0, 1]; `context` is not used."""
        maps = self.blocks(self.stem(to_side(images, self.side)))
        pooled: torch.Tensor = maps.mean((2, 3))
        return pooled

    def head(self, features: torch.Tensor) -> torch.Tensor:
        """Logits (N, K) of features."""
        logits: torch.Tensor = self.last(features)
        return logits

    def forward(self, images: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """Logits (N, K) of images (N, 1, H, W)."""
        return self.head(self.features(images, context))
