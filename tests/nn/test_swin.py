"""The generator of windowed attention: size, reach, any shape, tiles, and that it starts as an interpolation."""

from __future__ import annotations

import pytest
import torch

from lensproc.engine.tiling import plan_tiles
from lensproc.nn.blocks import parameter_count
from lensproc.nn.starting import QUADRATIC
from lensproc.nn.swin import SwinSR, reach
from lensproc.nn.window_attention import WINDOW

THIN = {"width": 4, "heads": 1, "expansion": 1}
"""As deep as by default, and quick."""


def network_of(**spec: int) -> SwinSR:
    torch.manual_seed(1)
    return SwinSR(**spec).eval()


def test_is_small():
    assert parameter_count(network_of()) == 301_681


@pytest.mark.parametrize(("groups", "depth", "expected"), [(1, 1, 12), (1, 2, 16), (2, 2, 24), (2, 4, 40)])
def test_one_pixel_reaches_as_far_as_declared_and_no_further(groups, depth, expected):
    network = network_of(groups=groups, depth=depth, **THIN).double()
    assert network.reach == reach(groups, depth) == expected
    side = 2 * WINDOW * -(-(expected + WINDOW) // WINDOW)
    images = torch.rand(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    output = network(images)
    farthest = 0
    for pixel in range(side // 2, side // 2 + WINDOW):
        block = output[0, 0, 2 * pixel : 2 * pixel + 2, 2 * pixel : 2 * pixel + 2]
        (gradient,) = torch.autograd.grad(block.sum(), images, retain_graph=True)
        rows, columns = gradient[0, 0].nonzero(as_tuple=True)
        away = max(int((rows - pixel).abs().max()), int((columns - pixel).abs().max()))
        farthest = max(farthest, away)
    assert farthest == expected


@pytest.mark.parametrize("shape", [(16, 24), (13, 21), (8, 31), (3, 1)])
def test_doubles_any_shape(shape):
    network = network_of(groups=1, depth=2)
    with torch.inference_mode():
        output = network(torch.rand(2, 1, *shape))
    assert output.shape == (2, 1, 2 * shape[0], 2 * shape[1])
    assert bool(torch.isfinite(output).all())


def test_beyond_its_border_an_image_goes_on_as_its_mirror_image():
    network, image = network_of(groups=1, depth=2), torch.rand(1, 1, 13, 16)
    mirrored = torch.cat([image, image[..., 9:12, :].flip(-2)], -2)
    with torch.inference_mode():
        assert torch.equal(network(image), network(mirrored)[..., :26, :])


def test_starts_as_an_interpolation():
    network, image = network_of(), torch.rand(2, 1, 19, 24)
    network.start_as_interpolation(others=0.0)
    with torch.inference_mode():
        fine = network(image)
    before = torch.tensor(QUADRATIC)
    inner = image[0, 0, 6:9, 9:12]
    # fine pixel (2·7, 2·10 + 1): a quarter pixel above and to the right of the middle
    torch.testing.assert_close(fine[0, 0, 14, 21], before @ inner @ before.flip(0))
    means = torch.nn.functional.avg_pool2d(fine, 2)[..., 1:-2, 1:-1]
    assert float((means - image[..., 1:-2, 1:-1]).abs().max()) < 0.15


def test_starting_leaves_the_rest_to_learn():
    network = network_of(groups=1, depth=2)
    network.start_as_interpolation()
    network(torch.rand(1, 1, 16, 16)).square().mean().backward()
    still = [n for n, p in network.named_parameters() if p.grad is None or not bool(p.grad.abs().max() > 0.0)]
    assert still == []


def test_tiles_that_begin_at_windows_join_without_a_seam():
    network = network_of(**THIN)
    image = torch.rand(1, 1, 104, 150)
    with torch.inference_mode():
        whole = network(image)
        for tile in plan_tiles((104, 150), network.reach, WINDOW, tile=120):
            (rows, columns), (top, left) = tile.core, (tile.window[0].start, tile.window[1].start)
            part = network(image[..., tile.window[0], tile.window[1]])
            core = part[
                ...,
                2 * (rows.start - top) : 2 * (rows.stop - top),
                2 * (columns.start - left) : 2 * (columns.stop - left),
            ]
            expected = whole[..., 2 * rows.start : 2 * rows.stop, 2 * columns.start : 2 * columns.stop]
            torch.testing.assert_close(core, expected, rtol=0.0, atol=1e-6)


def test_where_windows_begin_matters_so_that_they_have_to_be_told():
    network = network_of(**THIN)
    image = torch.rand(1, 1, 112, 112)
    with torch.inference_mode():
        moved = network(image[..., 4:108, :])[..., 92:116, :]
        apart = float((moved - network(image)[..., 100:124, :]).abs().max())
    assert apart > 1e-5


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="width must be a multiple of the 5 heads, got 48"):
        SwinSR(heads=5)
    with pytest.raises(ValueError, match="blocks must be a number from 1 on"):
        SwinSR(groups=0)


def test_in_bfloat16_it_stays_close():
    network, image = network_of(groups=1, depth=2), torch.rand(1, 1, 16, 16)
    with torch.inference_mode():
        exact = network(image)
        with torch.autocast("cpu", torch.bfloat16):
            rough = network(image).float()
    assert float((rough - exact).abs().max()) < 0.02 * float(exact.abs().max())
