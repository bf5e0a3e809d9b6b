import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from lensproc.errors import InputError, UsageError
from lensproc.simulate.datasets import ArrayDataset, FolderDataset, SimulatedDataset
from lensproc.simulate.folder import plan_for, run_plan
from lensproc.simulate.image import simulate
from lensproc.simulate.recipe import load_recipe


def test_array_dataset_gives_image_target_and_label(tmp_path):
    run_plan(plan_for(load_recipe("sr-a"), 3, 1, "train", tmp_path, "arrays"))
    data = ArrayDataset(tmp_path, "train")
    sample = data[2]
    sim = simulate(load_recipe("sr-a"), 1, "train", 2)
    assert len(data) == 3
    np.testing.assert_array_equal(sample["image"][0].numpy(), sim.exposure.data)
    np.testing.assert_array_equal(sample["target"][0].numpy(), sim.partner.data)
    assert data.classes[sample["label"]] == sim.scene.class_name
    batch = next(iter(DataLoader(data, batch_size=3)))
    assert batch["image"].shape == (3, 1, 75, 75)
    assert batch["label"].dtype == torch.int64


def test_arrays_that_are_not_there_are_named(tmp_path):
    with pytest.raises(InputError, match="split val"):
        ArrayDataset(tmp_path, "val")


def test_folder_dataset_gives_the_wished_truth(tmp_path):
    run_plan(plan_for(load_recipe("quasars"), 1, 1, "train", tmp_path))
    sim = simulate(load_recipe("quasars"), 1, "train", 0)
    for name, scale, sharper in (("TRUTH1", 1, 1.0), ("TRUTH2", 2, 1.0), ("SHARP2", 2, 2.0)):
        sample = FolderDataset(tmp_path, name)[0]
        np.testing.assert_array_equal(sample["image"][0].numpy(), sim.exposure.data)
        np.testing.assert_array_equal(sample["target"][0].numpy(), sim.truth(scale, sharper))
    with pytest.raises(InputError, match="NOTHERE"):
        FolderDataset(tmp_path, "NOTHERE")[0]


def test_on_the_fly_images_are_those_of_the_split_and_new_in_every_epoch():
    recipe = load_recipe("common-test")
    data = SimulatedDataset(recipe, 7, "train", length=2)
    first = [s["image"] for s in data]
    np.testing.assert_array_equal(first[1][0].numpy(), simulate(recipe, 7, "train", 1).exposure.data)
    data.set_epoch(1)
    second = list(data)
    assert [s["index"] for s in second] == [2, 3]
    assert not torch.equal(first[0], second[0]["image"])


def test_the_number_of_workers_does_not_change_which_images_come():
    recipe = load_recipe("pairs")
    data = SimulatedDataset(recipe, 7, "train", length=5)
    alone = {s["index"]: s["image"] for s in data}
    loader = DataLoader(data, batch_size=None, num_workers=2, multiprocessing_context="forkserver")
    shared = {int(s["index"]): s["image"] for s in loader}
    assert sorted(shared) == [0, 1, 2, 3, 4]
    assert all(torch.equal(shared[i], alone[i]) for i in alone)


def test_a_sealed_set_is_not_for_training():
    with pytest.raises(UsageError, match="sealed"):
        SimulatedDataset(load_recipe("sealed-common-test"), 0)
