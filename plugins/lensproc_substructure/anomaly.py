"""``anomaly``: whether there is any substructure, by a small network of convolutions and attention."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from lensproc.contract.classifier_training import classification_task, in_range
from lensproc.nn.classifying.calibrated import Calibrated
from lensproc.nn.classifying.classes import SUBSTRUCTURE
from lensproc.nn.side import to_side
from lensproc.nn.spec import from_spec, full_spec

if TYPE_CHECKING:
    from lensproc.contract.classifier_stage import ClassifierStage
    from lensproc.contract.manifest import Manifest, OptionValue
    from lensproc.contract.training import TrainingRecipe, TrainingTask

PATCH = 2
"""Side of the patches whose pixels of one place attend to each other [px of the maps]."""


def normed(before: int, after: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution that keeps the size at stride 1, batch normalisation, SiLU."""
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(after),
        nn.SiLU(inplace=True),
    )


class InvertedResidual(nn.Module):
    """Widen by a 1×1, one filter per channel, narrow by a 1×1 (Sandler et al. 2018, CVPR, 4510).

    Parameters
    ----------
    before, after : int
        Channels; where they are equal and the stride is 1 the input is added.
    stride : int
        1 or 2.
    expansion : int
        How many times wider in between.
    """

    def __init__(self, before: int, after: int, stride: int, expansion: int = 2) -> None:
        super().__init__()
        wide = before * expansion
        self.body = nn.Sequential(
            normed(before, wide, 1),
            normed(wide, wide, 3, stride, groups=wide),
            nn.Conv2d(wide, after, 1, bias=False),
            nn.BatchNorm2d(after),
        )
        self.adds = stride == 1 and before == after

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply to features (N, before, H, W)."""
        change: torch.Tensor = self.body(x)
        return x + change if self.adds else change


class Attention(nn.Module):
    """One layer of a transformer, normalised before each part (Xiong et al. 2020, ICML, 10524).

    Parameters
    ----------
    width : int
        Of a token.
    heads : int
        Parts of a token that attend on their own.
    """

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm, self.mixing_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.triple, self.join = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mixing = nn.Sequential(nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Apply to tokens (N, T, width)."""
        n, number, width = tokens.shape
        triple = self.triple(self.attention_norm(tokens)).view(n, number, 3, self.heads, width // self.heads)
        query, key, value = triple.permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(query, key, value)
        tokens = tokens + self.join(seen.transpose(1, 2).reshape(n, number, width))
        mixed: torch.Tensor = self.mixing(self.mixing_norm(tokens))
        return tokens + mixed


class PatchBlock(nn.Module):
    """The MobileViT block: convolutions look near, attention looks far (Mehta & Rastegari 2022, ICLR, fig. 1b).

    Parameters
    ----------
    channels : int
        Of the maps, before and after.
    width : int
        Of a token.
    depth : int
        Layers of attention.
    """

    def __init__(self, channels: int, width: int, depth: int) -> None:
        super().__init__()
        self.near = nn.Sequential(normed(channels, channels, 3), nn.Conv2d(channels, width, 1, bias=False))
        self.far = nn.Sequential(*(Attention(width) for _ in range(depth)), nn.LayerNorm(width))
        self.back = normed(width, channels, 1)
        self.fuse = normed(2 * channels, channels, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply to maps (N, channels, H, W) of even sides."""
        local = self.near(x)
        seen = folded(self.far(unfolded(local)), local.shape)
        result: torch.Tensor = self.fuse(torch.cat((x, self.back(seen)), dim=1))
        return result


def unfolded(maps: torch.Tensor) -> torch.Tensor:
    """Tokens (N · 4, H W / 4, C) of maps (N, C, H, W): pixels of one place in their patch attend to each other."""
    n, channels, height, width = maps.shape
    parts = maps.reshape(n, channels, height // PATCH, PATCH, width // PATCH, PATCH)
    return parts.permute(0, 3, 5, 2, 4, 1).reshape(n * PATCH**2, -1, channels)


def folded(tokens: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Undo `unfolded`: maps of `shape` (N, C, H, W)."""
    n, channels, height, width = shape
    parts = tokens.reshape(n, PATCH, PATCH, height // PATCH, width // PATCH, channels)
    return parts.permute(0, 5, 3, 1, 4, 2).reshape(shape)


class SmallMobileViT(nn.Module):
    """Inverted residuals with two blocks of attention at an eighth and a sixteenth of the sampling.

    Parameters
    ----------
    width : int
        Of the tokens of the first block; those of the second are a third wider.
    side : int
        Side to which images are resampled [px]; a multiple of 32.
    dropout : float
        Before the last layer.
    """

    def __init__(self, width: int = 60, side: int = 160, dropout: float = 0.1) -> None:
        super().__init__()
        if side % 32 or side < 32:
            raise ValueError(f"side {side} is not a multiple of 32")
        if width % 12:
            raise ValueError(f"width {width} is not a multiple of 12")
        self.side = side
        self.trunk = nn.Sequential(
            normed(1, 16, 3, stride=2),
            InvertedResidual(16, 16, 1),
            InvertedResidual(16, 24, 2),
            InvertedResidual(24, 24, 1),
            InvertedResidual(24, 32, 2),
            PatchBlock(32, width, 2),
            InvertedResidual(32, 48, 2),
            PatchBlock(48, width * 4 // 3, 2),
            normed(48, 160, 1),
        )
        self.dropout = nn.Dropout(dropout)
        self.last = nn.Linear(160, len(SUBSTRUCTURE))

    def features(self, images: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """Features (N, 160) of images (N, 1, H, W) of range [0, 1]; `context` is not used."""
        maps: torch.Tensor = self.trunk(to_side(images, self.side))
        return maps.mean((2, 3))

    def head(self, features: torch.Tensor) -> torch.Tensor:
        """Logits (N, 2) of features: no substructure, substructure."""
        logits: torch.Tensor = self.last(self.dropout(features))
        return logits

    def forward(self, images: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """Logits (N, 2) of images (N, 1, H, W)."""
        return self.head(self.features(images, context))


def stage(manifest: Manifest, options: Mapping[str, OptionValue]) -> ClassifierStage:
    """Build the stage."""
    from lensproc.contract.classifier_stage import ClassifierStage

    return ClassifierStage(manifest, options, build, SUBSTRUCTURE)


def build(spec: Mapping[str, object]) -> Calibrated:
    """Build the network of a weights file."""
    return Calibrated(from_spec(SmallMobileViT, spec, "anomaly"))


def training(manifest: Manifest, recipe: TrainingRecipe) -> TrainingTask:
    """Describe the training; ``[network]`` holds the parameters of `SmallMobileViT`."""
    network = build(recipe.network)
    spec = full_spec(SmallMobileViT, recipe.network)
    return classification_task(network, spec, recipe, prepare=partial(in_range, classes=2))
