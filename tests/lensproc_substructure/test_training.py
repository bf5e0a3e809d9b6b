"""How classifiers are trained: logits to the loss, one set of images for all, and a training from end to end."""

from __future__ import annotations

import importlib
import pickle
from pathlib import Path

import pytest
import torch

from lensproc.contract.classifier_training import (
    lens_sample,
)
from lensproc.contract.registry import load_registry
from lensproc.contract.training import TrainingRecipe
from lensproc.errors import UsageError
from lensproc.nn.classifying.views import outputs_of_views
from lensproc.simulate.recipe import load_recipe
from lensproc.train import run as training_run
from lensproc.train.cache import describe
from lensproc_substructure import resnet_simple
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
    tables = {True: set(), False: set()}
    for name in RECIPES:
        recipe = TrainingRecipe.from_toml((FOLDER / f"{name}.toml").read_text("utf-8"), name)
        if not name.endswith("report") and "deeplense" not in name:
            tables[name.endswith("-1000")].add((recipe.data_seed, recipe.train, recipe.val))
    assert [len(tables[few]) for few in (True, False)] == [1, 1]


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
