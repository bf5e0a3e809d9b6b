"""Weights of informed classifiers that tests choose, and stages that load them."""

from __future__ import annotations

import torch

from lensproc.contract.registry import load_registry
from lensproc.contract.stage import Batch, Item
from lensproc.nn.spec import full_spec
from lensproc.nn.weights import save_weights
from lensproc_sis import informed
from lensproc_sis.network import InformedClassifier

FEATURES = {"resnet-simple": 32, "resnet-18": 512, "substructure": 64}


def made(stage, seed=1, **spec):
    """A network at random, by which every image is like the training and every 90 % set the likeliest class."""
    torch.manual_seed(seed)
    network = informed.build({**informed.PHYSICS[stage], **spec}).eval()
    with torch.no_grad():  # answers that differ from image to image
        for layer in network.backbone.classifier.modules():
            if isinstance(layer, torch.nn.Linear):
                layer.weight.mul_(4.0)
    features = FEATURES[spec.get("classifier", "resnet-simple")]
    network.class_means = torch.zeros(features)
    network.whitening = torch.eye(features).flatten()
    for scale in (network.one_view, network.all_views):
        scale.threshold.fill_(0.5)
        scale.reference = torch.linspace(0.0, 1e6, 1000)
    return network


def constant_strength(network):
    """Let k be 1 everywhere, whatever the image."""
    with torch.no_grad():
        for parameter in network.backbone.k_network.decoder.layers[-1].parameters():
            parameter.zero_()
    return network


def written(path, network, stage, **spec):
    """Save a network as weights of a stage."""
    hyperparameters = full_spec(InformedClassifier, {**informed.PHYSICS[stage], **spec})
    save_weights(path, network.state_dict(), {"stage": stage, "network": hyperparameters})
    return path


def loaded(path, stage, **options):
    """The stage with the weights of a file, showing each image once."""
    manifest = load_registry().manifest(stage)
    running = informed.stage(
        manifest, manifest.resolve_options({"weights": str(path), "views": "1", **options})
    )
    running.load(torch.device("cpu"), torch.float32)
    return running


def batch_of(images, scales=None):
    """A batch of images with these pixel scales [arcsec]."""
    items = tuple(Item(pixel_scale=scale) for scale in scales or [None] * len(images))
    return Batch(images, None, torch.zeros_like(images, dtype=torch.bool), items)
