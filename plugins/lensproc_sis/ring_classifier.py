"""The network of ``substructure`` in front of a source plane: it looks at what is bright there, at one size."""

from __future__ import annotations

import torch
from torch import nn

from lensproc.nn.ring import Rings, measure_rings, to_ring
from lensproc.nn.substructure_network import SubstructureNetwork, planes_and_context

SIGMA_PER_MAD = 1.4826
"""σ of a Gaussian over its median absolute deviation."""


class RingClassifier(nn.Module):
    """Classify planes by the ring of light in them.

    Parameters
    ----------
    dropout : float
        Before the last layer.
    classes : int
        Number of classes.

    Notes
    -----
    Sky and noise are those of the plane itself, the median and its absolute deviation where light has come. Where
    the network looks is not learnt: no gradient goes through place and size of the ring. The PSF in the source
    plane is not known, and it is told so.
    """

    def __init__(self, dropout: float = 0.1, classes: int = 3) -> None:
        super().__init__()
        self.network = SubstructureNetwork(classes=classes, dropout=dropout)

    @torch.no_grad()
    def rings(self, planes: torch.Tensor) -> Rings:
        """Find the ring of light in planes (N, 1, H, W)."""
        return measure_rings(in_sigma(planes))

    def framed(self, planes: torch.Tensor, rings: Rings) -> torch.Tensor:
        """Resample planes (N, 1, H, W) to their rings: the frame (N, 1, 96, 96) of the network's maps."""
        return to_ring(planes, rings, self.network.side)

    def features(self, planes: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """Features (N, 64) of planes (N, 1, H, W); `context` is not used."""
        rings = self.rings(planes)
        framed = self.framed(in_sigma(planes), rings)
        return self.network.features(
            *planes_and_context(framed, rings.radius, torch.zeros_like(rings.radius))
        )

    def head(self, features: torch.Tensor) -> torch.Tensor:
        """Logits (N, K) of features."""
        return self.network.head(features)

    def forward(self, planes: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """Logits (N, K) of planes (N, 1, H, W)."""
        return self.head(self.features(planes, context))


def in_sigma(planes: torch.Tensor) -> torch.Tensor:
    """Planes (N, 1, H, W) from 0 on, in σ above their sky; 0 where no light has come.

    Each by itself: median and median absolute deviation of the pixels above 0. A plane without light, or whose
    pixels are all alike, becomes 0.
    """
    some = planes > 0
    with torch.no_grad():
        light = torch.where(some, planes, torch.nan).flatten(1)
        sky = light.nanmedian(1).values.nan_to_num()
        noise = SIGMA_PER_MAD * (light - sky[:, None]).abs().nanmedian(1).values.nan_to_num()
        noise = torch.where(noise > 0, noise, torch.inf)
    return torch.where(
        some, (planes - sky[:, None, None, None]) / noise[:, None, None, None], torch.zeros_like(planes)
    )
