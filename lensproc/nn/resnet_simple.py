"""A short residual network with a wide fully connected layer, for images of one side."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from lensproc.nn.side import SIDE, to_side

POOLED = 4
"""Side of the feature maps before the first fully connected layer, where they are pooled [px]."""
FEATURES = 32
"""What the last layer sees."""


def convolution(before: int, after: int, kernel: int, padding: int = 0) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, padding=padding, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )


class Bridged(nn.Module):
    """A padded 3×3 convolution and a 1×1 convolution beside it, both normalised, then summed and rectified."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after))
        self.skip = nn.Sequential(nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply to features (N, before, H, W)."""
        return F.relu(self.body(x) + self.skip(x))


def trunk() -> nn.Sequential:
    """Make the convolutions that lead from images (N, 1, H, W) to maps (N, 128, h, w): 150 px to 14 px."""
    return nn.Sequential(
        convolution(1, 16, 5),
        convolution(16, 32, 3),
        nn.MaxPool2d(2),
        convolution(32, 32, 3),
        nn.MaxPool2d(2),
        convolution(32, 32, 3),
        nn.MaxPool2d(2),
        Bridged(32, 64),
        Bridged(64, 64),
        convolution(64, 128, 3),
    )


class ResnetSimple(nn.Module):
    """Convolutions without padding down to 14 px, then three fully connected layers.

    conv5 16; three times conv3 32 and max-pooling (150 → 16 px); residuals 32→64 and 64→64; conv3 128 (14 px);
    fully connected 256, dropout, 32, classes. Batch normalisation and ReLU after each convolution.

    Parameters
    ----------
    pooled : bool
        Average the 14 × 14 maps to 4 × 4 before the first fully connected layer, which holds nearly all
        parameters: 6.6 M become .7 M.
    dropout : float
        After that layer.
    side : int
        Side to which images are resampled [px].
    classes : int
        Number of classes.
    """

    def __init__(self, pooled: bool = True, dropout: float = 0.3, side: int = SIDE, classes: int = 3) -> None:
        super().__init__()
        self.side = side
        self.trunk: nn.Module = trunk()
        last = trunk_side(side)
        if last < 1:
            raise ValueError(f"side {side} is too small: the maps would vanish")
        self.pool: nn.Module = nn.AdaptiveAvgPool2d(POOLED) if pooled else nn.Identity()
        self.first = nn.Linear(128 * (POOLED if pooled else last) ** 2, 256)
        self.dropout = nn.Dropout(dropout)
        self.second = nn.Linear(256, FEATURES)
        self.last = nn.Linear(FEATURES, classes)

    def features(self, images: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """Features (N, 32) of images (N, 1, H, W) of range [0, 1]; `context` is not used."""
        return self.joined(self.pool(self.trunk(to_side(images, self.side))))

    def joined(self, maps: torch.Tensor) -> torch.Tensor:
        """Features (N, 32) of the last maps (N, 128, h, w)."""
        hidden = self.dropout(F.relu(self.first(maps.flatten(1))))
        return F.relu(self.second(hidden))

    def head(self, features: torch.Tensor) -> torch.Tensor:
        """Logits (N, K) of features."""
        logits: torch.Tensor = self.last(features)
        return logits

    def forward(self, images: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """Logits (N, K) of images (N, 1, H, W)."""
        return self.head(self.features(images, context))


def trunk_side(side: int) -> int:
    """Side of the last feature maps [px]: 14 for images of 150 px."""
    side -= 4
    for _ in range(3):
        side = (side - 2) // 2
    return side - 2
