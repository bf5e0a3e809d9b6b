"""The networks beside ``substructure``: shapes, sizes, gradients, and weights that give the same logits again."""

from __future__ import annotations

import importlib

import pytest
import torch

from lensproc.contract.registry import load_registry
from lensproc.nn.blocks import parameter_count
from lensproc.nn.classifying.views import outputs_of_views
from lensproc.nn.resnet_18 import Resnet18
from lensproc.nn.resnet_simple import ResnetSimple
from lensproc.nn.side import to_side
from lensproc.nn.weights import save_weights
from lensproc_substructure import anomaly, resnet_18, resnet_simple, two_level
from lensproc_substructure.anomaly import SmallMobileViT, folded, unfolded
from lensproc_substructure.two_level import TwoLevel

MODULES = {
    "resnet-simple": resnet_simple,
    "resnet-18": resnet_18,
    "two-level": two_level,
    "anomaly": anomaly,
}
SMALL = {
    "resnet-simple": {"side": 64},
    "resnet-18": {"side": 64, "width": 8},
    "two-level": {"side": 64},
    "anomaly": {"side": 64, "width": 24},
}
CLASSES_OF = {"anomaly": 2}


def images(number: int = 4, pixels: int = 64, seed: int = 0) -> torch.Tensor:
    return torch.rand(number, 1, pixels, pixels, generator=torch.Generator().manual_seed(seed))


def test_resnet_simple_goes_from_150_to_14_px():
    network = ResnetSimple(pooled=False).eval()
    sides, maps = [], torch.zeros(1, 1, 150, 150)
    for layer in network.trunk:
        maps = layer(maps)
        sides.append(maps.shape[-1])
    assert sides == [146, 144, 72, 70, 35, 33, 16, 16, 16, 14]
    assert maps.shape[1] == 128
    assert network.first.in_features == 25088


@pytest.mark.parametrize(
    ("network", "parameters"),
    [
        (lambda: ResnetSimple(pooled=False), 6_590_707),
        (lambda: ResnetSimple(pooled=True), 692_467),
        (Resnet18, 11_171_779),
        (SmallMobileViT, 289_330),
        (TwoLevel, 2_290_969),
    ],
)
def test_parameter_counts(network, parameters):
    assert parameter_count(network()) == parameters


@pytest.mark.parametrize("stage", MODULES)
def test_logits_of_images_of_any_side(stage):
    network = MODULES[stage].build(SMALL[stage]).eval()
    with torch.no_grad():
        for pixels in (40, 64, 101):
            assert network(images(2, pixels)).shape == (2, CLASSES_OF.get(stage, 3))
        assert network(torch.rand(1, 1, 50, 70)).shape == (1, CLASSES_OF.get(stage, 3))


@pytest.mark.parametrize("stage", MODULES)
def test_the_gradient_reaches_every_parameter(stage):
    torch.manual_seed(0)
    module = MODULES[stage]
    network = module.build({**SMALL[stage], "dropout": 0.0} if stage != "resnet-18" else SMALL[stage])
    labels = torch.tensor([0, 1, 2, 0, 1, 2]) % CLASSES_OF.get(stage, 3)
    batch = {"images": images(6), "label": labels}
    loss = two_level.both_levels_loss if stage == "two-level" else torch.nn.functional.cross_entropy
    value = loss(network, batch)["loss"] if stage == "two-level" else loss(network(batch["images"]), labels)
    value.backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().sum()) > 0, name


@pytest.mark.parametrize("stage", MODULES)
def test_saved_weights_give_the_stage_the_same_logits(stage, tmp_path):
    torch.manual_seed(1)
    module, manifest = MODULES[stage], load_registry().manifest(stage)
    network = module.build(SMALL[stage])
    network.train()(images(8, seed=3))  # statistics of their own
    network.eval()
    classes = CLASSES_OF.get(stage, 3)
    batches = [{"images": images(24, seed=4), "label": torch.arange(24) % classes}]
    network.fit(batches)
    path = tmp_path / "weights.safetensors"
    save_weights(path, network.state_dict(), {"stage": stage, "network": SMALL[stage]})
    built = module.stage(manifest, manifest.resolve_options({"weights": str(path)}))
    built.load(torch.device("cpu"), torch.float32)
    assert built.classes == (("no", "substructure") if classes == 2 else ("no", "sphere", "vortex"))
    with torch.no_grad():
        before, after = (outputs_of_views(which, (images(3),), 8) for which in (network, built.network))
    assert torch.allclose(before[0], after[0], atol=1e-5)
    assert float(before[0].std()) > 0


def test_a_turned_image_has_the_same_mean_over_the_views():
    network = ResnetSimple(side=64).eval()
    image = images(1)
    with torch.no_grad():
        one = outputs_of_views(network, (image,), 8)[0].softmax(-1).mean(1)
        other = outputs_of_views(network, (torch.rot90(image, 1, (-2, -1)),), 8)[0].softmax(-1).mean(1)
        transposed = outputs_of_views(network, (image.transpose(-1, -2),), 8)[0].softmax(-1).mean(1)
    assert torch.allclose(one, other, atol=1e-5)
    assert torch.allclose(one, transposed, atol=1e-5)


def test_resampling_keeps_the_mean_and_the_place():
    axis = torch.arange(300.0)
    fine = torch.exp(-((axis - 100.0) ** 2 + (axis[:, None] - 180.0) ** 2) / 800.0)[None, None]
    coarse = to_side(fine, 150)
    assert float(coarse.mean()) == pytest.approx(float(fine.mean()), rel=1e-3)
    x = float((coarse.sum((0, 1, 2)) * torch.arange(150.0)).sum() / coarse.sum())
    y = float((coarse.sum((0, 1, 3)) * torch.arange(150.0)).sum() / coarse.sum())
    assert (x, y) == pytest.approx((0.5 * 100.5 - 0.5, 0.5 * 180.5 - 0.5), abs=0.01)
    assert torch.equal(to_side(coarse, 150), coarse)


def test_noise_is_averaged_where_there_are_fewer_pixels():
    noise = torch.randn(1, 1, 600, 600, generator=torch.Generator().manual_seed(0))
    assert float(to_side(noise, 150).std()) < 0.4


def test_patches_are_put_back_where_they_were():
    maps = torch.rand(2, 3, 6, 8)
    tokens = unfolded(maps)
    assert tokens.shape == (8, 12, 3)
    # the first four tokens of the first place: every second pixel of the first row
    assert torch.equal(tokens[0, :4], maps[0, :, 0, ::2].T)
    assert torch.equal(folded(tokens, maps.shape), maps)


@pytest.mark.parametrize("stage", [*MODULES, "timm"])
def test_the_module_that_the_manifest_names_has_stage_and_training(stage):
    registry = load_registry()
    manifest = registry.manifest("timm:resnet34" if stage == "timm" else stage)
    for target in (manifest.factory, str(manifest.training)):
        module, _, name = target.partition(":")
        assert callable(getattr(importlib.import_module(module), name))
