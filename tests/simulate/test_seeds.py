import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lensproc.errors import UsageError
from lensproc.simulate.image import simulate
from lensproc.simulate.recipe import load_recipe
from lensproc.simulate.seeds import SPLIT_SIZE, generator, split_hash, stream_number


@given(st.integers(0, SPLIT_SIZE - 1), st.integers(0, SPLIT_SIZE - 1))
def test_streams_of_different_splits_never_meet(i, j):
    assert len({stream_number("train", i), stream_number("val", j), stream_number("test", i)}) == 3


def test_an_index_outside_the_range_of_a_split_is_refused():
    with pytest.raises(UsageError, match="streams of split train"):
        stream_number("train", SPLIT_SIZE)


def test_recipe_seed_split_and_index_each_change_the_numbers():
    streams = [
        ("a", 1, "train", 0),
        ("b", 1, "train", 0),
        ("a", 2, "train", 0),
        ("a", 1, "val", 0),
        ("a", 1, "train", 1),
    ]
    first = [generator(*s).integers(0, 2**62) for s in streams]
    assert len(set(first)) == len(first)
    assert generator("a", 1, "train", 0).integers(0, 2**62) == first[0]


def test_an_image_does_not_depend_on_what_was_simulated_before():
    recipe = load_recipe("quasars")
    alone = simulate(recipe, 5, "val", 7).exposure.data
    simulate(recipe, 5, "val", 6)
    np.testing.assert_array_equal(simulate(recipe, 5, "val", 7).exposure.data, alone)


def test_the_hash_of_a_split_follows_its_definition():
    recipe = load_recipe("common-test")
    naive = recipe.with_options(mass_sheet="naive")
    hashes = {
        split_hash(recipe.definition, 1, "train"),
        split_hash(recipe.definition, 2, "train"),
        split_hash(recipe.definition, 1, "test"),
        split_hash(naive.definition, 1, "train"),
    }
    assert len(hashes) == 4
    assert split_hash(load_recipe("common-test").definition, 1, "train") in hashes


def test_the_same_lens_is_seen_by_every_camera():
    angles = [
        simulate(load_recipe(f"quasars@{camera}"), 3, "train", 0).scene.parameters["lens_e1"]
        for camera in ("hsc", "hst-acs", "des")
    ]
    assert len(set(angles)) == 1
