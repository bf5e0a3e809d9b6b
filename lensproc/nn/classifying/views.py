"""The eight flips and quarter turns of an image, each shown to a network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

VIEWS = 8
"""Elements of D4, the symmetries of a square."""


def turned(images: torch.Tensor, view: int) -> torch.Tensor:
    """Apply element `view` of D4 to the last two axes: view mod 4 quarter turns, after a flip where view ≥ 4."""
    flipped = torch.flip(images, (-1,)) if view >= VIEWS // 2 else images
    return torch.rot90(flipped, view % 4, (-2, -1))


def outputs_of_views(
    network: nn.Module, inputs: Sequence[torch.Tensor | None], views: int = VIEWS
) -> tuple[torch.Tensor, torch.Tensor]:
    """Show a network every view of its images.

    Parameters
    ----------
    network : nn.Module
        With ``features(*inputs)`` of shape (N, F) and ``head(features)`` of shape (N, K).
    inputs : sequence of torch.Tensor or None
        Those of four axes (N, c, H, W) are turned; the others are the same for all views.
    views : int
        8, or 1 for the images as they are.

    Returns
    -------
    logits : torch.Tensor, shape (N, views, K)
        What the head gives.
    features : torch.Tensor, shape (N, views, F)
        What it is given.
    """
    found = [_features(network, inputs, view) for view in range(views)]
    features = torch.stack(found, dim=1)
    logits = network.head(features.flatten(0, 1))  # type: ignore[operator]
    return logits.view(*features.shape[:2], -1), features


def _features(network: nn.Module, inputs: Sequence[torch.Tensor | None], view: int) -> torch.Tensor:
    arguments = [
        turned(tensor, view).contiguous(memory_format=torch.channels_last)
        if tensor is not None and tensor.ndim == 4
        else tensor
        for tensor in inputs
    ]
    features: torch.Tensor = network.features(*arguments)  # type: ignore[operator]
    return features
