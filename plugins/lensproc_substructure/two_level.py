"""``two-level``: one network picks the two likeliest classes, another tells those two apart."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from lensproc.contract.classifier_training import classification_task
from lensproc.contract.training import Fields
from lensproc.nn.classifying.calibrated import Calibrated
from lensproc.nn.classifying.classes import CLASSES
from lensproc.nn.resnet_simple import FEATURES, ResnetSimple
from lensproc.nn.side import SIDE, to_side
from lensproc.nn.spec import from_spec, full_spec

if TYPE_CHECKING:
    from lensproc.contract.classifier_stage import ClassifierStage
    from lensproc.contract.manifest import Manifest, OptionValue
    from lensproc.contract.training import TrainingRecipe, TrainingTask

PAIRS = tuple(combinations(range(len(CLASSES)), 2))
"""Classes of each pair, the lower label first."""
PAIR_OF = {pair: number for number, pair in enumerate(PAIRS)}


class TwoLevel(nn.Module):
    """A first network over all classes, and one for each pair of classes.

    All four are `resnet-simple` networks of their own, or, where `shared`, one trunk of convolutions with fully
    connected layers of their own.

    Parameters
    ----------
    shared : bool
        Whether they have one trunk.
    dropout : float
        In each of them.
    side : int
        Side to which images are resampled [px].

    Notes
    -----
    Let p(k) be the probabilities of the first network, a and b the two classes that it finds likeliest, and q the
    probability that the network of this pair gives to a. Then

        P(a) = (p(a) + p(b)) q,    P(b) = (p(a) + p(b)) (1 − q),    P(c) = p(c) for the third class.

    They sum to 1. Where q is near ½, the third class may come out likeliest after all.
    """

    def __init__(self, shared: bool = True, dropout: float = 0.3, side: int = SIDE) -> None:
        super().__init__()
        self.side = side
        self.first = ResnetSimple(True, dropout, side, len(CLASSES))
        self.pairs = nn.ModuleList(ResnetSimple(True, dropout, side, 2) for _ in PAIRS)
        self.shared = shared
        if shared:
            for network in self.level_two:
                network.trunk = nn.Identity()
                network.pool = nn.Identity()

    @property
    def level_two(self) -> list[ResnetSimple]:
        """The networks of the pairs, in the order of `PAIRS`."""
        return [network for network in self.pairs if isinstance(network, ResnetSimple)]

    def features(self, images: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """Features (N, 4 · 32) of the first network and of those of the pairs; `context` is not used."""
        images = to_side(images, self.side)
        maps = self.first.pool(self.first.trunk(images))
        found = [self.first.joined(maps)]
        for network in self.level_two:
            found.append(network.joined(maps) if self.shared else network.features(images))
        return torch.cat(found, dim=1)

    def both_levels(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of the first network (N, 3), and of the pairs (N, 3, 2)."""
        parts = torch.split(features, FEATURES, dim=1)
        pairs = [network.head(part) for network, part in zip(self.level_two, parts[1:], strict=True)]
        return self.first.head(parts[0]), torch.stack(pairs, dim=1)

    def head(self, features: torch.Tensor) -> torch.Tensor:
        """Logarithms (N, 3) of the joined probabilities: logits whose softmax they are."""
        return joined_log_probabilities(*self.both_levels(features))

    def forward(self, images: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """Logits (N, 3) of images (N, 1, H, W)."""
        return self.head(self.features(images, context))


def joined_log_probabilities(first: torch.Tensor, pairs: torch.Tensor) -> torch.Tensor:
    """Join both levels; see `TwoLevel` for the formula.

    Parameters
    ----------
    first : torch.Tensor, shape (N, 3)
        Logits over the classes.
    pairs : torch.Tensor, shape (N, 3, 2)
        Logits of each pair of `PAIRS`.

    Returns
    -------
    torch.Tensor, shape (N, 3)
        Natural logarithms of probabilities that sum to 1.
    """
    levels = F.log_softmax(first.float(), dim=1)
    verdicts = F.log_softmax(pairs.float(), dim=2)
    # The pair of the two likeliest is the one without the least likely class.
    least = levels.argmin(dim=1)
    result = levels.clone()
    for (a, b), number in PAIR_OF.items():
        rows = (least != a) & (least != b)
        together = torch.logaddexp(levels[:, a], levels[:, b])
        for member, label in enumerate((a, b)):
            value = together + verdicts[:, number, member]
            result[:, label] = torch.where(rows, value, result[:, label])
    return result


def both_levels_loss(network: nn.Module, batch: Fields) -> dict[str, torch.Tensor]:
    """Cross entropy of the first network, and of each pair's on the images of its own two classes.

    Returns
    -------
    dict
        ``loss``: the sum of ``first`` and ``pairs``, the mean over the images of the pairs' losses. An image of
        one class is in two pairs.
    """
    assert isinstance(network, Calibrated)
    backbone = network.backbone
    assert isinstance(backbone, TwoLevel)
    label = batch["label"]
    first, pairs = backbone.both_levels(network.features(batch["images"]))
    total = torch.zeros((), device=label.device)
    for (a, b), number in PAIR_OF.items():
        mine = ((label == a) | (label == b)).float()
        each = F.cross_entropy(pairs[:, number].float(), (label == b).long(), reduction="none")
        total = total + (mine * each).sum() / len(label)
    entropy = F.cross_entropy(first.float(), label)
    return {"loss": entropy + total, "first": entropy, "pairs": total}


def stage(manifest: Manifest, options: Mapping[str, OptionValue]) -> ClassifierStage:
    """Build the stage."""
    from lensproc.contract.classifier_stage import ClassifierStage

    return ClassifierStage(manifest, options, build)


def build(spec: Mapping[str, object]) -> Calibrated:
    """Build the network of a weights file."""
    return Calibrated(from_spec(TwoLevel, spec, "two-level"))


def training(manifest: Manifest, recipe: TrainingRecipe) -> TrainingTask:
    """Describe the training of both levels at once; ``[network]`` holds the parameters of `TwoLevel`."""
    network = build(recipe.network)
    return classification_task(network, full_spec(TwoLevel, recipe.network), recipe, loss=both_levels_loss)
