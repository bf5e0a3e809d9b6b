"""The transformer for k: patches stay where they are, few numbers pass, and it learns its image."""

from __future__ import annotations

import pytest
import torch

from lensproc.nn.blocks import parameter_count
from lensproc_sis.transformer import PatchTransformer


@pytest.fixture
def network():
    torch.manual_seed(0)
    return PatchTransformer().eval()


def images(number=1, seed=0):
    return torch.rand(number, 1, 150, 150, generator=torch.Generator().manual_seed(seed))


def test_a_patch_is_left_eight_numbers_and_all_is_put_together_again(network):
    tokens = network.encoder(images(2))
    assert tokens.shape == (2, 225, 8)
    assert network.decoder(tokens).shape == (2, 1, 150, 150)
    assert parameter_count(network) < 600_000


def test_patches_come_back_where_they_were(network):
    """Without attention each token is on its own: a pixel changes its patch, and two pixels beside it."""
    with torch.no_grad():
        for layer in (*network.encoder.layers, *network.decoder.layers):
            if isinstance(layer, torch.nn.TransformerEncoderLayer):
                layer.self_attn.out_proj.weight.zero_()
        image = images()
        other = image.clone()
        other[0, 0, 23, 127] += 1.0
        changed = (network(other) - network(image))[0, 0].abs() > 1e-6
    rows, columns = torch.nonzero(changed, as_tuple=True)
    assert 18 <= rows.min() <= 20
    assert 29 <= rows.max() <= 31
    assert 118 <= columns.min() <= 120
    assert 129 <= columns.max() <= 131


def test_with_attention_all_patches_hear_of_a_pixel(network):
    with torch.no_grad():
        image = images()
        other = image.clone()
        other[0, 0, 23, 127] += 5.0
        assert (network(other) - network(image)).abs()[0, 0, 140, 5] > 0


def test_an_image_does_not_depend_on_its_neighbours(network):
    with torch.no_grad():
        together = network(images(3))
        for i in range(3):
            assert torch.allclose(network(images(3)[i : i + 1])[0], together[i], atol=1e-5)


def test_it_learns_its_image():
    torch.manual_seed(0)
    network = PatchTransformer(width=32, depth=(1, 1))
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    axis = torch.arange(150.0)
    batch = torch.exp(-(((axis - 40) / 15) ** 2) - ((axis[:, None] - 90) / 25) ** 2)[None, None]
    seen = []
    for _ in range(12):
        optimiser.zero_grad()
        loss = ((network(batch) - batch) ** 2).mean()
        loss.backward()
        optimiser.step()
        seen.append(float(loss.detach()))
    assert seen[-1] < 0.6 * seen[0]


def test_a_patch_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="no multiple of a patch of 11"):
        PatchTransformer(patch=11)
