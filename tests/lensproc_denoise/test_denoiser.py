from __future__ import annotations

import dataclasses
from importlib.resources import files

import pytest
import torch

from lensproc.contract.training import TrainingRecipe
from lensproc.errors import UsageError, WeightsError
from lensproc.nn.blocks import parameter_count
from lensproc.nn.weights import save_weights
from lensproc_denoise import DENOISED_SISR, DENOISER, SIGMAS
from lensproc_denoise.denoised_sisr import DenoisedSISR
from lensproc_denoise.denoised_sisr import training as sisr_training
from lensproc_denoise.denoiser import add_noise, build, stage, training

SPEC = {"blocks": 1, "upsample": False, "sigma": 0.2}


def recipe(network, name="denoiser-0.2"):
    text = (files("lensproc_denoise") / "recipes" / f"{name}.toml").read_text("utf-8")
    return dataclasses.replace(TrainingRecipe.from_toml(text, name), network=network)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """File of a denoiser of one block whose batch statistics are not those of a new network."""
    torch.manual_seed(1)
    network = build(SPEC).train()
    for _ in range(3):
        network(torch.rand(4, 1, 24, 24))
    path = tmp_path_factory.mktemp("weights") / "denoiser-0.2.safetensors"
    save_weights(path, network.state_dict(), {"stage": "denoiser", "network": SPEC})
    return path


def test_it_has_the_size_of_its_description():
    assert parameter_count(build({"upsample": False})) == 1_078_913


@pytest.mark.parametrize("sigma", SIGMAS)
@pytest.mark.parametrize("ending", ["", "-report"])
def test_every_noise_has_recipes(sigma, ending):
    text = (files("lensproc_denoise") / "recipes" / f"denoiser-{sigma}{ending}.toml").read_text("utf-8")
    task = training(DENOISER, TrainingRecipe.from_toml(text, sigma))
    assert task.network_spec["sigma"] == float(sigma)
    assert task.network.reach <= DENOISER.halo


def test_noise_is_drawn_anew_and_the_same_in_each_validation():
    image = torch.rand(2, 32, 32)

    def noisy(generator):
        found = add_noise({"image": image}, generator, 0.2)
        return (found["image"] - found["truth"]) * found["scale"]

    generator = torch.Generator().manual_seed(4)
    first, second = noisy(generator), noisy(generator)
    assert float(first.std()) == pytest.approx(0.2, rel=0.05)
    assert abs(float((first * second).mean())) < 0.005
    torch.testing.assert_close(noisy(torch.Generator().manual_seed(4)), first)


def test_noisy_images_are_brought_to_the_range_that_the_core_gives():
    found = add_noise({"image": torch.rand(3, 32, 32)}, torch.Generator().manual_seed(4), 0.4)["image"]
    assert torch.equal(found.amin((1, 2, 3)), torch.zeros(3))
    assert torch.equal(found.amax((1, 2, 3)), torch.ones(3))


def test_weights_of_another_noise_are_refused(weights):
    options = {"sigma": "0.1", "weights": str(weights)}
    with pytest.raises(WeightsError, match=r"for a noise of 0\.2, not 0\.1"):
        stage(DENOISER, options).load(torch.device("cpu"), torch.float32)
    stage(DENOISER, {**options, "sigma": "0.2"}).load(torch.device("cpu"), torch.float32)


def test_without_weights_it_says_how_to_train_them():
    with pytest.raises(WeightsError, match="ships no weights") as caught:
        stage(DENOISER, {"sigma": "0.3", "weights": ""}).load(torch.device("cpu"), torch.float32)
    assert "lensproc train denoiser" in caught.value.remedy


@pytest.mark.parametrize("network", [{}, {"sigma": 0.0}, {"sigma": 0.2, "start": "hot"}])
def test_a_recipe_has_to_make_sense(network):
    with pytest.raises(UsageError):
        training(DENOISER, recipe(network))


def behind(weights):
    network = {"denoiser": str(weights), "blocks": 1}
    return sisr_training(DENOISED_SISR, recipe(network, "denoised-sisr-0.2"))


def test_the_denoiser_stays_frozen_while_the_network_behind_it_learns(weights):
    """A frozen denoiser in train mode follows the batch with its statistics: its output then changes."""
    network = behind(weights).network
    probe = torch.rand(2, 1, 24, 24)
    before = {name: value.clone() for name, value in network.denoiser.state_dict().items()}
    output = network.denoiser(probe)
    network.train()
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    first = network.sisr.last[0].weight.clone()
    for _ in range(3):
        optimiser.zero_grad()
        network(3.0 + torch.rand(4, 1, 24, 24)).square().mean().backward()
        optimiser.step()
    assert not any(module.training for module in network.denoiser.modules())
    assert not any(parameter.requires_grad for parameter in network.denoiser.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.denoiser.state_dict().items())
    assert torch.equal(network.denoiser(probe), output)
    assert not torch.equal(network.sisr.last[0].weight, first)


def test_the_test_of_a_frozen_denoiser_fails_on_one_in_train_mode(weights):
    network = behind(weights).network
    torch.nn.Module.train(network)  # what a network without its own train() does
    before = network.denoiser.state_dict()["blocks.0.body.1.running_mean"].clone()
    network(3.0 + torch.rand(4, 1, 24, 24))
    assert not torch.equal(network.denoiser.state_dict()["blocks.0.body.1.running_mean"], before)


def test_one_file_holds_denoiser_and_network(weights, tmp_path):
    task = behind(weights)
    again = DenoisedSISR(**task.network_spec)
    again.load_state_dict(task.network.state_dict())
    probe = torch.rand(1, 1, 24, 24)
    assert torch.equal(again.eval()(probe), task.network.eval()(probe))
    assert task.network_spec["denoiser"] == SPEC


def test_a_recipe_without_denoiser_is_refused():
    with pytest.raises(UsageError, match="names no denoiser"):
        sisr_training(DENOISED_SISR, recipe({}, "denoised-sisr-0.2"))


def test_both_networks_of_ten_blocks_stay_within_the_halo():
    network = DenoisedSISR({"blocks": 10, "upsample": False, "sigma": 0.1})
    assert network.reach == DENOISED_SISR.halo


@pytest.mark.parametrize("stage_id", ["denoiser", "denoised-sisr"])
def test_the_default_recipe_is_that_of_the_default_noise(stage_id):
    folder = files("lensproc_denoise") / "recipes"
    texts = [(folder / f"{name}.toml").read_text("utf-8") for name in (stage_id, f"{stage_id}-0.1")]
    assert texts[0] == texts[1]
