from __future__ import annotations

import pytest
import torch

from lensproc.nn.blocks import parameter_count
from lensproc_denoise import LENS_DENOISE
from lensproc_denoise.noise_unet import LIMIT, NoiseUNet, fill, smooth


@pytest.fixture(scope="module")
def network() -> NoiseUNet:
    """Random weights everywhere, so that no part is idle."""
    torch.manual_seed(3)
    network = NoiseUNet()
    final = network.leave[-1]
    torch.nn.init.normal_(final.weight, std=0.3)
    return network.eval().requires_grad_(False)


def noisy(n: int = 2, side: int = 48):
    generator = torch.Generator().manual_seed(5)
    image = torch.randn(n, 1, side, side, generator=generator)
    image[:, :, 20:24, 18:22] += 30.0
    sigma = 1.0 + 0.5 * torch.rand(n, 1, side, side, generator=generator)
    return image, sigma, torch.full((n, 1, 1, 1), 1.2), torch.zeros_like(image)


def test_it_is_small():
    assert parameter_count(NoiseUNet()) == 289_346


def test_image_and_noise_in_another_unit_give_the_same_answer_in_that_unit(network):
    image, sigma, level, mask = noisy()
    for factor in (2.0**-40, 0.25, 1024.0):  # powers of 2: no rounding
        there = network(factor * image, factor * sigma, factor * level, mask)
        for found, here in zip(there, network(image, sigma, level, mask), strict=True):
            assert torch.equal(found, factor * here)


def test_the_noise_map_decides_how_much_is_taken_off(network):
    image, sigma, level, mask = noisy()
    quiet = network(image, 0.01 * sigma, 0.01 * level, mask)[0]
    assert float((quiet - image).abs().max()) < 0.01 * LIMIT * 2 * 1.5
    assert float((network(image, sigma, level, mask)[0] - image).abs().max()) > 0.5


def test_no_pixel_changes_by_more_than_the_limit_and_what_is_given_back(network):
    image, sigma, level, mask = noisy()
    change = (network(1e3 * image, sigma, level, mask)[0] - 1e3 * image).abs() / sigma
    assert float(change.max()) <= 2 * LIMIT * 1.5


def test_light_over_wide_windows_is_kept(network):
    """The untrained network takes light off everywhere; its last step gives the mean back."""
    image, sigma, level, mask = noisy(1, 96)
    even = torch.ones_like(sigma)
    removed = image - network(image, even, level, mask)[0]
    inner = removed[..., 24:-24, 24:-24]
    assert float(removed.abs().mean()) > 0.1
    assert abs(float(inner.mean())) < 0.02 * float(removed.abs().mean())


def test_a_pixel_reaches_no_further_than_the_halo(network):
    assert network.reach <= LENS_DENOISE.halo
    side, middle = 160, 83
    image, sigma, level, mask = noisy(1, side)
    other = image.clone()
    other[..., middle, middle] += 50.0
    changed = (network(image, sigma, level, mask)[0] != network(other, sigma, level, mask)[0])[0, 0].nonzero()
    distance = int((changed - middle).abs().max())
    assert 20 < distance <= network.reach


def test_a_cutout_does_not_depend_on_its_neighbours(network):
    arguments = noisy(3)
    together = network(*arguments)
    alone = network(*(tensor[1:2] for tensor in arguments))
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one[1:2], other, rtol=0, atol=2e-5)


def test_bad_pixels_are_filled_from_their_surroundings(network):
    image, sigma, level, mask = noisy()
    mask[..., 30:33, 30:33] = 1.0
    broken = torch.where(mask > 0, torch.full_like(image, 1e6), image)
    assert torch.equal(network(broken, sigma, level, mask)[0], network(image, sigma, level, mask)[0])
    plane = torch.arange(48.0).expand(1, 1, 48, 48).clone()
    filled = fill(torch.where(mask[:1] > 0, torch.full_like(plane, -1e6), plane), mask[:1])
    assert float((filled - plane).abs().max()) < 0.6  # on a slope of 1 per pixel
    assert float((filled - plane)[0, 0, 31, 31].abs()) < 1e-4  # the middle of the hole, by symmetry


def test_a_mean_keeps_a_slope_away_from_the_border():
    plane = torch.arange(48.0).expand(1, 2, 48, 48)
    torch.testing.assert_close(smooth(plane)[..., 8:-8], plane[..., 8:-8])


def test_before_training_it_leaves_the_image_alone():
    image, sigma, level, mask = noisy()
    assert torch.equal(NoiseUNet()(image, sigma, level, mask)[0], image)
