"""Backbones of timm: one channel, both heads, weights without a download, and what is said without timm."""

from __future__ import annotations

import sys

import pytest
import torch

from lensproc.contract.registry import load_registry
from lensproc.contract.training import TrainingRecipe
from lensproc.errors import UsageError, WeightsError
from lensproc.nn.classifying.views import outputs_of_views
from lensproc.nn.weights import save_weights
from lensproc_substructure import timm_backbone
from lensproc_substructure.timm_backbone import TimmBackbone, build, load_timm, stage, training

SHORT = """
[data]
train = [{ recipe = "common-test", number = 1 }]
val = [{ recipe = "common-test", number = 1 }]
"""
SMALL = "resnet10t"
BACKBONES = ("resnet34", "mobilenetv3_large_100", "efficientnet_b2", "mobilevit_xxs", "resnet50")


@pytest.fixture
def timm():
    """The library, where it can be imported beside this torch."""
    try:
        return load_timm()
    except UsageError as error:
        pytest.skip(f"{error.what}")


def manifest(name: str = SMALL):
    return load_registry().manifest(f"timm:{name}")


def recipe(tables: str = "") -> TrainingRecipe:
    return TrainingRecipe.from_toml(SHORT + tables, "short")


def test_a_missing_library_is_one_line_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UsageError, match="timm") as caught:
        TimmBackbone(SMALL)
    assert "lensproc[timm]" in str(caught.value)


def test_a_torchvision_of_another_torch_is_named(monkeypatch):
    def fails(name):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(timm_backbone.importlib, "import_module", fails)
    with pytest.raises(UsageError, match="torchvision::nms does not exist; install the torchvision"):
        load_timm()


def test_stage_and_recipe_must_name_one_backbone():
    with pytest.raises(UsageError, match="stage timm:resnet10t and backbone 'resnet34' do not fit"):
        training(manifest(), recipe('[network]\nbackbone = "resnet34"\n'))


def test_weights_of_another_backbone_are_refused():
    with pytest.raises(WeightsError, match="these are weights of resnet34, not resnet10t"):
        build({"backbone": "resnet34"}, "timm:resnet10t")


@pytest.mark.parametrize(
    "name", ["resnet34", "mobilenetv3_large_100", "efficientnet_b2", "mobilevit_xxs", "resnet50"]
)
def test_backbones_of_the_recipes_exist(timm, name):
    assert timm.is_model(name)


@pytest.mark.parametrize("name", [SMALL, "mobilenetv3_small_050", "vit_tiny_patch16_224"])
def test_logits_of_one_channel_and_a_gradient_for_every_parameter(timm, name):
    side = 64
    network = TimmBackbone(name, side=side)
    logits = network(torch.rand(2, 1, 50, 50))
    assert logits.shape == (2, 3)
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 2])).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_the_head_with_batch_normalisation_and_dropout(timm):
    network = TimmBackbone(SMALL, head="bn-dropout", dropout=0.5, side=64)
    kinds = [type(layer).__name__ for layer in network.last]
    assert kinds == ["BatchNorm1d", "Dropout", "Linear"]
    with pytest.raises(ValueError, match="head 'wide' is not linear or bn-dropout"):
        TimmBackbone(SMALL, head="wide")


def test_a_backbone_that_there_is_not_is_answered_with_similar_ones(timm):
    with pytest.raises(UsageError, match=r"timm has no backbone 'resnet_340'; it has .*resnet"):
        training(manifest("resnet_340"), recipe())


def test_without_a_network_pretrained_weights_are_refused_in_one_line(timm, monkeypatch):
    def offline(*arguments, **options):
        raise OSError("Network is unreachable")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(
        UsageError, match="the pretrained weights of resnet10t cannot be had: OSError: Network"
    ):
        training(manifest(), recipe("[network]\npretrained = true\n"))


def test_saved_weights_give_the_stage_the_same_logits_and_download_nothing(timm, tmp_path, monkeypatch):
    task = training(manifest(), recipe("[network]\nside = 64\n"))
    assert task.network_spec["backbone"] == SMALL
    assert task.network_spec["pretrained"] is False
    network = task.network.eval()
    network.fit([{"images": torch.rand(12, 1, 64, 64), "label": torch.arange(12) % 3}])
    path = tmp_path / "weights.safetensors"
    save_weights(path, network.state_dict(), {"stage": f"timm:{SMALL}", "network": dict(task.network_spec)})
    built = stage(manifest(), manifest().resolve_options({"weights": str(path)}))
    built.load(torch.device("cpu"), torch.float32)
    images = torch.rand(2, 1, 64, 64)
    with torch.no_grad():
        before, after = (outputs_of_views(which, (images,), 1)[0] for which in (network, built.network))
    assert torch.allclose(before, after, atol=1e-5)
