"""lens-gan: weights between lens-sr and the adversarial ones, a discriminator beside the input, known losses."""

from __future__ import annotations

import importlib
import math
from pathlib import Path

import pytest
import torch

from lensproc.contract.registry import load_registry
from lensproc.contract.stage import Batch, Item
from lensproc.contract.training import TrainingRecipe
from lensproc.cutout import PSF
from lensproc.errors import UsageError
from lensproc.nn.lens_sr import LensSR, bicubic
from lensproc.nn.lens_sr_learning import image_loss
from lensproc.nn.spec import full_spec
from lensproc.nn.weights import read_weights, save_weights
from lensproc.simulate.recipe import Recipe, load_recipe
from lensproc.testing.suite import run_check, subject_of
from lensproc_srgan.lens_gan import closure, generate, shown, task

FOLDER = Path(importlib.import_module("lensproc_srgan").__file__).parent
LENS_SR = Path(importlib.import_module("lensproc_superres").__file__).parent / "weights/lens-sr.safetensors"
CHECKS = ("output_shape", "batch_equals_singles", "stage_pickles", "star_keeps_centroid")
SHORT = """
[data]
train = [{ recipe = "quasars", number = 1 }]
val = [{ recipe = "quasars", number = 1 }]
"""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pixel part: lens-sr as it ships. Adversarial part: the same, its correction a tenth larger."""
    state = read_weights(LENS_SR).state
    parts = {f"pixel.{name}": value for name, value in state.items()}
    strong = {f"adversarial.{name}": value.clone() for name, value in state.items()}
    strong["adversarial.leave.weight"][0] *= 1.1
    strong["adversarial.leave.bias"][0] *= 1.1
    path = tmp_path_factory.mktemp("weights") / "lens-gan.safetensors"
    save_weights(path, {**parts, **strong}, {"stage": "lens-gan", "network": full_spec(LensSR, {})})
    return path


def applied(stage: str, **options) -> torch.Tensor:
    opened = load_registry().open_stage(stage, options)
    torch.manual_seed(1)
    axis = torch.arange(24.0)
    star = 80.0 * torch.exp(-((axis[None] - 11.0) ** 2 + (axis[:, None] - 12.0) ** 2) / 5.0)
    images = (star + torch.randn(24, 24))[None, None]
    item = Item(psf=PSF(3.0), noise=(1.0,))
    batch = Batch(images, torch.ones_like(images), torch.zeros(images.shape, dtype=torch.bool), (item,))
    with torch.inference_mode():
        result = opened.apply(batch).images
    opened.close()
    return result


def test_at_strength_0_it_is_lens_sr_to_the_bit(weights):
    mild = applied("lens-gan", weights=str(weights), strength=0.0)
    assert torch.equal(mild, applied("lens-sr"))


def test_strength_scales_the_correction(weights):
    """Before the last step, which makes all of them agree with the input, it is linear in the last layer."""
    images = [
        applied("lens-gan", weights=str(weights), strength=s, consistency=False) for s in (0.0, 0.5, 1.0)
    ]
    torch.testing.assert_close(images[1] - images[0], images[2] - images[1], rtol=1e-3, atol=0.01)
    assert (images[2] - images[0]).abs().max() > 3.0


def test_the_last_step_keeps_the_flux_whatever_the_strength(weights):
    """The brighter core of the strong part is taken back: binned, both have the light of the input."""
    loose = applied("lens-gan", weights=str(weights), consistency=False).sum() / 4.0
    held = [applied("lens-gan", weights=str(weights), strength=s).sum() / 4.0 for s in (0.0, 1.0)]
    assert abs(held[1] - held[0]) < 0.02 * held[0]
    assert abs(loose - held[0]) > abs(held[1] - held[0])


def test_what_depends_on_the_network_conforms(weights):
    subject = subject_of("lens-gan", {"weights": str(weights)})
    assert [result for check in CHECKS if not (result := run_check(subject, check)).ok] == []


def batch_of(second: float = 1.0) -> dict[str, torch.Tensor]:
    """Two stars behind half of a PSF of 4 px, peaks of 200 σ and `second` times 40 σ."""
    axis, sigma = torch.arange(64.0), 4.0 / math.sqrt(8.0 * math.log(2.0))

    def star(x: float, y: float) -> torch.Tensor:
        return torch.exp(-0.5 * ((axis[None] - x) ** 2 + (axis[:, None] - y) ** 2) / sigma**2)

    truth = (200.0 * star(20.0, 30.0) + second * 40.0 * star(40.0, 36.0))[None, None]
    return {
        "image": truth.reshape(1, 1, 32, 2, 32, 2).mean((3, 5)),
        "variance": torch.ones(1, 1, 32, 32),
        "truth": truth,
        "points": torch.maximum(star(20.0, 30.0), star(40.0, 36.0))[None, None],
        "fwhm": torch.full((1, 1, 1, 1), 4.0),
    }


def test_a_lost_second_star_costs_its_response_and_its_flux():
    whole, lost = batch_of(), batch_of(0.0)["truth"]
    parts = image_loss(lost, torch.ones_like(lost), whole, 0.0, 0.0, 0.5, 0.5, 1.0, 1.0)
    # one of two sources lost; of its flux a tenth is forgiven: √(1 + 10²) − 1, and the noise adds little
    assert float(parts["apertures"]) == pytest.approx((math.sqrt(101.0) - 1.0) / 2.0, rel=0.03)
    assert float(parts["response"]) > 0.4
    kept = image_loss(whole["truth"], torch.ones_like(lost), whole, 0.0, 0.0, 0.5, 0.5, 1.0, 1.0)
    assert float(kept["apertures"]) == float(kept["response"]) == 0.0


def test_the_discriminator_sees_the_input_beside_both_images():
    batch = batch_of()
    generated = torch.cat([0.5 * batch["truth"], torch.ones_like(batch["truth"])], dim=1).requires_grad_()
    found, true = shown(generated, batch)
    assert found.shape == true.shape == (1, 2, 64, 64)
    assert torch.equal(found[:, 1], true[:, 1])
    torch.testing.assert_close(found[:, 1:], torch.asinh(bicubic(batch["image"])))
    torch.testing.assert_close(torch.sinh(true[:, :1]) * 2.0, batch["truth"])
    found.sum().backward()
    assert (generated.grad[:, 0] > 0).all()
    assert (generated.grad[:, 1] == 0).all()  # the errors are no part of the game


def test_flux_closes_on_the_truth_and_not_beside_it():
    batch = batch_of()
    both = torch.cat([batch["truth"], torch.ones_like(batch["truth"])], dim=1)
    assert float(closure(both, batch)) == 0.0
    # 1024 input pixels too bright by 1 σ each: 1024 / √1024
    assert float(closure(both + 1.0, batch)) == pytest.approx(32.0, rel=1e-4)


@pytest.mark.parametrize("name", ["lens-gan", "lens-gan-strong"])
def test_its_recipes_make_a_task_that_continues_lens_sr(name):
    recipe = TrainingRecipe.from_toml((FOLDER / f"recipes/{name}.toml").read_text("utf-8"), name)
    for share in recipe.train + recipe.val:
        assert isinstance(load_recipe(share.recipe), Recipe)
    made = task(load_registry().manifest("lens-gan"), recipe)
    made.network.load_state_dict(read_weights(LENS_SR).state)
    assert made.settings.pretrain == 0.0  # what comes first is lens-sr itself
    batch = {name: value.expand(2, -1, -1, -1) for name, value in batch_of().items()}
    generated = generate(made.network, batch)
    assert generated.shape == (2, 2, 64, 64)
    made.discriminator(made.shown(generated, batch)[0]).sum().backward()
    assert all(bool((p.grad != 0).any()) for p in made.network.body.parameters())


@pytest.mark.parametrize(("table", "entry"), [("loss", "flus"), ("network", "widht")])
def test_an_unknown_entry_is_refused(table, entry):
    recipe = TrainingRecipe.from_toml(f"{SHORT}[{table}]\n{entry} = 1\n", "r")
    with pytest.raises(UsageError, match=rf"of lens-gan has no (hyperparameter )?{entry}"):
        task(load_registry().manifest("lens-gan"), recipe)


def test_a_negative_weight_is_refused():
    """It would teach the network to lose the sources."""
    recipe = TrainingRecipe.from_toml(f"{SHORT}[loss]\napertures = -1\n", "r")
    with pytest.raises(UsageError, match=r"\[loss\] apertures must not be negative, got -1"):
        task(load_registry().manifest("lens-gan"), recipe)
