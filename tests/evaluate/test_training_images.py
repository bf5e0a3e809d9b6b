"""The domain of a stage is measured on the images of its training, made again or read from its data."""

import numpy as np
import pytest
import torch

from lensproc.contract.training import DataShare
from lensproc.errors import PluginError, UsageError
from lensproc.evaluate import training_images as images_of
from lensproc.evaluate.training_images import (
    domain_of_training,
    numbers_of_images,
    recipe_of_weights,
    training_images,
)
from lensproc.nn.weights import save_weights
from lensproc.simulate.image import simulate
from lensproc.train.cache import simulator_recipe
from lensproc.train.lookup import make_task, read_recipe, recipe_sha256
from tests.train.tiny import MANIFEST, RECIPE, SKY, prepare


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "sky.toml").write_text(SKY.format(size=24))
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE.replace("number = 12", "number = 24"))
    return path


def test_shares_are_spread_as_in_the_training():
    shares = (DataShare("a", 600), DataShare("b", 300), DataShare("c", 4))
    assert numbers_of_images(shares, 90) == [60, 30, 1]
    assert numbers_of_images(shares, 9000) == [600, 300, 4]


def test_they_are_the_very_images_of_the_training_as_the_network_is_given_them(recipe, tmp_path):
    read = read_recipe(recipe)
    made = training_images(MANIFEST, read, make_task(MANIFEST, read), 3, beside=tmp_path)
    sky = simulator_recipe(read.train[0], tmp_path)
    generator = torch.Generator().manual_seed(read.data_seed)
    for index, cutout in enumerate(made):
        sim = simulate(sky, read.data_seed, "train", index)
        given = prepare({"image": torch.from_numpy(sim.exposure.data)[None]}, generator)
        assert np.array_equal(cutout.data, given["image"][0].numpy())
        assert cutout.psf.value.fwhm > 1.0
    others = training_images(MANIFEST, read, make_task(MANIFEST, read), 3, beside=tmp_path, split="val")
    assert not np.array_equal(others[0].data, made[0].data)


def test_the_data_of_a_training_serve_without_simulating_again(recipe, tmp_path, monkeypatch):
    simulated = domain_of_training(MANIFEST, recipe, 24)
    domain_of_training(MANIFEST, recipe, 24, tmp_path / "data")

    def refuse(*arguments):
        raise AssertionError("simulated although the data are there")

    monkeypatch.setattr("lensproc.simulate.image.simulate", refuse)
    found = domain_of_training(MANIFEST, recipe, 24, tmp_path / "data")
    assert found == simulated
    assert found.images == 24
    digest = recipe_sha256(read_recipe(recipe))[:12]
    assert found.source == f"the first of each share of recipe tiny (SHA-256 {digest}…), seed 5, split train"


def test_a_task_that_hides_its_images_is_told_what_to_do(recipe, tmp_path):
    read = read_recipe(recipe)
    task = make_task(MANIFEST, read)
    object.__setattr__(task, "prepare", lambda batch, generator: {"pixels": batch["image"]})
    with pytest.raises(PluginError, match="no field 'image' of one plane"):
        training_images(MANIFEST, read, task, 3, beside=tmp_path)


def weights_of(tmp_path, training):
    path = tmp_path / "tiny.safetensors"
    save_weights(path, {"w": torch.zeros(1)}, {"stage": "tiny", "network": {}, "training": training})
    return {"weights": str(path)}


def test_the_recipe_is_the_one_that_the_weights_name(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(images_of, "recipe_path", lambda manifest, name: tmp_path / f"{name}.toml")
    digest = recipe_sha256(read_recipe(recipe))
    options = weights_of(tmp_path, {"recipe": "tiny", "recipe_sha256": digest})
    assert recipe_of_weights(MANIFEST, options) == recipe
    with pytest.raises(UsageError, match="another recipe tiny than ships now"):
        recipe_of_weights(MANIFEST, weights_of(tmp_path, {"recipe": "tiny", "recipe_sha256": "0" * 64}))
    with pytest.raises(UsageError, match="name no training recipe"):
        recipe_of_weights(MANIFEST, weights_of(tmp_path, {}))
