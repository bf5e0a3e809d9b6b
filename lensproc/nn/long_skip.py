"""The shape that residual networks for images share: features, residual blocks under one long skip, upsampling."""

from __future__ import annotations

import torch
from torch import nn

from lensproc.nn import starting


class LongSkip(nn.Module):
    """first → blocks → middle, + first; up → last.

    A subclass sets the five parts; their names are those of the weights on disk.

    Parameters
    ----------
    first : nn.Module
        Image to features.
    blocks : nn.Module
        Residual blocks.
    middle : nn.Module
        What closes them, before the skip is added.
    up : nn.Module
        Twofold upsampling, or ``nn.Identity`` for none.
    last : nn.Module
        Features to image.
    """

    first: nn.Module
    blocks: nn.Module
    middle: nn.Module
    up: nn.Module
    last: nn.Module

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images (N, C, H, W) to (N, 1, 2H, 2W), or to (N, 1, H, W) without upsampling."""
        features = self.first(images)
        features = features + self.middle(self.blocks(features))
        result: torch.Tensor = self.last(self.up(features))
        return result

    def start_as_interpolation(self, others: float = starting.OTHERS) -> None:
        """Let training start from an interpolation (without upsampling: from the image itself)."""
        starting.carry(self.first)
        starting.leave_out(self.middle)
        if not isinstance(self.up, nn.Identity):
            starting.interpolate(self.up)
        starting.read_out(self.last, others)
