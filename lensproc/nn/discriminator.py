"""Networks that tell real images from generated ones by one logit."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

WIDTHS = (64, 128, 256, 512, 1024)
"""Channels of the first convolution, then of those of stride 2."""
SMALL = (16, 32, 64, 128)
NORMS = ("batch", "spectral", "none")


class Discriminator(nn.Module):
    """Convolutions that halve the image until little is left of it, and two fully connected layers.

    conv9 64, ReLU; conv3 of stride 2 with batch normalisation and ReLU, 128, 256, 512, 1024; average to `pooled`
    × `pooled`; fully connected 64, ReLU, fully connected 1: a logit, positive for a real image. 7,326,593
    parameters.

    Parameters
    ----------
    widths : sequence of int
        Channels of the first convolution and of each of stride 2.
    side : int
        Of the kernel of the first convolution, odd [px].
    pooled : int
        Side of the maps that reach the fully connected layers, so that images may have any size.
    norm : str
        ``batch``; ``spectral``: every layer is divided by its largest singular value, and no statistics of the
        batch are taken (Miyato et al. 2018, ICLR, arXiv:1802.05957); ``none``.
    slope : float
        Of the activation below 0.
    channels : int
        Of the images: 2 where each is shown beside what it was made from.

    Raises
    ------
    ValueError
        For another `norm`, or fewer than two widths.
    """

    def __init__(
        self,
        widths: Sequence[int] = WIDTHS,
        side: int = 9,
        pooled: int = 4,
        norm: str = "batch",
        slope: float = 0.0,
        channels: int = 1,
    ) -> None:
        super().__init__()
        if norm not in NORMS:
            raise ValueError(f"norm {norm!r} is not {', '.join(NORMS)}")
        if len(widths) < 2:
            raise ValueError(f"a discriminator needs at least two widths, got {list(widths)}")

        def bounded(layer: nn.Module) -> nn.Module:
            return spectral_norm(layer) if norm == "spectral" else layer

        def active() -> nn.Module:
            return nn.LeakyReLU(slope) if slope else nn.ReLU()

        layers = [bounded(nn.Conv2d(channels, widths[0], side, padding=side // 2)), active()]
        for before, after in itertools.pairwise(widths):
            layers.append(bounded(nn.Conv2d(before, after, 3, stride=2, padding=1)))
            if norm == "batch":
                layers.append(nn.BatchNorm2d(after))
            layers.append(active())
        self.maps = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(pooled))
        self.judge = nn.Sequential(
            bounded(nn.Linear(widths[-1] * pooled**2, 64)), active(), bounded(nn.Linear(64, 1))
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (N, 1) of images (N, C, H, W)."""
        logits: torch.Tensor = self.judge(self.maps(images).flatten(1))
        return logits


def small_discriminator(norm: str = "none", channels: int = 1) -> Discriminator:
    """Build a discriminator for a processor: conv5 16, three halvings up to 128; 228,609 parameters, 1 channel."""
    return Discriminator(SMALL, side=5, norm=norm, slope=0.2, channels=channels)
