"""Frozen feature networks: the right layers, no training mode, and clear words where one is missing."""

from __future__ import annotations

import importlib.util
import sys
import types

import pytest
import torch
from torch import nn

from lensproc.contract.registry import load_registry
from lensproc.errors import UsageError, WeightsError
from lensproc.nn.weights import save_weights
from lensproc_srgan import features
from lensproc_srgan.features import ClassifierFeatures, feature_network


@pytest.fixture
def classifier(tmp_path):
    """Weights of ``resnet-simple`` as its own package names them, and the network that they are of."""
    module, _ = load_registry().manifest("resnet-simple").factory.split(":")
    torch.manual_seed(5)
    network = importlib.import_module(module).build({"side": 64})
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2.0)
    path = tmp_path / "classifier.safetensors"
    save_weights(path, network.state_dict(), {"stage": "resnet-simple", "network": {"side": 64}})
    return path, network.eval()


def test_the_classifiers_first_layers_are_what_it_sees(classifier):
    path, network = classifier
    found, seen = feature_network("classifier", str(path))
    images = torch.rand(2, 1, 40, 40)
    with torch.no_grad():
        expected = network.backbone.trunk[:3](images)
    torch.testing.assert_close(found(images), expected)
    assert expected.shape == (2, 32, 17, 17)
    assert seen.startswith("classifier ")
    assert len(seen) == len("classifier ") + 64


def test_it_is_frozen_and_its_gradient_reaches_the_image(classifier):
    """A frozen part in train mode would normalise by the batch, and its statistics would move."""
    found, _ = feature_network("classifier", str(classifier[0]))
    assert not any(part.training for part in found.modules())
    assert not any(parameter.requires_grad for parameter in found.parameters())
    image = torch.rand(1, 1, 24, 24, requires_grad=True)
    found(image).square().mean().backward()
    assert float(image.grad.abs().max()) > 0.0


def test_vgg_is_frozen_too_whatever_its_layers_were():
    layers = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2), nn.Dropout(0.5)).train()
    found = features.VGGFeatures(layers)
    assert not any(part.training for part in found.modules())
    assert not any(parameter.requires_grad for parameter in found.parameters())
    images = torch.rand(2, 1, 16, 16)
    assert torch.equal(found(images), found(images))


def test_weights_that_are_not_the_classifiers_are_refused(tmp_path, classifier):
    path = tmp_path / "other.safetensors"
    save_weights(path, {"a": torch.zeros(1)}, {"stage": "srcnn", "network": {}})
    with pytest.raises(WeightsError, match="weights of stage srcnn, wanted are those of resnet-simple"):
        feature_network("classifier", str(path))
    with pytest.raises(WeightsError, match=r"have no backbone.trunk.0.0.weight of the known shape"):
        ClassifierFeatures({})
    with pytest.raises(UsageError, match="features 'inception' is not none, classifier, vgg"):
        feature_network("inception")
    assert feature_network("none") == (None, "none")


def test_vgg_asks_for_a_library_where_there_is_none(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="needs timm or torchvision; pip install"):
        feature_network("vgg")


@pytest.mark.parametrize("library", ["timm", "torchvision"])
def test_vgg_takes_the_layers_before_the_last_activation(monkeypatch, library):
    layers = nn.Sequential(nn.Conv2d(3, 4, 3), *(nn.ReLU() for _ in range(36)))
    model = types.SimpleNamespace(features=layers)
    asked = []

    def vgg19(*names, **options):
        asked.append((names, options))
        return model

    stand_in = types.ModuleType(library)
    stand_in.create_model, stand_in.models = vgg19, types.SimpleNamespace(vgg19=vgg19)
    monkeypatch.setitem(sys.modules, library, stand_in)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: stand_in if name == library else None)
    found, seen = feature_network("vgg")
    assert seen == "vgg"
    assert (
        asked == [(("vgg19",), {"pretrained": True})] if library == "timm" else [((), {"weights": "DEFAULT"})]
    )
    assert len(found.layers) == features.VGG_LAYERS
    grey = torch.full((1, 1, 8, 8), features.IMAGENET_MEAN)
    with torch.no_grad():
        bias = layers[0].bias.clamp(min=0.0)[None, :, None, None].expand(1, 4, 6, 6)
        torch.testing.assert_close(found(grey), bias, atol=1e-6, rtol=0.0)
