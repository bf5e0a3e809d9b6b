"""``resnet-18``: the residual network of 18 layers, for one channel and without weights from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import nn

from lensproc.nn.side import SIDE, to_side
from lensproc.nn.spec import from_spec, full_spec
from lensproc_substructure.calibrated import Calibrated
from lensproc_substructure.classes import CLASSES
from lensproc_substructure.residual import Residual
from lensproc_substructure.training import classification_task

if TYPE_CHECKING:
    from lensproc.contract.manifest import Manifest, OptionValue
    from lensproc.contract.training import TrainingRecipe, TrainingTask
    from lensproc_substructure.classifier_stage import ClassifierStage

BLOCKS_PER_STAGE = 2
STAGES = 4


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
                blocks.append(Residual(before, after, 2 if stage_number and not block else 1))
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


def stage(manifest: Manifest, options: Mapping[str, OptionValue]) -> ClassifierStage:
    """Build the stage."""
    from lensproc_substructure.classifier_stage import ClassifierStage

    return ClassifierStage(manifest, options, build)


def build(spec: Mapping[str, object]) -> Calibrated:
    """Build the network of a weights file."""
    return Calibrated(from_spec(Resnet18, spec, "resnet-18"))


def training(manifest: Manifest, recipe: TrainingRecipe) -> TrainingTask:
    """Describe the training; ``[network]`` holds the parameters of `Resnet18`."""
    network = build(recipe.network)
    return classification_task(network, full_spec(Resnet18, recipe.network), recipe)
