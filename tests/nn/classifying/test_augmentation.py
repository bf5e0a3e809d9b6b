"""Turned and zoomed training images: flux, direction, sky, and which images are touched."""

from __future__ import annotations

import math

import pytest
import torch

from lensproc.errors import UsageError
from lensproc.nn.classifying.augmentation import Augmentation, turned

SKY = 7.0


def blob(x: float, y: float, shape: tuple[int, int] = (65, 65), width: float = 3.0) -> torch.Tensor:
    """A Gaussian on a sky, its middle so far from the middle of the image [px]."""
    rows = torch.arange(shape[0])[:, None] - (shape[0] - 1) / 2 - y
    columns = torch.arange(shape[1]) - (shape[1] - 1) / 2 - x
    return (SKY + torch.exp(-0.5 * (rows**2 + columns**2) / width**2))[None]


def disc(radius: float = 15.0) -> torch.Tensor:
    axis = torch.arange(65) - 32.0
    return (SKY + ((axis**2 + axis[:, None] ** 2) < radius**2).float())[None]


def centroid(image: torch.Tensor) -> tuple[float, float]:
    light = (image[0] - SKY).clamp_min(0.0)
    rows = torch.arange(light.shape[0]) - (light.shape[0] - 1) / 2
    columns = torch.arange(light.shape[1]) - (light.shape[1] - 1) / 2
    return float((light.sum(0) * columns).sum() / light.sum()), float(
        (light.sum(1) * rows).sum() / light.sum()
    )


def moved(image: torch.Tensor, degrees: float, zoom: float = 1.0) -> torch.Tensor:
    return turned(image, torch.tensor([SKY]), torch.tensor([math.radians(degrees)]), torch.tensor([zoom]))


@pytest.mark.parametrize("degrees", [0.0, 17.0, 45.0, 133.0, -90.0])
@pytest.mark.parametrize("zoom", [0.8, 1.0, 1.2])
def test_a_disc_in_the_middle_keeps_its_flux_or_gains_the_square_of_the_zoom(degrees, zoom):
    before = float((disc() - SKY).sum())
    after = float((moved(disc(), degrees, zoom) - SKY).sum())
    assert after / before == pytest.approx(zoom**2, rel=0.01)


@pytest.mark.parametrize(
    ("degrees", "zoom", "expected"),
    [
        (90.0, 1.0, (0.0, 10.0)),
        (-90.0, 1.0, (0.0, -10.0)),
        (30.0, 1.2, (10.392, 6.0)),
        (180.0, 0.8, (-8.0, 0.0)),
    ],
)
def test_a_source_turns_from_x_towards_y_and_away_from_the_middle(degrees, zoom, expected):
    assert centroid(moved(blob(10.0, 0.0), degrees, zoom)) == pytest.approx(expected, abs=0.05)


def test_oblong_images_are_turned_without_shear():
    after = moved(blob(8.0, 0.0, (65, 95)), 90.0)
    assert centroid(after) == pytest.approx((0.0, 8.0), abs=0.05)
    assert float((after - SKY).sum()) == pytest.approx(float((blob(0, 0) - SKY).sum()), rel=0.01)


def test_a_quarter_turn_is_the_one_of_the_pixels():
    image = torch.rand(1, 32, 32)
    assert torch.allclose(moved(image, 90.0), torch.rot90(image, -1, (-2, -1)), atol=1e-5)


def test_beyond_the_edge_lies_the_sky():
    after = moved(blob(0.0, 0.0), 45.0, 0.8)
    assert float(after[0, 0, 0]) == SKY


def test_only_a_share_of_the_images_is_resampled_and_the_generator_decides():
    images = torch.rand(200, 16, 16)
    batch = {"image": images, "sky": torch.zeros(200)}
    augmentation = Augmentation(180.0, (0.8, 1.2), 0.25)
    one = augmentation(batch, torch.Generator().manual_seed(1))
    same = (one == images).flatten(1).all(1)
    assert 0.65 < float(same.float().mean()) < 0.85
    assert torch.equal(one, augmentation(batch, torch.Generator().manual_seed(1)))
    assert not torch.equal(one, augmentation(batch, torch.Generator().manual_seed(2)))


@pytest.mark.parametrize("table", [{"zoom": [0.0, 1.0]}, {"zoom": 1.2}, {"rotation": -1}, {"share": 2}])
def test_values_that_do_not_fit_are_refused(table):
    with pytest.raises(UsageError, match=r"zoom \[smallest, largest\] above 0|augmentation"):
        Augmentation.from_table(table)
