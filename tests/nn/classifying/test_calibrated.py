"""What is fitted to validation images holds for new ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lensproc.nn.classifying.answer import answers_of
from lensproc.nn.classifying.calibrated import fit_temperature
from lensproc.nn.classifying.views import outputs_of_views
from lensproc.nn.weights import read_weights, save_weights
from tests import tiny_classifier as tiny

TOO_SURE = 2.5


def images(number: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images of one pixel whose channels are logits, 2.5 times too large, and labels drawn from the true ones."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0.0, 2.0, (number, 3))
    noise = rng.gumbel(size=(number, 3))
    labels = (logits + noise).argmax(axis=1)  # Gumbel: a draw from the softmax of the logits
    pixels = torch.from_numpy((TOO_SURE * logits).astype(np.float32))[:, :, None, None]
    return pixels, torch.from_numpy(labels)


def batches(number: int, seed: int, size: int = 500):
    pixels, labels = images(number, seed)
    return [
        {"images": pixels[start : start + size], "label": labels[start : start + size]}
        for start in range(0, number, size)
    ]


@pytest.fixture(scope="module")
def fitted():
    network = tiny.handed().eval()
    return network, network.fit(batches(6000, 1))


def answers(network, pixels, views=8):
    logits, features = outputs_of_views(network, (pixels,), views)
    scale = network.scale_of(views)
    return answers_of(
        logits.double().numpy(),
        network.distances(features).double().numpy(),
        float(scale.temperature),
        float(scale.threshold),
        scale.reference.double().numpy(),
    )


def test_a_known_temperature_is_recovered(fitted):
    network, found = fitted
    assert float(network.all_views.temperature) == pytest.approx(TOO_SURE, rel=0.06)
    assert found["all_views_nll_after"] < found["all_views_nll_before"] - 0.1
    assert (found["images_fitting"], found["images_held"]) == (3000.0, 3000.0)


def test_the_temperature_is_that_of_averaged_views():
    rng = np.random.default_rng(3)
    true = rng.normal(0.0, 2.0, (4000, 1, 3))
    labels = (true[:, 0] + rng.gumbel(size=(4000, 3))).argmax(axis=1)
    same = np.repeat(true, 8, axis=1)
    assert fit_temperature(3.0 * same, labels) == pytest.approx(3.0, rel=0.06)
    # views that scatter are averaged to softer probabilities, so that each may be sharper
    scattered = same + rng.normal(0.0, 1.5, same.shape)
    assert fit_temperature(3.0 * scattered, labels) < 2.8


@pytest.mark.parametrize("views", [1, 8])
def test_nine_of_ten_sets_of_new_images_hold_the_true_class(fitted, views):
    network, _ = fitted
    pixels, labels = images(4000, 2)
    found = answers(network, pixels, views)
    covered = found.in_set[np.arange(4000), labels.numpy()].mean()
    assert covered == pytest.approx(0.9, abs=0.02)
    assert found.probabilities.sum(axis=1) == pytest.approx(np.ones(4000), abs=1e-12)


def test_p_values_are_uniform_for_new_images_of_that_kind_and_small_for_others(fitted):
    network, _ = fitted
    pixels, _ = images(4000, 4)
    like = answers(network, pixels).likeness
    for level in (0.01, 0.1, 0.5, 0.9):
        assert (like <= level).mean() == pytest.approx(level, abs=0.03)
    far = answers(network, pixels + 60.0)
    assert far.likeness.max() < 0.01
    assert (far.decided == -1).all()


def test_what_is_fitted_goes_with_the_weights_and_keeps_its_precision(fitted, tmp_path):
    network, _ = fitted
    save_weights(tmp_path / "w.safetensors", network.state_dict(), {"stage": "a", "network": {}}, half=True)
    again = tiny.handed()
    assert not again.fitted
    again.load_state_dict(read_weights(tmp_path / "w.safetensors").state)
    assert again.fitted
    for name, buffer in network.state_dict().items():
        assert torch.equal(again.state_dict()[name], buffer), name


def test_the_same_images_fit_the_same(fitted):
    network, found = fitted
    again = tiny.handed().eval()
    assert again.fit(batches(6000, 1, size=77)) == found
    assert all(torch.equal(again.state_dict()[name], one) for name, one in network.state_dict().items())


def test_a_feature_that_never_varies_costs_nothing_until_it_does():
    network = tiny.handed().eval()
    pixels, labels = images(400, 5)
    pixels[:, 2] = 7.0
    network.fit([{"images": pixels, "label": labels}])
    assert answers(network, pixels).likeness.min() >= 1 / 201
    pixels[:, 2] = 9.0
    assert answers(network, pixels).likeness.max() < 0.01


def test_a_network_gives_logits_whatever_was_fitted(fitted):
    network, _ = fitted
    pixels, _ = images(20, 6)
    logits = network(pixels)
    assert torch.equal(logits, pixels[:, :, 0, 0]), "neither softmax nor temperature"
    assert float(logits.exp().sum(1).sub(1).abs().max()) > 1.0
