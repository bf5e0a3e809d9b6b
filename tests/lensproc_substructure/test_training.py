"""How classifiers are trained: logits to the loss, one set of images for all, and a training from end to end."""

from __future__ import annotations

import functools
import importlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lensproc.contract.registry import load_registry
from lensproc.contract.training import TrainingRecipe
from lensproc.errors import UsageError
from lensproc.nn.prepare import affine_for
from lensproc.simulate.recipe import load_recipe
from lensproc.train import run as training_run
from lensproc.train.cache import describe
from lensproc_substructure import resnet_simple
from lensproc_substructure.calibrated import Calibrated
from lensproc_substructure.training import (
    CrossEntropy,
    classification_task,
    in_range,
    lens_sample,
    unit_range,
)
from lensproc_substructure.views import outputs_of_views
from tests.train.tiny import Silent

FOLDER = Path(importlib.import_module("lensproc_substructure").__file__).parent / "recipes"
OWN = ("resnet-simple", "resnet-18", "two-level", "anomaly", "timm")
RECIPES = sorted(path.stem for path in FOLDER.glob("*.toml") if path.stem.startswith(OWN))
SHORT = """
summary = "a few steps on images of 64 px"
[data]
seed = 3
train = [{ recipe = "deeplense-2", number = 16 }]
val = [{ recipe = "deeplense-2", number = 12 }]
[network]
side = 64
dropout = 0.0
[training]
batch_size = 8
epochs = 3
steps_per_epoch = 4
learning_rate = 0.002
"""


def stage_of(recipe: str) -> str:
    """Stage id that a recipe's name begins with."""
    if recipe.startswith("timm"):
        name = recipe.removeprefix("timm").removeprefix("-").removesuffix("-report")
        return f"timm:{name or 'resnet10t'}"
    return max((stage for stage in OWN if recipe.startswith(stage)), key=len)


def task_of(stage: str, recipe: TrainingRecipe):
    manifest = load_registry().manifest(stage)
    module, _, name = str(manifest.training).partition(":")
    torch.manual_seed(0)
    return getattr(importlib.import_module(module), name)(manifest, recipe)


class Handed(nn.Module):
    """Gives back the first pixels as logits."""

    def features(self, images, context=None):
        return images[:, 0, 0, :3]

    def head(self, features):
        return features


def test_logits_go_to_the_loss_and_are_not_squeezed_by_a_softmax_before_it():
    logits = torch.tensor([[4.0, 0.0, -2.0], [1.0, 3.0, 0.0], [0.0, 0.0, 9.0], [5.0, 0.0, 0.0]])
    batch = {"images": logits[:, None, None, :], "label": torch.tensor([0, 1, 2, 2])}
    found = CrossEntropy()(Calibrated(Handed()), batch)
    expected = np.mean(
        [np.log(np.exp(row).sum()) - row[k] for row, k in zip(logits.numpy(), (0, 1, 2, 2), strict=True)]
    )
    assert float(found["loss"]) == pytest.approx(expected, rel=1e-6)
    assert float(found["accuracy"]) == 0.75
    # softmax twice could not give less than ln(1 + 2/e) = .55 even where the network is sure and right
    sure = {"images": 50.0 * torch.eye(3)[:, None, None, :], "label": torch.arange(3)}
    assert float(CrossEntropy()(Calibrated(Handed()), sure)["loss"]) < 1e-6


@pytest.mark.parametrize("stage", ["resnet-simple", "resnet-18", "anomaly"])
def test_networks_give_logits_and_no_probabilities(stage):
    recipe = TrainingRecipe.from_toml(SHORT.replace("dropout = 0.0", ""), "short")
    network = task_of(stage, recipe).network.eval()
    with torch.no_grad():
        images = torch.rand(4, 1, 64, 64)
        before = network(images)
        network.backbone.last.bias.add_(5.0)
        after = network(images)
    assert torch.allclose(after, before + 5.0, atol=1e-5), "a softmax would not change"


def test_label_smoothing_counts_in_training_and_not_in_validation():
    tables = "[loss]\nlabel_smoothing = 0.1\n"
    recipe = TrainingRecipe.from_toml(SHORT + tables, "short")
    task = classification_task(Calibrated(Handed()), {}, recipe)
    logits = torch.tensor([[2.0, 0.0, 1.0]])
    batch = {"images": logits[:, None, None, :], "label": torch.tensor([0])}
    log = F.log_softmax(logits, dim=1)[0]
    assert float(task.metrics(task.network, batch)["loss"]) == pytest.approx(-float(log[0]))
    smooth = -float(0.9 * log[0] + 0.1 * log.mean())
    assert float(task.loss(task.network, batch)["loss"]) == pytest.approx(smooth)


def test_images_are_scaled_as_the_core_does_it_for_the_stage():
    image = torch.randn(5, 20, 24) * 3 + 11
    kind = load_registry().manifest("resnet-simple").normalisation
    found = unit_range(image[:, None])
    for one, raw in zip(found, image.numpy(), strict=True):
        affine = affine_for(kind, raw, np.zeros(raw.shape, bool))
        assert np.allclose(one[0].numpy(), (raw - affine.offset) / affine.scale, atol=1e-6)
    assert float(unit_range(torch.full((1, 1, 4, 4), 3.0)).abs().max()) == 0


def test_one_image_does_not_change_what_becomes_of_its_neighbours():
    images = torch.rand(2, 1, 8, 8)
    brighter = torch.cat((images[:1], 100 * images[1:]))
    assert torch.equal(unit_range(images)[0], unit_range(brighter)[0])


def test_the_detector_joins_the_classes_with_substructure():
    batch = {"image": torch.rand(3, 4, 4), "label": torch.tensor([0, 1, 2])}
    prepared = functools.partial(in_range, classes=2)(batch, torch.Generator())
    assert prepared["label"].tolist() == [0, 1, 1]
    assert in_range(batch, torch.Generator())["label"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("stage", ["resnet-simple", "resnet-18", "two-level", "anomaly"])
def test_all_share_one_sample_function(stage):
    recipe = TrainingRecipe.from_toml((FOLDER / f"{stage}.toml").read_text("utf-8"), stage)
    task = task_of(stage, recipe)
    assert describe(task.sample) == describe(lens_sample)
    assert pickle.loads(pickle.dumps(task.sample)).keywords == lens_sample.keywords
    assert task.scales == {"image": 1}


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_whole_images_of_three_classes(name):
    recipe = TrainingRecipe.from_toml((FOLDER / f"{name}.toml").read_text("utf-8"), name)
    assert recipe.summary
    assert recipe.settings.crop == 0
    for share in recipe.train + recipe.val:
        assert load_recipe(share.recipe).classes == ("no", "sphere", "vortex")
    if not name.endswith("report"):
        assert recipe.settings.budget <= 20
        assert recipe.data_seed == 3
    if not name.startswith("timm"):  # those need a library that may be missing
        assert task_of(stage_of(name), recipe).network_spec


def test_recipes_of_the_common_test_use_the_same_images():
    tables = set()
    for name in RECIPES:
        recipe = TrainingRecipe.from_toml((FOLDER / f"{name}.toml").read_text("utf-8"), name)
        if not name.endswith("report") and "deeplense" not in name:
            tables.add((recipe.data_seed, recipe.train, recipe.val))
    assert len(tables) == 1


def test_what_a_recipe_cannot_say_is_named():
    with pytest.raises(UsageError, match=r"\[loss\] has no weight; it has: label_smoothing, rotation"):
        task_of("resnet-simple", TrainingRecipe.from_toml(SHORT + "[loss]\nweight = 2\n", "short"))
    with pytest.raises(UsageError, match=r"label_smoothing must be from 0 to below 1, got 1\.0"):
        task_of("resnet-simple", TrainingRecipe.from_toml(SHORT + "[loss]\nlabel_smoothing = 1\n", "short"))


def test_a_few_steps_lower_the_loss_and_the_stage_loads_the_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(training_run, "draw_curve", lambda record, path: False)
    manifest = load_registry().manifest("resnet-simple")
    recipe = TrainingRecipe.from_toml(SHORT, "short")
    made = training_run.train(
        training_run.TrainingRun(
            manifest, recipe, tmp_path / "out", tmp_path / "data", package="tests==1", device="cpu"
        ),
        Silent(),
    )
    losses = [entry["train"]["loss"] for entry in made.record["curve"]]
    assert losses[-1] < 0.9 * losses[0]
    assert {"one_view_temperature", "all_views_temperature"} <= set(made.record["fitted"])
    stage = resnet_simple.stage(manifest, manifest.resolve_options({"weights": str(made.weights)}))
    stage.load(torch.device("cpu"), torch.float32)
    with torch.no_grad():
        logits, _ = outputs_of_views(stage.network, (torch.rand(2, 1, 64, 64),), 8)
    assert logits.shape == (2, 8, 3)
    assert float(stage.network.all_views.temperature) == pytest.approx(
        made.record["fitted"]["all_views_temperature"], rel=1e-6
    )
