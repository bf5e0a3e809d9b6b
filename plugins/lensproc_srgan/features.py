"""Frozen networks whose features an image shares with its truth, or does not."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from lensproc.contract.registry import load_registry
from lensproc.contract.weights import weights_path
from lensproc.errors import UsageError, WeightsError
from lensproc.nn.weights import read_weights

KINDS = ("none", "classifier", "vgg")
CLASSIFIER = "resnet-simple"
"""Stage whose first layers see the features."""
PREFIX = "backbone.trunk."
"""Of the names of its trunk's weights."""
VGG_LAYERS = 35
"""Layers of VGG19 up to the convolution conv5_4, before its activation (Wang et al. 2018, section 3.2)."""
IMAGENET_MEAN, IMAGENET_SCATTER = 0.449, 0.226
"""Of grey values, on the scale from 0 to 1, that VGG was trained on."""


class ClassifierFeatures(nn.Module):
    """First two convolutions, with normalisation and ReLU, and first max-pool of the classifier, frozen.

    Parameters
    ----------
    state : mapping of str to torch.Tensor
        Weights of ``resnet-simple``.

    Raises
    ------
    WeightsError
        Where they are not in `state`.
    """

    def __init__(self, state: Mapping[str, torch.Tensor]) -> None:
        super().__init__()

        def convolution(before: int, after: int, side: int) -> nn.Sequential:
            return nn.Sequential(nn.Conv2d(before, after, side, bias=False), nn.BatchNorm2d(after), nn.ReLU())

        self.trunk = nn.Sequential(convolution(1, 16, 5), convolution(16, 32, 3), nn.MaxPool2d(2))
        wanted = self.trunk.state_dict()
        missing = [name for name, value in wanted.items() if _shape(state, name) != value.shape]
        if missing:
            raise WeightsError(f"the weights of {CLASSIFIER} have no {PREFIX}{missing[0]} of the known shape")
        self.trunk.load_state_dict({name: state[PREFIX + name] for name in wanted})
        self.requires_grad_(False).eval()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Features (N, 32, h, w) of images (N, 1, H, W) of range [0, 1]."""
        found: torch.Tensor = self.trunk(images)
        return found


def _shape(state: Mapping[str, torch.Tensor], name: str) -> torch.Size | None:
    found = state.get(PREFIX + name)
    return None if found is None else found.shape


class VGGFeatures(nn.Module):
    """VGG19 up to its last convolution, frozen (Simonyan & Zisserman 2015, ICLR).

    Parameters
    ----------
    layers : nn.Sequential
        The layers, trained on ImageNet.
    """

    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        self.layers = layers
        self.requires_grad_(False).eval()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Features of images (N, 1, H, W) of range [0, 1], of at least 16 px."""
        grey = (images - IMAGENET_MEAN) / IMAGENET_SCATTER
        found: torch.Tensor = self.layers(grey.expand(-1, 3, -1, -1))
        return found


def feature_network(kind: str, classifier: str = "") -> tuple[nn.Module | None, str]:
    """Load the network of a feature loss.

    Parameters
    ----------
    kind : str
        ``none``, ``classifier`` or ``vgg``.
    classifier : str
        File of weights of ``resnet-simple``; empty for those that ship with it.

    Returns
    -------
    (nn.Module or None, str)
        Frozen and in eval mode, and what it is: for the classifier with the SHA-256 of its weights.

    Raises
    ------
    UsageError
        For another `kind`, or where neither timm nor torchvision is installed.
    WeightsError
        Where the classifier has no weights, or these are another stage's.
    """
    if kind not in KINDS:
        raise UsageError(f"[loss] features {kind!r} is not {', '.join(KINDS)}")
    if kind == "none":
        return None, kind
    if kind == "vgg":
        return VGGFeatures(_vgg19()), kind
    path = weights_path(load_registry().manifest(CLASSIFIER), {"weights": classifier})
    weights = read_weights(path)
    if weights.metadata.get("stage") != CLASSIFIER:
        raise WeightsError(
            f"these are weights of stage {weights.metadata.get('stage')}, wanted are those of {CLASSIFIER}",
            file=Path(path).name,
            remedy=f"train them with lensproc train {CLASSIFIER}",
        )
    return ClassifierFeatures(weights.state), f"{kind} {weights.sha256}"


def _vgg19() -> nn.Sequential:
    """First layers of VGG19, whose weights the library fetches; timm's and torchvision's are built alike."""
    if importlib.util.find_spec("timm") is not None:
        model = importlib.import_module("timm").create_model("vgg19", pretrained=True)
    elif importlib.util.find_spec("torchvision") is not None:
        model = importlib.import_module("torchvision").models.vgg19(weights="DEFAULT")
    else:
        raise UsageError(
            "[loss] features 'vgg' needs timm or torchvision", remedy="pip install 'lensproc[timm]'"
        )
    return nn.Sequential(*list(model.features.children())[:VGG_LAYERS])
