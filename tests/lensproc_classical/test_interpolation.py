from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lensproc_classical.interpolation import cubic_convolution, interpolate, lanczos_kernel, phases

KERNELS = {"bicubic": (cubic_convolution, 2), "lanczos": (lanczos_kernel, 3)}


def polynomial(order: int, side: int, scale: int = 1) -> np.ndarray:
    x = (np.arange(side * scale) + 0.5) / scale - 0.5
    return x**order


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("order", [0, 1, 2])
def test_bicubic_reproduces_parabolas_at_the_centres_of_edge_aligned_pixels(scale, order):
    row = torch.tensor(polynomial(order, 20), dtype=torch.float64)
    image = row.expand(1, 1, 20, 20)
    found = interpolate(image, phases(cubic_convolution, 2, scale))[0, 0]
    inner = slice(3 * scale, -3 * scale)
    expected = polynomial(order, 20, scale)[inner]
    np.testing.assert_allclose(found[10, inner].numpy(), expected, atol=1e-10)
    transposed = interpolate(image.transpose(-1, -2), phases(cubic_convolution, 2, scale))[0, 0]
    np.testing.assert_allclose(found.numpy(), transposed.T.numpy(), atol=1e-12)


def test_lanczos_reproduces_a_well_sampled_star():
    x = np.arange(40) - 19.7
    fine = (np.arange(80) + 0.5) / 2 - 0.5 - 19.7
    star = np.exp(-0.5 * (x / 1.7) ** 2)
    image = torch.tensor(np.outer(star, star))[None, None]
    found = interpolate(image, phases(lanczos_kernel, 3, 2))[0, 0].numpy()
    profile = np.exp(-0.5 * (fine / 1.7) ** 2)
    assert np.abs(found - np.outer(profile, profile)).max() < 5e-3


def test_with_the_slope_that_torch_uses_the_result_is_that_of_torch():
    image = torch.randn(2, 3, 17, 23, generator=torch.Generator().manual_seed(1))
    weights = phases(lambda x: cubic_convolution(x, -0.75), 2, 3)
    theirs = F.interpolate(image, scale_factor=3, mode="bicubic", align_corners=False)
    torch.testing.assert_close(interpolate(image, weights), theirs, atol=2e-5, rtol=0)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_weights_keep_constants_and_the_flux_of_every_input_pixel(name, scale):
    kernel, reach = KERNELS[name]
    table = np.array(phases(kernel, reach, scale))
    np.testing.assert_allclose(table.sum(axis=1), 1.0, atol=1e-14)
    point = torch.zeros(1, 1, 21, 21, dtype=torch.float64)
    point[0, 0, 10, 10] = 1.0
    grown = interpolate(point, phases(kernel, reach, scale))
    assert float(grown.sum()) == pytest.approx(scale**2, rel=1e-12)


@pytest.mark.parametrize("name", KERNELS)
def test_the_reach_is_the_declared_halo_and_single_pixels_work(name):
    kernel, reach = KERNELS[name]
    weights = phases(kernel, reach, 2)
    point = torch.zeros(1, 1, 21, 21)
    point[0, 0, 10, 10] = 1.0
    touched = torch.nonzero(interpolate(point, weights)[0, 0].any(0))[:, 0] // 2
    assert int(touched.min()) == 10 - reach
    assert int(touched.max()) == 10 + reach
    one = interpolate(torch.full((1, 1, 1, 1), 3.0), weights)
    torch.testing.assert_close(one, torch.full((1, 1, 2, 2), 3.0))


def test_a_batch_gives_the_same_bits_as_single_images():
    images = torch.randn(4, 1, 33, 31, generator=torch.Generator().manual_seed(2))
    weights = phases(lanczos_kernel, 3, 2)
    together = interpolate(images, weights)
    for i in range(4):
        assert torch.equal(together[i : i + 1], interpolate(images[i : i + 1], weights))
