"""Warp and splat put light where it belongs, and keep what they say they keep."""

import pytest
import torch

from lensproc.nn import lensing
from lensproc.nn.lensing_warp import splat, warp

SIZES = [(8, 8), (9, 9), (8, 11)]
SCALES = [0.031, 0.168, 1.0]
DOUBLE = torch.float64


def grid(height, width, *scales, origin=None, dtype=DOUBLE):
    return lensing.Grid.of(height, width, torch.tensor(scales, dtype=dtype), origin)


def asymmetric(n, height, width, dtype=DOUBLE):
    """Noise of both signs: it looks different after any flip, turn or transposition."""
    return torch.randn(n, 1, height, width, generator=torch.Generator().manual_seed(1), dtype=dtype)


def at(*places):
    """Positions of single points, one image with a row of them."""
    return torch.tensor(places, dtype=DOUBLE).T[None, :, None, :]


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("origin", [None, (2.0, 5.3)])
def test_nothing_deflected_is_nothing_changed(height, width, scale, origin):
    plane, images = grid(height, width, scale, scale / 2, origin=origin), asymmetric(2, height, width)
    places = plane.positions()
    assert (warp(images, plane, places) - images).abs().max() < 1e-12
    for mode in ("sum", "overwrite"):
        found = splat(images, places, plane, mode)
        assert (found.images - images).abs().max() < 1e-12
        assert found.lost.abs().max() < 1e-12


@pytest.mark.parametrize("scale", SCALES)
def test_a_shift_moves_light_along_the_axis_it_says(scale):
    plane, images = grid(7, 9, scale), torch.zeros(1, 1, 7, 9, dtype=DOUBLE)
    images[0, 0, 2, 3] = 1.0
    shift = scale * torch.tensor([2.0, 1.0], dtype=DOUBLE)[:, None, None]
    for mode in ("sum", "overwrite"):
        assert splat(images, plane.positions() + shift, plane, mode).images[0, 0, 3, 5] == pytest.approx(1.0)
    # the other way: what was at (3, 2) is seen from two to the left and one below
    assert warp(images, plane, plane.positions() + shift)[0, 0, 1, 1] == pytest.approx(1.0)


def test_between_pixels_light_is_shared_and_read_bilinearly():
    plane = grid(4, 5, 0.5, origin=(0.0, 0.0))
    place = at((0.5 * 1.25, 0.5 * 2.5))  # pixel x = 1.25, y = 2.5
    found = splat(torch.full((1, 1, 1, 1), 8.0, dtype=DOUBLE), place, plane).images[0, 0]
    assert found[2:4, 1:3].tolist() == [[3.0, 1.0], [3.0, 1.0]]
    assert found.sum() == 8.0
    ramp = plane.positions()[:, :1] * 3.0 - plane.positions()[:, 1:]
    assert warp(ramp, plane, place).item() == pytest.approx(3.0 * 0.625 - 1.25)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("scale", SCALES)
def test_a_sum_conserves_the_flux_and_says_what_left_the_grid(height, width, scale, dtype):
    plane = grid(height, width, scale, 2 * scale, dtype=dtype)
    images = asymmetric(2, height, width, dtype).square()
    places = plane.positions()
    strength = scale * (1.0 + 0.3 * torch.sin(places[:, 0] / scale))
    beta = lensing.source_positions(places, lensing.deflection(strength, plane))
    found = splat(images, beta, grid(5, 7, 0.7 * scale, scale, dtype=dtype))
    sent = images.sum((2, 3))
    assert ((found.images.sum((2, 3)) + found.lost) / sent - 1.0).abs().max() < 1e-5
    assert (found.lost > 0).all()
    roomy = splat(images, beta, grid(6 * height, 6 * width, scale, 2 * scale, dtype=dtype))
    assert (roomy.images.sum((2, 3)) / sent - 1.0).abs().max() < 1e-5
    assert roomy.lost.abs().max() == 0


@pytest.mark.parametrize("place", [(-0.4, 0.0), (1e9, 0.0), (-1e30, 3.0), (4.9, 3.4)])
def test_light_beyond_the_edge_is_lost_in_part_or_altogether(place):
    plane, light = grid(4, 5, 1.0, origin=(0.0, 0.0)), torch.ones(1, 1, 1, 1, dtype=DOUBLE)
    found = splat(light, at(place), plane)
    inside = max(0.0, 1.0 - max(0.0, -place[0], place[0] - 4)) * max(0.0, 1.0 - max(0.0, place[1] - 3))
    assert found.images.sum().item() == pytest.approx(inside)
    assert found.lost.item() == pytest.approx(1.0 - inside)


def test_surface_brightness_is_the_splat_over_the_splat_of_ones():
    plane = grid(20, 20, 0.1)
    beta = 0.5 * plane.positions()  # magnified twice along each axis, four times in light
    flat = torch.full((1, 1, 20, 20), 3.0, dtype=DOUBLE)
    light, weight = splat(flat, beta, plane).images, splat(torch.ones_like(flat), beta, plane).images
    assert light[0, 0, 10, 10].item() == pytest.approx(12.0)
    assert (light / weight)[weight > 0].numpy() == pytest.approx(3.0)


def test_overwriting_keeps_the_brightest_of_what_falls_on_a_pixel_in_whatever_order():
    plane = grid(3, 3, 1.0)
    light = torch.tensor([[[[1.0, 5.0, -2.0, 3.0]]]], dtype=DOUBLE)
    together = at((0, 0), (0, 0), (0, 0), (0, 0))
    assert splat(light, together, plane, "sum").images[0, 0, 1, 1] == 7.0
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]):
        found = splat(light[..., order], together, plane, "overwrite").images
        assert found[0, 0, 1, 1] == 5.0
        assert found.sum() == 5.0
    assert splat(-light, together, plane, "overwrite").images[0, 0, 1, 1] == -5.0
    opposite = torch.tensor([[[[-2.0, 2.0]]]], dtype=DOUBLE)
    assert splat(opposite, together[..., :2], plane, "overwrite").images[0, 0, 1, 1] == 2.0


@pytest.mark.parametrize("mode", ["sum", "overwrite"])
def test_an_image_does_not_depend_on_its_neighbours_in_the_batch(mode):
    plane = grid(9, 8, 0.1, 0.2, 0.05)
    images = asymmetric(3, 9, 8) * torch.tensor([1.0, 1e6, 1e-6], dtype=DOUBLE)[:, None, None, None]
    beta = plane.positions() * 0.8 + 0.03
    together, looked = splat(images, beta, plane, mode), warp(images, plane, beta)
    for i in range(3):
        alone = lensing.Grid.of(9, 8, plane.pixel_scale[i : i + 1])
        assert torch.equal(
            splat(images[i : i + 1], beta[i : i + 1], alone, mode).images[0], together.images[i]
        )
        assert torch.equal(warp(images[i : i + 1], alone, beta[i : i + 1])[0], looked[i])


def test_channels_move_alike():
    plane, images = grid(6, 7, 0.1), asymmetric(3, 6, 7).movedim(0, 1)
    beta = plane.positions() * 0.9
    for mode in ("sum", "overwrite"):
        found = splat(images, beta, plane, mode)
        assert found.images.shape == (1, 3, 6, 7)
        assert found.lost.shape == (1, 3)
        assert torch.equal(found.images[:, 1:2], splat(images[:, 1:2], beta, plane, mode).images)


def test_a_warp_undoes_a_splat_of_a_smooth_image():
    plane = grid(60, 61, 0.05)
    places = plane.positions()
    light = torch.exp(-((places[:, :1] - 0.3) ** 2 + 2.0 * (places[:, 1:] + 0.2) ** 2))
    beta = 0.8 * places + 0.02
    moved, weight = splat(light, beta, plane).images, splat(torch.ones_like(light), beta, plane).images
    back = warp(torch.where(weight > 0.5, moved / weight.clamp_min(0.5), 0.0), plane, beta)
    assert (back - light)[..., 5:-5, 5:-5].abs().max() < 0.01


@pytest.mark.parametrize("mode", ["sum", "overwrite"])
def test_gradients_reach_the_pixels_and_the_strength(mode):
    plane = grid(5, 6, 0.1, 0.3, origin=(2.4, 2.2))
    places = plane.positions()
    images = asymmetric(2, 5, 6).requires_grad_()
    generator = torch.Generator().manual_seed(3)
    strength = 0.8 + 0.4 * torch.rand(2, 5, 6, generator=generator, dtype=DOUBLE)
    strength = (strength * plane.pixel_scale[:, None, None]).requires_grad_()

    def sphere(images, k):
        found = splat(images, places - lensing.sphere_deflection(k, places), plane, mode)
        return found.images, found.lost

    def whole(images, k):
        found = splat(images, places - lensing.deflection(k, plane), plane, mode)
        return found.images, found.lost

    def looked(images, k):
        return warp(images, plane, places - lensing.deflection(k, plane))

    for function in (sphere, whole, looked):
        assert torch.autograd.gradcheck(function, (images, strength))
        (gradient,) = torch.autograd.grad(
            sum(out.square().sum() for out in _tuple(function(images, strength))), strength
        )
        learning = (gradient != 0).float().mean()
        assert learning > (0.4 if mode == "overwrite" else 0.9)  # what was overwritten teaches nothing


def _tuple(found):
    return found if isinstance(found, tuple) else (found,)


def test_what_does_not_fit_is_refused():
    plane = grid(4, 5, 0.1)
    with pytest.raises(ValueError, match="4 × 5"):
        warp(torch.zeros(1, 1, 5, 4, dtype=DOUBLE), plane, plane.positions())
    with pytest.raises(ValueError, match="neither"):
        splat(torch.zeros(1, 1, 4, 5, dtype=DOUBLE), plane.positions(), plane, "neither")
