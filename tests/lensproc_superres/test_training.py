"""Training tasks: every recipe makes one, pairs are normalised as the core does it, and a step lowers the loss."""

from __future__ import annotations

import importlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from lensproc.contract.manifest import Manifest
from lensproc.contract.registry import load_registry
from lensproc.contract.training import TrainingRecipe, TrainingTask
from lensproc.errors import UsageError
from lensproc.nn.prepare import affine_for
from lensproc.simulate.image import simulate
from lensproc.simulate.recipe import load_recipe

STAGES = {"resnet-sisr", "resnet-sisr-sparse", "srresnet", "srcnn", "superrescnn", "edsr", "esrn"}
FOLDER = Path(importlib.import_module("lensproc_superres").__file__).parent / "recipes"
RECIPES = sorted(
    path.stem for path in FOLDER.glob("*.toml") if any(path.stem.startswith(stage) for stage in STAGES)
)
SHORT = """
[data]
train = [{ recipe = "sr-a", number = 1 }]
val = [{ recipe = "sr-a", number = 1 }]
"""


def task_of(manifest: Manifest, recipe: TrainingRecipe) -> TrainingTask:
    module, attribute = str(manifest.training).split(":")
    torch.manual_seed(0)
    task = getattr(importlib.import_module(module), attribute)(manifest, recipe)
    assert isinstance(task, TrainingTask)
    return task


def srresnet(tables: str = "") -> TrainingTask:
    return task_of(load_registry().manifest("srresnet"), TrainingRecipe.from_toml(SHORT + tables, "short"))


def test_every_stage_has_a_recipe_for_an_hour_and_one_of_its_origin():
    for stage in STAGES:
        assert {stage, f"{stage}-report"} <= set(RECIPES)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_makes_a_task_on_data_that_have_partners(name):
    registry = load_registry()
    stage = max((stage for stage in STAGES if name.startswith(stage)), key=len)
    recipe = TrainingRecipe.from_toml((FOLDER / f"{name}.toml").read_text("utf-8"), name)
    task = task_of(registry.manifest(stage), recipe)
    assert recipe.summary
    for share in recipe.train + recipe.val:
        assert load_recipe(share.recipe).table("partner") is not None
    # the file alone must suffice to build the network again
    kind = importlib.import_module(registry.manifest(stage).factory.split(":")[0]).Network
    kind(**task.network_spec).load_state_dict(task.network.state_dict())
    if not name.endswith("report"):
        assert recipe.settings.budget <= 60


def test_image_and_partner_are_normalised_by_the_image_alone():
    sim = simulate(load_recipe("sr-a"), 1, "train", 0)
    task = srresnet()
    fields = pickle.loads(pickle.dumps(task.sample))(sim)
    assert {name: field.shape for name, field in fields.items()} == {"image": (75, 75), "partner": (150, 150)}
    assert fields["image"].dtype == fields["partner"].dtype == np.float32
    assert (fields["image"].min(), fields["image"].max()) == (0.0, 1.0)
    affine = affine_for("range", sim.exposure.data, np.zeros((75, 75), bool))
    back = fields["partner"] * affine.scale + affine.offset
    assert np.allclose(back, sim.partner.data, atol=1e-5 * affine.scale)


def test_a_step_down_the_gradient_lowers_the_loss_by_what_the_gradient_says():
    task = srresnet('[network]\nstart = "interpolation"\n')
    axis = torch.arange(40.0)
    truth = torch.exp(-((axis[:, None] - 18.0) ** 2 + (axis - 22.0) ** 2) / 12.0)[None]
    batch = {"image": truth.reshape(1, 20, 2, 20, 2).mean((2, 4)), "partner": truth}
    with torch.no_grad():
        assert float(task.metrics(task.network, batch)["psnr"]) > 25.0, "about an interpolation"
    before = task.loss(task.network, batch)["loss"]
    before.backward()
    gradients = [parameter.grad for parameter in task.network.parameters()]
    # a step that should lower the loss by three thousandths, to first order
    step = 0.003 * before.detach() / sum(gradient.square().sum() for gradient in gradients)
    with torch.no_grad():
        for parameter, gradient in zip(task.network.parameters(), gradients, strict=True):
            parameter -= step * gradient
        after = task.loss(task.network, batch)["loss"]
    assert float(after / before.detach()) == pytest.approx(0.997, abs=0.001)


def test_hyperparameters_and_losses_that_there_are_not_are_named():
    with pytest.raises(
        UsageError, match="the network of srresnet has no hyperparameter depth; it has: blocks"
    ):
        srresnet("[network]\ndepth = 3\n")
    with pytest.raises(UsageError, match="blocks must be a number from 1 on, got 0"):
        srresnet("[network]\nblocks = 0\n")
    with pytest.raises(UsageError, match="start 'zeros' is not random or interpolation"):
        srresnet('[network]\nstart = "zeros"\n')
    with pytest.raises(UsageError, match="kind 'huber' is not mse, l1 or ssim"):
        srresnet('[loss]\nkind = "huber"\n')
    with pytest.raises(UsageError, match=r"\[loss\] has no weight; it has: kind"):
        srresnet("[loss]\nweight = 2\n")
