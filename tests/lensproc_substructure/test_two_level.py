"""Two levels joined: the formula by hand, and a loss that shows each pair its own classes only."""

from __future__ import annotations

import math

import pytest
import torch

from lensproc.nn.classifying.calibrated import Calibrated
from lensproc_substructure.two_level import PAIRS, TwoLevel, both_levels_loss, joined_log_probabilities


def logits(*probabilities: float) -> torch.Tensor:
    return torch.tensor([[math.log(p) for p in probabilities]])


def test_pairs_are_those_of_the_labels():
    assert PAIRS == ((0, 1), (0, 2), (1, 2))


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ((0.5, 0.3, 0.2), (0.8 * 0.9, 0.8 * 0.1, 0.2)),  # pair (no, sphere) says .9 no
        ((0.5, 0.2, 0.3), (0.8 * 0.4, 0.2, 0.8 * 0.6)),  # pair (no, vortex) says .4 no
        ((0.1, 0.45, 0.45), (0.1, 0.9 * 0.25, 0.9 * 0.75)),  # pair (sphere, vortex) says .25 sphere
    ],
)
def test_probabilities_by_hand(first, expected):
    pairs = torch.stack([logits(0.9, 0.1), logits(0.4, 0.6), logits(0.25, 0.75)], dim=1)
    found = joined_log_probabilities(logits(*first) + 3.0, pairs - 5.0).softmax(1)[0]
    assert found.tolist() == pytest.approx(expected, abs=1e-6)


def test_probabilities_sum_to_one():
    random = torch.Generator().manual_seed(0)
    first, pairs = torch.randn(500, 3, generator=random) * 5, torch.randn(500, 3, 2, generator=random) * 5
    assert torch.allclose(joined_log_probabilities(first, pairs).exp().sum(1), torch.ones(500), atol=1e-5)


@pytest.mark.parametrize("shared", [True, False])
def test_the_head_joins_what_both_levels_say(shared):
    torch.manual_seed(0)
    network = TwoLevel(shared, side=64).eval()
    with torch.no_grad():
        features = network.features(torch.rand(3, 1, 64, 64))
        assert features.shape == (3, 128)
        first, pairs = network.both_levels(features)
        assert pairs.shape == (3, 3, 2)
        assert torch.allclose(network.head(features), joined_log_probabilities(first, pairs))


def test_each_pair_learns_from_its_own_classes_only():
    torch.manual_seed(0)
    network = Calibrated(TwoLevel(False, dropout=0.0, side=64))
    batch = {"images": torch.rand(4, 1, 64, 64), "label": torch.tensor([0, 1, 0, 1])}
    both_levels_loss(network, batch)["loss"].backward()
    gradients = [
        sum(float(p.grad.abs().sum()) for p in pair.parameters() if p.grad is not None)
        for pair in network.backbone.level_two
    ]
    assert min(gradients) > 0
    network.zero_grad()
    batch["label"] = torch.tensor([0, 0, 0, 0])
    both_levels_loss(network, batch)["loss"].backward()
    assert sum(float(p.grad.abs().sum()) for p in network.backbone.level_two[2].parameters()) == 0


def test_the_loss_is_the_sum_of_cross_entropies_of_logits():
    network = Calibrated(TwoLevel(side=64)).eval()
    batch = {"images": torch.rand(3, 1, 64, 64), "label": torch.tensor([0, 1, 2])}
    with torch.no_grad():
        first, pairs = network.backbone.both_levels(network.features(batch["images"]))
        found = both_levels_loss(network, batch)
    p, q = first.softmax(1), pairs.softmax(2)
    expected_first = -sum(math.log(float(p[i, i])) for i in range(3)) / 3
    own = [q[0, 0, 0], q[0, 1, 0], q[1, 0, 1], q[1, 2, 0], q[2, 1, 1], q[2, 2, 1]]
    expected_pairs = -sum(math.log(float(value)) for value in own) / 3
    assert float(found["first"]) == pytest.approx(expected_first, rel=1e-5)
    assert float(found["loss"]) == pytest.approx(expected_first + expected_pairs, rel=1e-5)
