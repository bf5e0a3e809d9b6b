"""Where the ring is found and how it is resampled: known geometry."""

from __future__ import annotations

import math

import pytest
import torch

from lensproc.nn.ring import EXTENT, Rings, measure_rings, to_ring


def annulus(height: int, width: int, x: float, y: float, radius: float) -> torch.Tensor:
    """A ring of 100 σ with a Gaussian profile of σ = 2 px, shape (1, 1, height, width)."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    distance = torch.hypot(columns - x, rows - y)
    return 100.0 * torch.exp(-0.5 * ((distance - radius) / 2.0) ** 2)[None, None]


@pytest.mark.parametrize(("height", "width"), [(64, 64), (61, 90)])
def test_center_and_radius_of_a_ring_are_found_to_a_twentieth_of_a_pixel(height: int, width: int) -> None:
    rings = measure_rings(annulus(height, width, 33.3, 28.6, 15.0))
    assert rings.x.item() == pytest.approx(33.3, abs=0.05)
    assert rings.y.item() == pytest.approx(28.6, abs=0.05)
    assert rings.radius.item() == pytest.approx(15.0, abs=0.3)  # the rim is longer than the inside


def test_one_rings_measure_does_not_depend_on_its_neighbours() -> None:
    one, other = annulus(64, 64, 30.0, 30.0, 10.0), annulus(64, 64, 35.0, 28.0, 18.0)
    together, alone = measure_rings(torch.cat((one, other))), measure_rings(other)
    assert together.radius[1].item() == pytest.approx(alone.radius.item(), abs=1e-5)


def test_an_image_without_light_is_looked_at_in_its_middle() -> None:
    rings = measure_rings(torch.zeros(1, 1, 40, 60))
    assert (rings.x.item(), rings.y.item(), rings.radius.item()) == (29.5, 19.5, 10.0)


@pytest.mark.parametrize("radius", [9.0, 24.0])
def test_every_ring_comes_to_the_middle_and_to_one_size(radius: float) -> None:
    image = annulus(121, 121, 58.0, 63.0, radius)
    rings = Rings(torch.tensor([58.0]), torch.tensor([63.0]), torch.tensor([radius]))
    found = to_ring(image, rings, 96)[0, 0]
    line = found[:, 47:49].mean(1)  # up through the middle, which lies between two pixels
    crests = (47.5 - line[:48].argmax().item(), 48 + line[48:].argmax().item() - 47.5)
    assert crests == pytest.approx((96 / (2 * EXTENT),) * 2, abs=1.0)


def test_a_turn_goes_from_x_towards_y() -> None:
    image = torch.zeros(1, 1, 41, 41)
    image[0, 0, 20, 30] = 1.0  # on the +x axis
    rings = Rings(torch.tensor([20.0]), torch.tensor([20.0]), torch.tensor([10.0]))
    turned = to_ring(image, rings, 40, torch.tensor([math.pi / 2]))[0, 0]
    row, column = divmod(int(turned.argmax()), 40)
    assert (column, row) in {(19, 29), (20, 29), (19, 30), (20, 30)}  # on the +y axis, a radius away
