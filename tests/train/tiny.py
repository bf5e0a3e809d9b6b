"""A stage of nobody's, small enough to train within a test: the image four times finer in area, behind its PSF."""

from __future__ import annotations

import dataclasses
import functools
import os
import signal
import sys
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from lensproc.contract.manifest import Manifest
from lensproc.contract.training import TrainingRecipe, TrainingTask
from lensproc.simulate.samples import sample
from lensproc.train.run import Trained, TrainingRun, train

SKY = """
extends = "blanks"
summary = "stars in a small field"
supersampling = 1
truth_scales = [1, 2]
[override]
size = {size}
[stars]
number = 3
snr = {{ log_uniform = [20.0, 100.0] }}
"""

RECIPE = """
summary = "for tests"
[data]
seed = 5
train = [{ recipe = "sky.toml", number = 12 }]
val = [{ recipe = "sky.toml", number = 5 }]
[training]
batch_size = 4
crop = 10
epochs = 4
learning_rate = 0.01
average = 0.8
warmup_steps = 2
seed = 3
"""

MANIFEST = Manifest(
    "tiny", "enhance", "lensproc_tiny.stage:Stage", "for tests", training="tests.train.tiny:task", scale=2
)


class Tiny(nn.Module):
    """A frozen part with dropout and normalisation, and one that learns with the same."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3), nn.Dropout(0.5))
        self.frozen.requires_grad_(False)
        self.learning = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.Dropout(0.1),
            nn.Conv2d(4, 4, 1),
            nn.PixelShuffle(2),
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.learning(self.frozen(images))
        return result


def prepare(batch, generator):
    image = batch["image"]
    noise = 0.01 * torch.randn(image.shape, generator=generator, device=image.device)
    return {**batch, "image": image + noise}


def loss(network, batch):
    error = network(batch["image"][:, None])[:, 0] - batch["truth2"]
    return {"loss": (error**2).mean(), "bias": error.mean()}


def task(manifest: Manifest, recipe: TrainingRecipe) -> TrainingTask:
    return TrainingTask(
        network=Tiny(),
        network_spec={"kind": "tiny"},
        sample=functools.partial(sample, fields=("image", "truth2", "fwhm", "label")),
        scales={"image": 1, "truth2": 2},
        loss=loss,
        prepare=prepare,
    )


class Silent:
    """A watcher that keeps what it saw, and may do something after a step."""

    def __init__(self, after=None):
        self.after, self.steps, self.epochs, self.resumed, self.learner = after, 0, 0, False, None

    @contextmanager
    def counting(self, label):
        yield lambda done, total: None

    def begins(self, learner, resumed):
        self.learner, self.resumed = learner, resumed

    def step(self, learner):
        self.steps += 1
        if self.after is not None:
            self.after(learner)

    def epoch(self, learner):
        self.epochs += 1


def tiny_run(
    folder: Path, output: str = "out", text: str = RECIPE, manifest: Manifest = MANIFEST, **changes
) -> TrainingRun:
    """A run whose folders lie in `folder`; `changes` are of settings, or of the run."""
    (folder / "sky.toml").write_text(SKY.format(size=16))
    recipe = TrainingRecipe.from_toml(text, "tiny")
    names = {field.name for field in dataclasses.fields(recipe.settings)}
    settings = {name: changes.pop(name) for name in list(changes) if name in names}
    recipe = dataclasses.replace(recipe, settings=dataclasses.replace(recipe.settings, **settings))
    run = {"beside": folder, "device": "cpu", **changes}
    return TrainingRun(MANIFEST, recipe, folder / output, folder / "data", **run)


def trained(run: TrainingRun, watcher: Silent | None = None) -> Trained:
    result = train(run, watcher or Silent())
    assert result is not None
    return result


def killed_at(step: int):
    """End the process as a power cut would, after so many steps."""

    def after(learner):
        if learner.progress.step + 1 == step:
            os.kill(os.getpid(), signal.SIGKILL)

    return after


if __name__ == "__main__":
    # folder, step at which to end (0: never), seconds between checkpoints, devices
    torch.set_num_threads(1)
    folder, step, every, devices = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    train(tiny_run(folder, every=every, devices=devices), Silent(killed_at(step) if step else None))
