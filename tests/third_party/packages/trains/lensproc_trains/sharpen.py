"""A network that learns to undo a blur, and how it is trained."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from lensproc.contract.network import NetworkStage
from lensproc.contract.training import TrainingTask
from lensproc.simulate.samples import sample


def network(spec):
    return nn.Sequential(
        nn.Conv2d(1, spec["width"], 3, padding=1), nn.ReLU(), nn.Conv2d(spec["width"], 1, 3, padding=1)
    )


def stage(manifest, options):
    return NetworkStage(manifest, options, network)


def task(manifest, recipe):
    spec = {"width": int(recipe.network.get("width", 4))}
    return TrainingTask(
        network=network(spec),
        network_spec=spec,
        sample=partial(sample, fields=("image", "truth1")),
        scales={"image": 1, "truth1": 1},
        loss=squared,
        prepare=noisier,
    )


def noisier(batch, generator):
    noise = torch.randn(batch["image"].shape, generator=generator, device=batch["image"].device)
    return {**batch, "image": batch["image"] + 0.01 * noise}


def squared(network, batch):
    return {"loss": ((network(batch["image"][:, None])[:, 0] - batch["truth1"]) ** 2).mean()}
