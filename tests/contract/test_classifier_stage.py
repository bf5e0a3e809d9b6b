"""What a classifier stage says of images: the same however they are turned, batched or enhanced."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch

from lensproc.contract.stage import Batch, Item
from lensproc.errors import WeightsError
from lensproc.nn.classifying import classes
from lensproc.simulate.recipe import load_recipe
from lensproc.testing import check_stage
from tests import tiny_classifier as tiny


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return tiny.write(tmp_path_factory.mktemp("weights") / "w.safetensors", tiny.network())


def batch_of(images: torch.Tensor, enhanced: Batch | None = None) -> Batch:
    mask = torch.zeros_like(images, dtype=torch.bool)
    return Batch(images, None, mask, tuple(Item() for _ in images), None, enhanced)


def skies(number: int, seed: int = 0, shape=(20, 20)) -> torch.Tensor:
    return torch.rand((number, 1, *shape), generator=torch.Generator().manual_seed(seed))


def test_the_label_order_is_the_simulators():
    for name in ("common-test", "deeplense-1", "deeplense-2", "deeplense-3"):
        assert load_recipe(name).classes == classes.CLASSES


def test_the_labels_of_samples_are_the_classes():
    pytest.importorskip("lenstronomy")
    from lensproc.simulate.image import simulate
    from lensproc.simulate.samples import sample

    seen = set()
    for index in range(6):
        simulated = simulate(load_recipe("deeplense-3"), seed=5, index=index, split="val")
        label = sample(simulated, ("label",))["label"]
        assert classes.CLASSES[label] == simulated.scene.class_name
        seen.add(label)
    assert len(seen) > 1


@pytest.mark.parametrize("shape", [(20, 20), (17, 24)])
def test_a_turned_image_keeps_its_class_and_probabilities(weights, shape):
    stage = tiny.loaded(weights)
    images = skies(6, shape=shape)
    there = stage.answers(batch_of(images))
    for turn in (lambda a: torch.rot90(a, 1, (-2, -1)), lambda a: a.flip(-1), lambda a: a.mT):
        turned = stage.answers(batch_of(turn(images).contiguous()))
        assert np.abs(turned.probabilities - there.probabilities).max() < 1e-5
        assert (turned.decided == there.decided).all()
        assert np.abs(turned.scatter - there.scatter).max() < 1e-5
    assert there.scatter.max() > 1e-3


def test_one_view_is_the_network_itself(weights):
    stage, network = tiny.loaded(weights, "1"), tiny.network()
    images = skies(3)
    expected = torch.softmax(network(images).double(), 1).detach().numpy()
    found = stage.answers(batch_of(images))
    assert found.probabilities == pytest.approx(expected, abs=1e-6)
    assert found.agreement.tolist() == [1.0, 1.0, 1.0]


def test_an_image_is_told_the_same_alone_and_in_a_batch(weights):
    stage = tiny.loaded(weights)
    images = skies(5)
    together = stage.apply(batch_of(images))
    for i in range(5):
        alone = stage.apply(batch_of(images[i : i + 1]))
        assert alone.values[0]["LPCLASS"] == together.values[i]["LPCLASS"]
        assert alone.values[0]["LPPVOR"].value == pytest.approx(together.values[i]["LPPVOR"].value, abs=1e-6)


def test_the_values_and_the_table_say_the_same(weights):
    output = tiny.loaded(weights).apply(batch_of(skies(4)))
    for values, tables in zip(output.values, output.tables, strict=True):
        rows = tables["CLASS"].columns
        assert rows["CLASS"].tolist() == ["no", "sphere", "vortex"]
        probabilities = [values[name].value for name in ("LPPNO", "LPPSPH", "LPPVOR")]
        assert probabilities == rows["PROB"].tolist()
        assert sum(probabilities) == pytest.approx(1.0, abs=1e-12)
        inside = rows["CLASS"][rows["INSET"]].tolist()
        assert values["LPCONSET"].value == ("+".join(inside) or "empty")
        assert values["LPCLASS"].value == (inside[0] if len(inside) == 1 else "undecided")
        assert 0.0 <= values["LPENTROP"].value <= np.log2(3.0)
        assert values["LPENTROP"].unit == "bit"
        assert all(value.description for value in values.values())
        assert set(tables["CLASS"].descriptions) == set(rows)
        json.dumps({name: dataclasses.asdict(value) for name, value in values.items()}, allow_nan=False)


def test_the_enhanced_image_is_classified_beside_and_changes_nothing(weights):
    stage = tiny.loaded(weights)
    images, other = skies(4), skies(4, seed=9, shape=(40, 40))
    alone, apart = stage.apply(batch_of(images)), stage.apply(batch_of(other))
    both = stage.apply(batch_of(images, batch_of(other)))
    for i in range(4):
        values = both.values[i]
        assert {name: values[name] for name in alone.values[i]} == alone.values[i]
        assert values["LPECLASS"].value == apart.values[i]["LPCLASS"].value
        assert values["LPEPVOR"].value == apart.values[i]["LPPVOR"].value
        assert values["LPEOOD"].value == apart.values[i]["LPOOD"].value
        assert values["LPEAGREE"].value is (values["LPECLASS"].value == values["LPCLASS"].value)
        assert both.tables[i]["CLASS"].columns["EPROB"].tolist() == [
            apart.values[i][name].value for name in ("LPPNO", "LPPSPH", "LPPVOR")
        ]


def test_two_classes_are_said_with_their_own_keyword(tmp_path):
    path = tiny.write(tmp_path / "w.safetensors", tiny.network(2))
    output = tiny.loaded(path, make=tiny.two_classes).apply(batch_of(skies(3), batch_of(skies(3, 4))))
    for values, tables in zip(output.values, output.tables, strict=True):
        assert {"LPPNO", "LPPSPH", "LPPVOR"} & set(values) == set()
        assert values["LPANOM"].value == tables["CLASS"].columns["PROB"][1]
        assert values["LPEANOM"].value == tables["CLASS"].columns["EPROB"][1]
        assert values["LPCLASS"].value in ("no", "substructure", "undecided")
        assert tables["CLASS"].columns["CLASS"].tolist() == ["no", "substructure"]


def test_an_answer_that_is_not_finite_costs_only_its_image(weights):
    images = skies(3)
    images[1] = 0.0  # nothing over nothing
    output = tiny.loaded(weights).apply(batch_of(images))
    assert [reason is None for reason in output.failed] == [True, False, True]
    assert "not finite" in output.failed[1]
    assert output.values[1] == {}
    assert output.values[2]["LPCLASS"].value in (*classes.CLASSES, classes.UNDECIDED)


def test_weights_to_which_nothing_was_fitted_are_refused(tmp_path):
    path = tiny.write(tmp_path / "w.safetensors", tiny.Calibrated(tiny.Tiny()))
    with pytest.raises(WeightsError, match=r"no temperature was fitted .*lensproc train"):
        tiny.loaded(path)


def test_it_conforms(weights):
    found = check_stage(tiny.MANIFEST, options={"weights": str(weights)})
    assert {result.name: result.message for result in found if not result.ok} == {}
