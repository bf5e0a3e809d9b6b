"""Frames: places and shapes turn with them, and what is seen lies where they say."""

from __future__ import annotations

import math

import pytest
import torch

from lensproc_sis.sis_frame import Frames, look, places


def frames(n=16, seed=0) -> Frames:
    g = torch.Generator().manual_seed(seed)

    def uniform(low, high):
        return low + (high - low) * torch.rand(n, generator=g, dtype=torch.float64)

    flip = torch.where(uniform(0, 1) < 0.5, -1.0, 1.0).double()
    return Frames(uniform(20, 40), uniform(20, 40), uniform(8, 30), uniform(-4, 4), flip)


def test_places_and_pixels_are_each_others_inverse():
    f = frames()
    at = places(6, f.x).expand(16, -1, -1, -1)
    torch.testing.assert_close(f.to_places(f.to_pixels(at)), at)


def test_a_lens_comes_back_as_it_was():
    f = frames()
    g = torch.Generator().manual_seed(1)
    lens = torch.rand(16, 7, generator=g, dtype=torch.float64) * 0.4 + 0.1
    lens[:, :3] = 20.0 + 40.0 * lens[:, :3]
    torch.testing.assert_close(f.lens_out(f.lens_in(lens)), lens)


@pytest.mark.parametrize(("turn", "flip"), [(0.0, 1.0), (0.7, 1.0), (math.pi / 2, 1.0), (0.4, -1.0)])
def test_an_ellipse_is_seen_with_the_shape_that_the_frame_gives_it(turn, flip):
    e1, e2, side = 0.3, 0.15, 96
    y, x = torch.meshgrid(torch.arange(80.0), torch.arange(80.0), indexing="ij")
    e, phi = math.hypot(e1, e2), 0.5 * math.atan2(e2, e1)
    q = (1 - e) / (1 + e)
    along = math.cos(phi) * (x - 41) + math.sin(phi) * (y - 37)
    across = math.cos(phi) * (y - 37) - math.sin(phi) * (x - 41)
    image = torch.exp(-0.5 * (along**2 * q + across**2 / q) / 5.0**2)
    f = Frames(*(torch.tensor([v]) for v in (41.0, 37.0, 30.0, turn, flip)))
    seen = look(image[None, None], f, side)[0, 0]
    at = places(side, seen)[0]
    xx, yy, xy = (float((seen * m).sum()) for m in (at[0] ** 2, at[1] ** 2, at[0] * at[1]))
    # of the second moments, with axis lengths q^(-1/2) and q^(1/2)
    length = math.hypot(xx - yy, 2 * xy) / (xx + yy)
    found_q = math.sqrt((1 - length) / (1 + length))
    angle = 0.5 * math.atan2(2 * xy, xx - yy)
    size = (1 - found_q) / (1 + found_q)
    told = f.lens_in(torch.tensor([[10.0, 41.0, 37.0, e1, e2, 0.0, 0.0]]))[0]
    assert size * math.cos(2 * angle) == pytest.approx(float(told[3]), abs=0.003)
    assert size * math.sin(2 * angle) == pytest.approx(float(told[4]), abs=0.003)


def test_a_spot_is_seen_where_the_frame_says():
    f = frames(8)
    image = torch.zeros(8, 1, 64, 64, dtype=torch.float64)
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    image[:, 0] = torch.exp(-0.5 * ((x - 33.0) ** 2 + (y - 28.0) ** 2) / 2.0**2)
    f = Frames(f.x * 0 + 31.0, f.y * 0 + 31.5, f.half.clamp_min(16.0), f.turn, f.flip)
    seen = look(image, f, 48)[:, 0]
    at = places(48, image)[0]
    centroid = torch.stack([(seen * at[i]).sum((1, 2)) / seen.sum((1, 2)) for i in (0, 1)], dim=1)
    spot = torch.tensor([[33.0, 28.0]], dtype=torch.float64).expand(8, 2)
    torch.testing.assert_close(centroid, f.to_places(spot), atol=2e-3, rtol=0)


def test_a_large_cutout_is_averaged_not_sampled():
    image = torch.randn(1, 1, 600, 600, generator=torch.Generator().manual_seed(0)) + 3.0
    seen = look(image, Frames.whole(image), 32)
    assert float(seen.mean()) == pytest.approx(3.0, abs=0.02)
    assert float(seen[..., 2:-2, 2:-2].std()) < 3.0 / (600 / 32)


def test_each_image_is_looked_at_by_itself():
    images = torch.randn(3, 1, 300, 200, generator=torch.Generator().manual_seed(0))
    ones = torch.ones(3)
    f = Frames.of(99.5 * ones, 149.5 * ones, torch.tensor([20.0, 150.0, 60.0]))
    together = look(images, f, 32)
    for i in range(3):
        alone = Frames.of(f.x[i : i + 1], f.y[i : i + 1], f.half[i : i + 1])
        torch.testing.assert_close(look(images[i : i + 1], alone, 32)[0], together[i])
