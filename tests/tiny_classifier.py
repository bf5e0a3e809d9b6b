"""Tiny classifiers whose weights the tests choose."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from lensproc.contract.classifier_manifest import CLASSIFIER_OPTIONS
from lensproc.contract.classifier_stage import ClassifierStage
from lensproc.contract.manifest import Manifest
from lensproc.nn.classifying.calibrated import Calibrated
from lensproc.nn.classifying.classes import CLASSES
from lensproc.nn.spec import from_spec
from lensproc.nn.weights import save_weights

MANIFEST = Manifest(
    "tiny-classifier",
    "classify",
    "tests.tiny_classifier:stage",
    "for tests",
    sees="original",
    options=CLASSIFIER_OPTIONS,
    minimum_size=8,
)


class Handed(nn.Module):
    """Gives back as logits what it is handed as channels of one pixel."""

    def features(self, images, context=None):
        return images[:, :, 0, 0]

    def head(self, features):
        return features


class Tiny(nn.Module):
    """Means of three rectified convolutions that know left from right, and the logarithm of how rough it is."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 3, 3, bias=False)
        self.last = nn.Linear(4, classes)

    def features(self, images, context=None):
        level = images.abs().mean((1, 2, 3))[:, None]
        maps = F.relu(self.convolution(images)).mean((2, 3)) / level
        steps = images.diff(dim=-1).abs().mean((1, 2, 3)) + images.diff(dim=-2).abs().mean((1, 2, 3))
        return torch.cat((maps, torch.log(steps[:, None] / level)), dim=1)

    def head(self, features):
        return self.last(features)


def build(spec, name="tiny-classifier"):
    return Calibrated(from_spec(Tiny, spec, name))


def stage(manifest, options, classes=CLASSES):
    return ClassifierStage(manifest, options, build, classes)


def two_classes(manifest, options):
    return stage(manifest, options, ("no", "substructure"))


def network(classes: int = 3, seed: int = 1) -> Calibrated:
    """A network at random, by which every image is like the training and every 90 % set the likeliest class."""
    torch.manual_seed(seed)
    made = Calibrated(Tiny(classes))
    with torch.no_grad():
        made.backbone.last.weight.mul_(4.0)
    made.class_means = torch.zeros(4)
    made.whitening = torch.eye(4).flatten()
    for scale in (made.one_view, made.all_views):
        scale.threshold.fill_(0.5)
        scale.reference = torch.linspace(0.0, 1e6, 1000)
    return made.eval()


def rough_or_smooth(made: Calibrated, between: float) -> Calibrated:
    """Let a network say vortex of images that are rougher than `between` and sphere of smoother ones."""
    with torch.no_grad():
        made.backbone.last.weight.zero_()
        made.backbone.last.weight[1, 3], made.backbone.last.weight[2, 3] = -20.0, 20.0
        made.backbone.last.bias.copy_(torch.tensor([-60.0, 20.0 * between, -20.0 * between]))
    return made


def write(path, made: Calibrated, stage_id: str = MANIFEST.id):
    """Save a network as weights of a stage."""
    spec = {"classes": made.backbone.last.out_features}
    save_weights(path, made.state_dict(), {"stage": stage_id, "network": spec})
    return path


def loaded(path, views: str = "8", make=stage) -> ClassifierStage:
    """The stage with the weights of a file."""
    options = MANIFEST.resolve_options({"weights": str(path), "views": views})
    made = make(MANIFEST, options)
    made.load(torch.device("cpu"), torch.float32)
    return made


handed = partial(Calibrated, Handed())
