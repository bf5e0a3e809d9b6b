"""How classifiers are trained: prepared as the core does it, logits to the loss, no softmax before it."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lensproc.contract.classifier_manifest import classifier_manifest
from lensproc.contract.classifier_training import (
    Augmented,
    CrossEntropy,
    classification_task,
    in_range,
    unit_range,
)
from lensproc.contract.training import TrainingRecipe
from lensproc.nn.classifying.calibrated import Calibrated
from lensproc.nn.prepare import affine_for

RECIPE = """
[data]
train = [{ recipe = "common-test", number = 1 }]
val = [{ recipe = "common-test", number = 1 }]
"""


class Handed(nn.Module):
    """Gives back the first pixels as logits."""

    def features(self, images, context=None):
        return images[:, 0, 0, :3]

    def head(self, features):
        return features


def test_logits_go_to_the_loss_and_are_not_squeezed_by_a_softmax_before_it():
    logits = torch.tensor([[4.0, 0.0, -2.0], [1.0, 3.0, 0.0], [0.0, 0.0, 9.0], [5.0, 0.0, 0.0]])
    batch = {"images": logits[:, None, None, :], "label": torch.tensor([0, 1, 2, 2])}
    found = CrossEntropy()(Calibrated(Handed()), batch)
    expected = np.mean(
        [np.log(np.exp(row).sum()) - row[k] for row, k in zip(logits.numpy(), (0, 1, 2, 2), strict=True)]
    )
    assert float(found["loss"]) == pytest.approx(expected, rel=1e-6)
    assert float(found["accuracy"]) == 0.75
    # softmax twice could not give less than ln(1 + 2/e) = .55 even where the network is sure and right
    sure = {"images": 50.0 * torch.eye(3)[:, None, None, :], "label": torch.arange(3)}
    assert float(CrossEntropy()(Calibrated(Handed()), sure)["loss"]) < 1e-6


def test_label_smoothing_counts_in_training_and_not_in_validation():
    tables = "[loss]\nlabel_smoothing = 0.1\n"
    recipe = TrainingRecipe.from_toml(RECIPE + tables, "short")
    task = classification_task(Calibrated(Handed()), {}, recipe)
    logits = torch.tensor([[2.0, 0.0, 1.0]])
    batch = {"images": logits[:, None, None, :], "label": torch.tensor([0])}
    log = F.log_softmax(logits, dim=1)[0]
    assert float(task.metrics(task.network, batch)["loss"]) == pytest.approx(-float(log[0]))
    smooth = -float(0.9 * log[0] + 0.1 * log.mean())
    assert float(task.loss(task.network, batch)["loss"]) == pytest.approx(smooth)


def test_images_are_scaled_as_the_core_does_it_for_the_stage():
    image = torch.randn(5, 20, 24) * 3 + 11
    kind = classifier_manifest("any", "any", "for tests").normalisation
    found = unit_range(image[:, None])
    for one, raw in zip(found, image.numpy(), strict=True):
        affine = affine_for(kind, raw, np.zeros(raw.shape, bool))
        assert np.allclose(one[0].numpy(), (raw - affine.offset) / affine.scale, atol=1e-6)
    assert float(unit_range(torch.full((1, 1, 4, 4), 3.0)).abs().max()) == 0


def test_one_image_does_not_change_what_becomes_of_its_neighbours():
    images = torch.rand(2, 1, 8, 8)
    brighter = torch.cat((images[:1], 100 * images[1:]))
    assert torch.equal(unit_range(images)[0], unit_range(brighter)[0])


def test_the_detector_joins_the_classes_with_substructure():
    batch = {"image": torch.rand(3, 4, 4), "label": torch.tensor([0, 1, 2])}
    prepared = functools.partial(in_range, classes=2)(batch, torch.Generator())
    assert prepared["label"].tolist() == [0, 1, 1]
    assert in_range(batch, torch.Generator())["label"].tolist() == [0, 1, 2]


def test_validation_is_prepared_without_it():
    tables = "[loss]\nrotation = 180\nzoom = [0.8, 1.2]\n"
    task = classification_task(Calibrated(Handed()), {}, TrainingRecipe.from_toml(RECIPE + tables, "short"))
    assert isinstance(task.prepare, Augmented)
    assert task.prepare_validation is in_range
    plain = classification_task(Calibrated(Handed()), {}, TrainingRecipe.from_toml(RECIPE, "short"))
    assert plain.prepare is in_range
