"""Recipes make tasks; scenes are normalised alike; losses, closure and stretch have known values."""

from __future__ import annotations

import importlib
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lensproc.contract.adversarial import AdversarialTask
from lensproc.contract.registry import load_registry
from lensproc.contract.training import TrainingRecipe
from lensproc.errors import UsageError
from lensproc.nn.adversarial_losses import discriminator_loss, generator_loss
from lensproc.nn.discriminator import Discriminator
from lensproc.simulate.image import simulate
from lensproc.simulate.recipe import Recipe, load_recipe
from lensproc_srgan import features, training
from lensproc_srgan.content import Content, PixelLoss, closure, generate, shown, truth
from lensproc_srgan.stages import build

FOLDER = Path(importlib.import_module("lensproc_srgan").__file__).parent / "recipes"
SHORT = """
[data]
train = [{ recipe = "quasars", number = 1 }]
val = [{ recipe = "quasars", number = 1 }]
[network]
blocks = 1
"""


def task_of(stage: str, text: str, name: str = "short") -> AdversarialTask:
    manifest = load_registry().manifest(stage)
    torch.manual_seed(0)
    return getattr(training, stage)(manifest, TrainingRecipe.from_toml(text, name))


@pytest.mark.parametrize("name", ["srgan", "srgan-described", "srgan-report", "esrgan", "esrgan-report"])
def test_every_recipe_makes_a_task(name, monkeypatch):
    """With stand-ins for the frozen networks, whose weights are the user's."""
    seen = []

    def stand_in(kind, classifier):
        seen.append(kind)
        return (None if kind == "none" else nn.Conv2d(1, 2, 3)), kind

    monkeypatch.setattr(training, "feature_network", stand_in)
    text = (FOLDER / f"{name}.toml").read_text("utf-8")
    recipe = TrainingRecipe.from_toml(text, name)
    task = task_of(name.partition("-")[0], text, name)
    expected = {"srgan": "none", "esrgan": "none", "esrgan-report": "vgg"}.get(name, "classifier")
    assert seen == [expected]
    assert task.network_spec["features"] == expected
    assert task.settings.kind == ("relativistic" if name.startswith("esrgan") else "bce")
    for share in recipe.train + recipe.val:
        assert isinstance(load_recipe(share.recipe), Recipe)
    both = build(task.network_spec, name.partition("-")[0])
    state = task.network.state_dict()
    both.load_state_dict({f"{part}.{k}": v for part in ("pixel", "adversarial") for k, v in state.items()})
    if name.endswith("report"):
        assert isinstance(task.discriminator, Discriminator)
        assert any(isinstance(layer, nn.BatchNorm2d) for layer in task.discriminator.modules())
    else:
        assert recipe.settings.budget <= 60


def test_a_scene_is_normalised_by_its_image_alone():
    sim = simulate(load_recipe("quasars"), 1, "train", 0)
    sample = pickle.loads(pickle.dumps(task_of("srgan", SHORT).sample))
    fields = sample(sim)
    side = fields["image"].shape[0]
    assert fields["sharp2"].shape == fields["points2"].shape == (2 * side, 2 * side)
    assert (fields["image"].min(), fields["image"].max()) == (0.0, 1.0)
    reach = float(np.ptp(sim.exposure.data))
    assert fields["noise"] * reach == pytest.approx(
        float(np.sqrt(np.median(sim.exposure.variance))), rel=1e-4
    )
    batch = {name: torch.as_tensor(value)[None].float() for name, value in fields.items()}
    assert abs(float(closure(truth(batch), batch))) < 1e-6
    # the input's flux and the truth's are one, but for noise and what the PSF carries over the border
    difference = batch["image"].mean() - truth(batch).mean()
    assert abs(float(difference / batch["image"].mean())) < 0.02


def scene_of_two(second: float = 1.0) -> dict[str, torch.Tensor]:
    """Two stars, the fainter times `second`, behind half of a PSF of 4 px, on sky 0.1 with noise 0.01."""
    axis = torch.arange(64.0)
    sigma = 4.0 / math.sqrt(8.0 * math.log(2.0))

    def star(x: float, y: float) -> torch.Tensor:
        return torch.exp(-0.5 * ((axis[None] - x) ** 2 + (axis[:, None] - y) ** 2) / sigma**2)

    sharp = 0.1 + star(20.0, 30.0) + second * 0.2 * star(40.0, 36.0)
    points = torch.maximum(star(20.0, 30.0), star(40.0, 36.0))
    return {
        "image": sharp.reshape(32, 2, 32, 2).mean((1, 3))[None],
        "variance": torch.full((1, 32, 32), 1e-4),
        "sharp2": sharp[None],
        "points2": points[None],
        "fwhm": torch.tensor([4.0]),
        "sky": torch.tensor([0.1]),
        "noise": torch.tensor([0.01]),
    }


def test_flux_that_is_too_much_disagrees_by_its_photon_error():
    batch = scene_of_two()
    more = truth(batch) + 0.01
    # 1024 pixels too bright by 1 σ each: 1024 / √1024
    assert float(closure(more, batch)) == pytest.approx(32.0, rel=1e-4)


def test_a_lost_second_source_costs_more_than_pixels_say():
    whole, lost = scene_of_two(), truth(scene_of_two(0.0))
    weights = {"pixels": 1.0, "features": 0.0, "response": 0.003, "apertures": 0.002, "flux": 0.001}
    parts = Content("l1", weights)(lost, whole)
    flux, noise = 0.2 * 2.0 * math.pi * (4.0 / 2.3548) ** 2, 0.02
    assert set(parts) == {"loss", "pixels", "response", "apertures", "flux"}
    # its light, binned to input pixels, over √1024 pixels of noise
    assert float(parts["flux"]) == pytest.approx(math.hypot(1.0, flux / 4.0 / 0.32) - 1.0, rel=0.01)
    assert float(parts["pixels"]) == pytest.approx(flux / 64**2, rel=0.01)
    assert float(parts["loss"]) == pytest.approx(
        sum(weights[name] * float(value) for name, value in parts.items() if name != "loss"), rel=1e-5
    )
    within = flux * (1.0 - math.exp(-0.5 * 2.3548**2))
    forgiven = math.hypot(0.1 * within, noise * math.sqrt(math.pi * 4.0**2))
    expected = 0.5 * (math.hypot(1.0, within / forgiven) - 1.0)
    assert float(parts["apertures"]) == pytest.approx(expected, rel=0.05)
    zero = Content("l1", {**weights, "response": 0.0, "apertures": 0.0, "flux": 0.0})(lost, whole)
    assert set(zero) == {"loss", "pixels"}


def test_the_discriminator_sees_light_in_units_of_noise():
    batch = scene_of_two()
    fake, real = shown(truth(batch) + 0.02, batch)
    assert float(real[0, 0, 5, 5]) == pytest.approx(0.0, abs=1e-4)
    assert float(fake[0, 0, 5, 5]) == pytest.approx(math.asinh(1.0), rel=1e-3)
    assert float(real[0, 0, 30, 20]) == pytest.approx(math.asinh(1.0 / 0.02), rel=1e-3)


@pytest.mark.parametrize("stage", ["srgan", "esrgan"])
def test_the_adversarial_gradient_reaches_every_part_of_the_generator(stage):
    """Known defect: cross entropy over one column is zero, with no gradient."""
    task = task_of(stage, SHORT)
    batch = scene_of_two()
    fake, real = task.shown(task.generate(task.network, batch), batch)
    kind = task.settings.kind
    scores = task.discriminator(real)
    generator_loss(kind, scores, task.discriminator(fake)).backward()
    first = next(parameter for parameter in task.network.parameters() if parameter.requires_grad)
    assert float(first.grad.abs().max()) > 0.0
    with torch.no_grad():  # labels: what calls real images real loses less than what calls them generated
        assert discriminator_loss(kind, scores + 2.0, scores) < discriminator_loss(kind, scores, scores + 2.0)


def test_pixels_are_what_the_first_part_learns_by():
    task, batch = task_of("srgan", SHORT), scene_of_two()
    expected = (generate(task.network, batch) - truth(batch)).abs().mean()
    torch.testing.assert_close(PixelLoss("l1")(task.network, batch)["loss"], expected)
    assert task.judges is None
    assert {"loss", "pixels", "psnr", "closure"} <= set(task.metrics(task.network.eval(), batch))


def test_a_feature_loss_compares_frozen_features(tmp_path):
    torch.manual_seed(1)
    frozen = features.VGGFeatures(nn.Sequential(nn.Conv2d(3, 2, 3)))
    batch = scene_of_two()
    content = Content(
        "l1", {"pixels": 0.0, "features": 2.0, "response": 0.0, "apertures": 0.0, "flux": 0.0}, frozen
    )
    found = truth(batch) + 0.1
    parts = content(found, batch)
    expected = (frozen(found) - frozen(truth(batch))).square().mean()
    assert float(parts["loss"]) == pytest.approx(2.0 * float(expected))
    assert float(content(truth(batch), batch)["loss"]) == 0.0


def test_entries_that_there_are_not_are_named():
    for stage, text, said in (
        ("srgan", "[loss]\nperceptual = 1", r"\[loss\] has no perceptual; it has: kind, pixels"),
        ("srgan", "[loss]\nresponse = -1", "response must not be negative"),
        ("srgan", '[loss]\ndiscriminator = "large"', "discriminator 'large' is not small or report"),
        ("esrgan", '[loss]\nfeatures = "eyes"', "features 'eyes' is not none, classifier, vgg"),
        ("srgan", '[loss.adversarial]\nkind = "hinge"', "kind 'hinge' is not bce or relativistic"),
    ):
        with pytest.raises(UsageError, match=said):
            task_of(stage, f"{SHORT}\n{text}\n")
    with pytest.raises(UsageError, match="start 'zeros' is not random or interpolation"):
        task_of("srgan", SHORT + 'start = "zeros"\n')
