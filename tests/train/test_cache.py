"""Simulated samples on disk: resumed, shared, never a test set, and never the same images on both sides."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import numpy as np
import pytest

from lensproc.contract.training import DataShare
from lensproc.errors import PluginError, UsageError
from lensproc.simulate.image import simulate
from lensproc.simulate.samples import sample
from lensproc.train import cache
from lensproc.train.cache import cached_share, simulator_recipe
from tests.train.tiny import SKY, tiny_run, trained

FIELDS = functools.partial(sample, fields=("image", "truth2", "fwhm", "label"))


@pytest.fixture
def sky(tmp_path) -> Path:
    path = tmp_path / "sky.toml"
    path.write_text(SKY.format(size=16))
    return path


def recipe_of(path):
    return simulator_recipe(DataShare(str(path), 1))


def not_finite(sim):
    return {"image": np.full((4, 4), np.nan)}


def growing(sim):
    return {"image": np.zeros((4 + sim.index, 4), np.float32)}


def test_it_holds_what_the_simulator_gives(tmp_path, sky):
    recipe = recipe_of(sky)
    share = cached_share(tmp_path / "data", recipe, 6, 2, "train", FIELDS)
    assert share.fields["truth2"].shape == (32, 32)
    expected = FIELDS(simulate(recipe, 2, "train", 4))
    assert np.array_equal(share.open("truth2")[4], expected["truth2"])
    assert share.open("fwhm")[4] == np.float32(expected["fwhm"])
    assert share.open("label").dtype == np.int64
    assert isinstance(share.open("image"), np.memmap)


def test_processes_change_nothing(tmp_path, sky):
    one = cached_share(tmp_path / "one", recipe_of(sky), 8, 2, "train", FIELDS, jobs=1)
    two = cached_share(tmp_path / "two", recipe_of(sky), 8, 2, "train", FIELDS, jobs=2)
    assert one.data_sha256 == two.data_sha256


def test_an_interrupted_simulation_goes_on(tmp_path, sky, monkeypatch):
    whole = cached_share(tmp_path / "whole", recipe_of(sky), 8, 2, "train", FIELDS)
    counts = []

    def stop(done, total):
        counts.append(done)
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached_share(tmp_path / "data", recipe_of(sky), 8, 2, "train", FIELDS, report=stop)
    made = []
    original = cache._simulate_row

    def counted(row):
        made.append(row.index)
        return original(row)

    monkeypatch.setattr(cache, "_simulate_row", counted)
    share = cached_share(tmp_path / "data", recipe_of(sky), 8, 2, "train", FIELDS)
    assert sorted(made) == [5, 6, 7]
    assert share.data_sha256 == whole.data_sha256


def test_what_is_there_is_not_simulated_again(tmp_path, sky, monkeypatch):
    first = cached_share(tmp_path, recipe_of(sky), 4, 2, "train", FIELDS)
    monkeypatch.setattr(cache, "simulate", lambda *arguments: pytest.fail("simulated again"))
    assert cached_share(tmp_path, recipe_of(sky), 4, 2, "train", FIELDS) == first


@pytest.mark.parametrize("change", ["number", "seed", "split", "fields", "recipe"])
def test_whatever_changes_the_samples_has_a_folder_of_its_own(tmp_path, sky, change):
    arguments = [recipe_of(sky), 4, 2, "train", FIELDS]
    first = cached_share(tmp_path / "data", *arguments)
    if change == "recipe":
        sky.write_text(SKY.format(size=20))
    changed = {
        "number": (1, 5), "seed": (2, 3), "split": (3, "val"), "recipe": (0, recipe_of(sky)),
        "fields": (4, functools.partial(sample, fields=("image",))),
    }[change]  # fmt: skip
    arguments[changed[0]] = changed[1]
    second = cached_share(tmp_path / "data", *arguments)
    assert second.folder != first.folder
    assert second.folder.parent == first.folder.parent


def test_another_process_may_fill_it_at_the_same_time(tmp_path, sky):
    """It neither empties the arrays of the first one, nor makes what that has made."""
    alone = cached_share(tmp_path / "alone", recipe_of(sky), 12, 2, "train", FIELDS)
    others = []

    def meanwhile(done, total):
        if done == 4:
            others.append(cached_share(tmp_path / "data", recipe_of(sky), 12, 2, "train", FIELDS))

    first = cached_share(tmp_path / "data", recipe_of(sky), 12, 2, "train", FIELDS, report=meanwhile)
    assert len(others) == 1
    assert first.data_sha256 == others[0].data_sha256 == alone.data_sha256
    assert not list((tmp_path / "data").rglob("*.tmp"))


def test_a_sealed_set_is_refused():
    with pytest.raises(
        UsageError, match="sealed-sr-a is a sealed test set: it is for scoring, not for training"
    ):
        simulator_recipe(DataShare("sealed-sr-a", 1))


def test_samples_that_are_no_numbers_or_change_their_shape_are_refused(tmp_path, sky):
    with pytest.raises(
        PluginError, match=r"sample 0 of recipe sky: field image holds values that are not finite"
    ):
        cached_share(tmp_path, recipe_of(sky), 4, 2, "train", not_finite)
    with pytest.raises(
        PluginError, match=r"sample 1 of recipe sky has other fields than the first one: image \(5, 4\)"
    ):
        cached_share(tmp_path, recipe_of(sky), 4, 2, "train", growing)


def test_validation_shares_no_image_with_training(tmp_path):
    """By the ranges of random streams, and by looking at the pixels."""
    run = tiny_run(tmp_path, epochs=1)
    data = trained(run).record["data"]
    train, val = ([share["split_sha256"] for share in data[split]] for split in ("train", "val"))
    assert not set(train) & set(val)
    assert data["train_sha256"] != data["val_sha256"]
    images = {
        split: {row.tobytes() for path in run.data.glob(f"sky-{split}-*/image.npy") for row in np.load(path)}
        for split in ("train", "val")
    }
    assert (len(images["train"]), len(images["val"])) == (12, 5)
    assert not images["train"] & images["val"]


def test_only_validation_images_are_scored(tmp_path, monkeypatch):
    """Scores of training and validation together flatter."""
    from tests.train import tiny

    seen = []

    def metrics(network, batch):
        seen.append(len(batch["label"]))
        return tiny.loss(network, batch)

    original = tiny.task
    monkeypatch.setattr(
        tiny,
        "task",
        lambda manifest, recipe: dataclasses.replace(original(manifest, recipe), metrics=metrics),
    )
    trained(tiny_run(tmp_path, epochs=2))
    assert seen == [4, 1, 4, 1]


def test_trainings_share_a_cache(tmp_path, monkeypatch):
    trained(tiny_run(tmp_path, "a", epochs=1))
    monkeypatch.setattr(cache, "simulate", lambda *arguments: pytest.fail("simulated again"))
    trained(tiny_run(tmp_path, "b", epochs=1))
