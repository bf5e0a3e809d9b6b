"""The stage ``swinir``: conforms, joins tiles without a seam, and learns without a discriminator."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import torch

from lensproc.contract.adversarial import AdversarialTask
from lensproc.contract.registry import load_registry
from lensproc.contract.stage import Batch, Item
from lensproc.contract.training import TrainingRecipe
from lensproc.engine.chain import Link
from lensproc.engine.tiling import TILE, apply_tiled
from lensproc.errors import UsageError, WeightsError
from lensproc.nn.spec import full_spec
from lensproc.nn.swin import SwinSR
from lensproc.nn.weights import save_weights
from lensproc.nn.window_attention import WINDOW
from lensproc.simulate.image import simulate
from lensproc.simulate.recipe import Recipe, load_recipe
from lensproc.testing import check_stage
from lensproc_srgan import swinir_training
from lensproc_srgan.swinir import build

RECIPES = Path(importlib.import_module("lensproc_srgan").__file__).parent / "recipes"
SHORT = """
[data]
train = [{ recipe = "quasars", number = 1 }]
val = [{ recipe = "quasars", number = 1 }]
[network]
groups = 1
depth = 2
width = 16
start = "interpolation"
[loss]
response = 0.003
apertures = 0.002
flux = 0.001
"""


def task_of(text: str, name: str = "short"):
    torch.manual_seed(0)
    return swinir_training.task(load_registry().manifest("swinir"), TrainingRecipe.from_toml(text, name))


def written(folder: Path, others: float, **spec: int) -> Path:
    """Weights with which the stage interpolates, plus `others` times what attention at random makes of it."""
    torch.manual_seed(3)
    full = full_spec(SwinSR, spec)
    network = SwinSR(**full)
    network.start_as_interpolation(others)
    path = folder / f"swinir-{others}.safetensors"
    save_weights(path, network.state_dict(), {"stage": "swinir", "network": full})
    return path


def test_it_says_what_it_does_to_an_image():
    manifest = load_registry().manifest("swinir")
    assert not manifest.generative
    assert (manifest.scale, manifest.output_psf, manifest.normalisation) == (2, 0.5, "range")
    assert manifest.multiple_of == WINDOW
    assert manifest.halo == SwinSR().reach
    assert [option.name for option in manifest.options] == ["weights"]


def test_it_conforms(tmp_path):
    path = written(tmp_path, 0.0, groups=1, depth=2, width=16)
    results = check_stage("swinir", options={"weights": str(path)})
    assert [result for result in results if not result.ok] == []


def test_an_image_in_tiles_is_the_image_in_one_piece(tmp_path):
    """Through the engine: tiles begin at multiples of a window, and attention is far from an interpolation."""
    path = written(tmp_path, 1.0, groups=1, depth=2, width=8)
    registry = load_registry()
    manifest = registry.manifest("swinir")
    options = manifest.resolve_options({"weights": str(path)})
    stage = registry.open_stage("swinir", {"weights": str(path)})
    images = torch.rand(1, 1, TILE + 59, 43)
    batch = Batch(images, None, torch.zeros(images.shape, dtype=torch.bool), (Item(),))
    with torch.inference_mode():
        tiled = apply_tiled(stage, Link(manifest, options, "tests==1"), batch).images
        whole = stage.apply(batch).images
    stage.close()
    torch.testing.assert_close(tiled, whole, rtol=0.0, atol=2e-6)
    assert float(whole.abs().max()) > 0.5


def test_a_network_that_reaches_beyond_the_halo_is_refused():
    with pytest.raises(WeightsError, match="the network reaches 56 px, its halo is 40 px"):
        task_of(SHORT.replace("depth = 2", "depth = 12"))


def test_the_recipe_makes_a_task_without_a_discriminator():
    text = (RECIPES / "swinir.toml").read_text("utf-8")
    recipe = TrainingRecipe.from_toml(text, "swinir")
    task = task_of(text, "swinir")
    assert not isinstance(task, AdversarialTask)
    assert recipe.settings.budget <= 20
    assert recipe.settings.crop % WINDOW == 0
    assert {name: task.loss.content.weights[name] > 0.0 for name in ("response", "apertures", "flux")} == {
        "response": True,
        "apertures": True,
        "flux": True,
    }
    for share in recipe.train + recipe.val:
        assert isinstance(load_recipe(share.recipe), Recipe)
    build(task.network_spec).load_state_dict(task.network.state_dict())


def middle(values: torch.Tensor) -> torch.Tensor:
    """Cut planes to half their sides about the lens; numbers stay."""
    if values.ndim < 3:
        return values
    side = values.shape[-1]
    return values[:, side // 4 : side - side // 4, side // 4 : side - side // 4]


def measured(task, batch) -> dict[str, float]:
    with torch.no_grad():
        return {name: float(value) for name, value in task.metrics(task.network.eval(), batch).items()}


def test_it_learns_from_two_scenes():
    task = task_of(SHORT)
    fields = [task.sample(simulate(load_recipe("quasars"), 1, "train", i)) for i in range(2)]
    batch = {
        name: middle(torch.stack([torch.as_tensor(f[name]).float() for f in fields])) for name in fields[0]
    }
    before = measured(task, batch)
    optimizer = torch.optim.Adam(task.network.train().parameters(), lr=1e-3)
    for _ in range(60):
        optimizer.zero_grad()
        task.loss(task.network, batch)["loss"].backward()
        torch.nn.utils.clip_grad_norm_(task.network.parameters(), 1.0)
        optimizer.step()
    after = measured(task, batch)
    assert set(before) == {"loss", "pixels", "response", "apertures", "flux", "psnr", "closure"}
    assert after["loss"] < 0.9 * before["loss"]
    assert after["response"] < 0.85 * before["response"]
    assert after["psnr"] > before["psnr"] + 1.0


def test_entries_of_a_discriminator_are_refused():
    for line, said in (
        ('discriminator = "small"', r"\[loss\] has no discriminator; it has: kind, pixels, response"),
        ('features = "classifier"', r"\[loss\] has no features"),
        ("response = -1", "response must not be negative"),
    ):
        text = SHORT.replace("response = 0.003\n", "") + line + "\n"
        with pytest.raises(UsageError, match=said):
            task_of(text)
    with pytest.raises(UsageError, match="the network of swinir has no hyperparameter blocks"):
        task_of(SHORT.replace("depth", "blocks"))
