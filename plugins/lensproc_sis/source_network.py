"""A source plane without holes, and the network that takes its noise off."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from lensproc.nn.lens_sr import BRIGHTEST, Block, local_scale

PRIOR = 0.1
"""Pixels of the image that the coarser source plane counts as, where a finer one is made."""
COARSEST = 8
"""Side of the source plane at which no coarser one is asked [px]."""
LEAST = 1e-3
"""Weight of the coarsest plane's prior, which is 0: nothing fell there."""
CHANNELS_IN = 4


def pull_push(light: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Surface brightness of what fell on a plane; where little fell, it is that of the coarser plane.

    Parameters
    ----------
    light, weight : torch.Tensor, shape (N, 1, S, S)
        Sums of weight × surface brightness and of weight that fell on each pixel.

    Returns
    -------
    torch.Tensor, shape (N, 1, S, S)

    Notes
    -----
    Gortler et al. 1996, SIGGRAPH, 43, sect. 3.4, with the coarser plane as a measurement of a tenth of a pixel.
    """
    side = light.shape[-1]
    if side <= COARSEST or side % 2:
        return light / (weight + LEAST)
    coarse = pull_push(4.0 * F.avg_pool2d(light, 2), 4.0 * F.avg_pool2d(weight, 2))
    below = F.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
    return (light + PRIOR * below) / (weight + PRIOR)


class SourceNetwork(nn.Module):
    """A correction of a source plane in units of its own noise and light; nothing before it has learnt.

    Parameters
    ----------
    width : int
        Channels.
    blocks : int
        Residual blocks.
    """

    def __init__(self, width: int = 24, blocks: int = 4) -> None:
        super().__init__()
        self.enter = nn.Conv2d(CHANNELS_IN, width, 3, padding=1)
        self.body = nn.Sequential(*(Block(width) for _ in range(blocks)))
        self.leave = nn.Conv2d(width, 1, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        assert self.leave.bias is not None
        nn.init.zeros_(self.leave.bias)

    def forward(self, source: torch.Tensor, weight: torch.Tensor, fwhm: torch.Tensor) -> torch.Tensor:
        """Source planes (N, 1, S, S) with less noise.

        Parameters
        ----------
        source : torch.Tensor, shape (N, 1, S, S)
            In σ of a pixel of the image.
        weight : torch.Tensor, shape (N, 1, S, S)
            That fell on each pixel: how many pixels of the image say what it is.
        fwhm : torch.Tensor, shape (N,)
            Of the PSF [px of the source plane].
        """
        variance = 1.0 / (weight + PRIOR)
        scale = local_scale(source, variance)
        told = torch.log(fwhm.clamp(0.5, 50.0) / 6.0)[:, None, None, None]
        features = torch.cat(
            [
                source / scale,
                torch.asinh(source.clamp(max=BRIGHTEST)) / 4.0,
                0.5 * torch.log(variance),
                told.expand_as(source),
            ],
            dim=1,
        )
        change: torch.Tensor = self.leave(self.body(self.enter(features)))
        return source + scale * change.to(source)
