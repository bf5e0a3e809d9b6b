"""The network of the stage ``substructure``: a small residual network that looks at the ring."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from lensproc.nn.classifying.classes import CLASSES
from lensproc.nn.resnet_18 import BasicBlock

CONTEXT = 3
"""Numbers beside the image: see `planes_and_context`."""
PLANES = 4
SOFT = 3.0
"""σ at which the logarithmic image turns from linear to logarithmic."""
SMOOTH = 7
"""Side of the box that is taken off for the plane of fine structure, twice over [px of the resampled image]."""
FINE_GAIN = 10.0
"""By which fine structure is enlarged, to be about as large as the other planes."""


def planes_and_context(
    ring: torch.Tensor, radius: torch.Tensor, fwhm: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Make what the network looks at of a resampled image.

    Parameters
    ----------
    ring : torch.Tensor, shape (N, 1, S, S)
        In σ above the sky, resampled to the ring.
    radius : torch.Tensor, shape (N,)
        Of the ring in the cutout [px].
    fwhm : torch.Tensor, shape (N,)
        Of the PSF [px of the cutout]; 0 where it is not known.

    Returns
    -------
    planes : torch.Tensor, shape (N, 4, S, S)
        Light in units of the brightest pixel, its asinh in σ, the fine structure of that (less its smooth
        version), and a constant plane with the logarithm of the brightest pixel over σ: how deep the image is.
    context : torch.Tensor, shape (N, 3)
        That logarithm, log₁₀ of the radius [px] and the FWHM over the radius.
    """
    peak = F.avg_pool2d(ring, 3, stride=1).amax((1, 2, 3)).clamp_min(1.0)
    depth = torch.log10(peak)
    stretched = torch.asinh(ring / SOFT) / torch.asinh(peak / SOFT)[:, None, None, None]
    smooth = _box(_box(stretched))
    plane = (depth - 2.0)[:, None, None, None].expand_as(ring)
    bright = ring / peak[:, None, None, None]
    planes = torch.cat((bright, stretched, FINE_GAIN * (stretched - smooth), plane), dim=1)
    return planes, torch.stack((depth - 2.0, torch.log10(radius) - 1.3, fwhm / radius), dim=1)


def _box(image: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(image, SMOOTH, stride=1, padding=SMOOTH // 2, count_include_pad=False)


class SubstructureNetwork(nn.Module):
    """Residual network over the resampled ring, told its depth, size and PSF.

    Parameters
    ----------
    width : int
        Features of the first stage; each of the two that follow has twice as many.
    blocks : int
        Residual blocks per stage.
    side : int
        Of the resampled image [px].
    classes : int
        Number of classes.
    dropout : float
        Before the last layer.
    """

    def __init__(
        self,
        width: int = 24,
        blocks: int = 2,
        side: int = 96,
        classes: int = len(CLASSES),
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.side = side
        self.stem = nn.Conv2d(PLANES, width, 5, 2, 2, bias=False)
        self.stem_norm = nn.BatchNorm2d(width)
        stages: list[nn.Module] = []
        before = width
        for stage in range(3):
            after = width * 2**stage
            for block in range(blocks):
                stages.append(BasicBlock(before, after, 2 if stage and not block else 1))
                before = after
        self.trunk = nn.Sequential(*stages)
        self.join = nn.Linear(2 * before + CONTEXT, 64, bias=False)
        self.join_norm = nn.BatchNorm1d(64)
        self.dropout = nn.Dropout(dropout)
        self.last = nn.Linear(64, classes)

    def features(self, planes: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Features of the last hidden layer, shape (N, 64), of planes (N, 4, S, S) and context (N, 3)."""
        trunk = self.trunk(F.relu(self.stem_norm(self.stem(planes))))
        pooled = torch.cat((trunk.mean((2, 3)), trunk.amax((2, 3)), context), dim=1)
        return F.silu(self.join_norm(self.join(pooled)))

    def head(self, features: torch.Tensor) -> torch.Tensor:
        """Logits, shape (N, classes), of `features`."""
        logits: torch.Tensor = self.last(self.dropout(features))
        return logits

    def forward(self, planes: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        """Logits, shape (N, classes)."""
        return self.head(self.features(planes, context))
