"""A network that makes its own image again; from what it makes, the strength of the sphere is read."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from lensproc.nn.blocks import Residual, conv
from lensproc.nn.resnet_simple import POOLED, trunk, trunk_side
from lensproc.nn.side import SIDE

CHANNELS, SMALL = 8, 16
"""Shape that the decoder begins with: 8 maps of 16 × 16."""


class Encoder(nn.Module):
    """The convolutions of `ResnetSimple`, then two fully connected layers: 150 px to 8 maps of 16 px.

    Parameters
    ----------
    pooled : bool
        Average the 14 × 14 maps to 4 × 4 first: 2.3 M parameters instead of 14.1 M.
    dropout : float
        After the first fully connected layer.
    """

    def __init__(self, pooled: bool, dropout: float) -> None:
        super().__init__()
        self.trunk = trunk()
        self.pool: nn.Module = nn.AdaptiveAvgPool2d(POOLED) if pooled else nn.Identity()
        last = POOLED if pooled else trunk_side(SIDE)
        self.first = nn.Linear(128 * last**2, 512)
        self.dropout = nn.Dropout(dropout)
        self.second = nn.Linear(512, CHANNELS * SMALL**2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Make maps (N, 8, 16, 16) of images (N, 1, 150, 150)."""
        hidden = self.dropout(F.relu(self.first(self.pool(self.trunk(images)).flatten(1))))
        return F.relu(self.second(hidden)).view(-1, CHANNELS, SMALL, SMALL)


def rectified_residual(channels: int) -> nn.Sequential:
    """Make a residual 3×3 convolution with batch normalisation, rectified after the sum."""
    return nn.Sequential(
        Residual(conv(channels, channels, 3), nn.BatchNorm2d(channels)), nn.ReLU(inplace=True)
    )


class Decoder(nn.Module):
    """Transposed convolutions of stride 3, 16 → 48 → 145 px, each with a residual one, and one up to 150 px."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ConvTranspose2d(CHANNELS, CHANNELS, 3, stride=3),
            rectified_residual(CHANNELS),
            nn.ConvTranspose2d(CHANNELS, 4, 4, stride=3),
            rectified_residual(4),
            nn.Conv2d(4, 1, 4, padding=4),
        )

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Image (N, 1, 150, 150) of maps (N, 8, 16, 16)."""
        image: torch.Tensor = self.layers(maps)
        return image


class Autoencoder(nn.Module):
    """Encoder and decoder for images of 150 px of range [0, 1].

    Parameters
    ----------
    pooled, dropout : bool, float
        Of `Encoder`.
    """

    def __init__(self, pooled: bool = True, dropout: float = 0.1) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(pooled, dropout), Decoder()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Make images (N, 1, 150, 150) again."""
        image: torch.Tensor = self.decoder(self.encoder(images))
        return image
