"""A generator of nobody's against a small discriminator, on the images of `tests.train.tiny`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lensproc.contract.adversarial import AdversarialSettings, AdversarialTask
from lensproc.contract.manifest import Manifest
from lensproc.contract.training import TrainingRecipe
from lensproc.nn.discriminator import Discriminator
from lensproc.train.run import train
from tests.train import tiny
from tests.train.tiny import RECIPE, Silent, killed_at

DUEL = f"""{RECIPE}
[loss.adversarial]
pretrain = 0.5
weight = 0.1
"""

MANIFEST = Manifest(
    "tiny", "enhance", "lensproc_tiny.stage:Stage", "for tests", training="tests.train.duel:task", scale=2
)


class Content:
    """Squared error of pixels, and of what frozen judges see."""

    def __init__(self, judges: nn.Module) -> None:
        self.judges = judges

    def __call__(self, generated: torch.Tensor, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        truth = batch["truth2"][:, None]
        features = (self.judges(generated) - self.judges(truth)).square().mean()
        return {"loss": (generated - truth).square().mean() + 0.1 * features, "features": features}


def generate(network, batch):
    return network(batch["image"][:, None])


def shown(generated, batch):
    return generated, batch["truth2"][:, None]


def closure(generated, batch):
    """Disagreement of the mean, as if the noise of the mean were 0.1."""
    return (generated.mean((1, 2, 3)) - batch["image"].mean((1, 2))) / 0.1


def task(manifest: Manifest, recipe: TrainingRecipe) -> AdversarialTask:
    settings = AdversarialSettings.from_table(recipe.loss["adversarial"])
    judges = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Dropout(0.5))
    norm = "spectral" if settings.regulariser == "spectral" else "batch"
    return AdversarialTask(
        network=tiny.Tiny(),
        network_spec={"kind": "tiny"},
        sample=tiny.task(manifest, recipe).sample,
        scales={"image": 1, "truth2": 2},
        loss=tiny.loss,
        prepare=tiny.prepare,
        discriminator=Discriminator((4, 8), side=3, pooled=2, norm=norm),
        generate=generate,
        content=Content(judges),
        shown=shown,
        closure=closure,
        settings=settings,
        judges=judges,
    )


def duel_run(folder: Path, output: str = "out", text: str = DUEL, **changes: Any) -> Any:
    """A run of `tiny_run` with this task; `changes` as there."""
    import dataclasses

    return dataclasses.replace(tiny.tiny_run(folder, output, text, **changes), manifest=MANIFEST)


if __name__ == "__main__":
    # folder, step at which to end, seconds between checkpoints, regulariser
    torch.set_num_threads(1)
    folder, step, every = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    text = f'{DUEL}regulariser = "{sys.argv[4]}"\n'
    train(duel_run(folder, text=text, every=every), Silent(killed_at(step)))
