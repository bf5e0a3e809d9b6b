"""Shapes, parameters and norms of discriminators, and that one learns to tell two kinds of images apart."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lensproc.nn.adversarial_losses import accuracy, discriminator_loss
from lensproc.nn.blocks import parameter_count
from lensproc.nn.discriminator import Discriminator, small_discriminator


def test_it_is_the_network_of_the_description():
    network = Discriminator()
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    assert [(layer.out_channels, layer.kernel_size[0], layer.stride[0]) for layer in layers] == [
        (64, 9, 1), (128, 3, 2), (256, 3, 2), (512, 3, 2), (1024, 3, 2),
    ]  # fmt: skip
    assert [layer.out_features for layer in network.modules() if isinstance(layer, nn.Linear)] == [64, 1]
    assert sum(isinstance(layer, nn.BatchNorm2d) for layer in network.modules()) == 4
    assert parameter_count(network) == 7_326_593
    assert parameter_count(small_discriminator()) == 228_609


def test_images_of_any_size_give_one_logit_each():
    network = small_discriminator()
    assert network(torch.rand(2, 1, 64, 64)).shape == network(torch.rand(2, 1, 37, 51)).shape == (2, 1)


def test_spectral_norm_bounds_every_layer_by_one_and_leaves_out_batch_statistics():
    torch.manual_seed(1)
    network = small_discriminator("spectral").train()
    for _ in range(30):
        network(torch.rand(2, 1, 16, 16))
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in network.modules())
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            largest = torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2)
            assert float(largest) == pytest.approx(1.0, abs=0.05)


def test_what_spectral_norm_remembers_is_in_its_state():
    """Else a resumed training would go on from other vectors."""
    torch.manual_seed(2)
    network, other = small_discriminator("spectral"), small_discriminator("spectral")
    network.train()(torch.rand(2, 1, 16, 16))
    other.load_state_dict(network.state_dict())
    images = torch.rand(2, 1, 16, 16)
    assert torch.equal(network(images), other.train()(images))


def test_it_learns_to_tell_stars_from_blanks():
    torch.manual_seed(3)
    network = small_discriminator()
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    star = torch.zeros(1, 1, 16, 16)
    star[..., 8, 8] = 8.0
    for _ in range(25):
        noise = torch.randn(2, 8, 1, 16, 16)
        real, fake = network(noise[0] + star), network(noise[1])
        optimiser.zero_grad()
        discriminator_loss("bce", real, fake).backward()
        optimiser.step()
    noise = torch.randn(2, 32, 1, 16, 16)
    with torch.no_grad():
        assert accuracy("bce", network(noise[0] + star), network(noise[1])) > 0.9


def test_what_there_is_not_is_refused():
    with pytest.raises(ValueError, match="norm 'group' is not batch, spectral, none"):
        Discriminator(norm="group")
    with pytest.raises(ValueError, match="at least two widths"):
        Discriminator(widths=(64,))
