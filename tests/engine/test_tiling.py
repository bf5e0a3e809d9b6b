"""Tiles join without a seam, and stages of global reach are left whole."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lensproc.contract.stage import Batch, Item, StageOutput
from lensproc.engine.chain import Link
from lensproc.engine.tiling import apply_tiled, plan_tiles
from lensproc.enhanced import Plane
from lensproc.errors import PluginError
from tests.engine.stages import Function, manifest


def batch_of(height: int, width: int) -> Batch:
    generator = torch.Generator().manual_seed(3)
    images = torch.randn(2, 1, height, width, generator=generator)
    items = tuple(Item(lens_center=(width / 2, height / 2)) for _ in range(2))
    return Batch(images, images**2, torch.zeros_like(images, dtype=torch.bool), items)


def blur_twice(batch: Batch) -> StageOutput:
    """Two 5×5 convolutions and pixel repetition: reach 4, scale 2."""
    kernel = torch.outer(torch.tensor([1.0, 4, 6, 4, 1]), torch.tensor([1.0, 4, 6, 4, 1]))[None, None] / 256
    image = F.conv2d(F.conv2d(batch.images, kernel, padding=2), kernel, padding=2)
    return StageOutput(images=F.interpolate(image, scale_factor=2, mode="nearest"))


@pytest.mark.parametrize(("height", "width"), [(700, 1300), (513, 90), (512, 512)])
@pytest.mark.parametrize("multiple_of", [1, 8])
def test_tiles_join_without_a_seam(height: int, width: int, multiple_of: int) -> None:
    batch = batch_of(height, width)
    tiled = Function(blur_twice)
    link = Link(manifest("blur", scale=2, halo=4, multiple_of=multiple_of), {}, "tests==1")
    seam = (apply_tiled(tiled, link, batch).images - blur_twice(batch).images)[
        ..., : 2 * height - 8, : 2 * width - 8
    ]
    assert seam.abs().max() <= 1e-5 * batch.images.abs().max()
    assert len(tiled.batch_sizes) == len(plan_tiles((height, width), 4, multiple_of))


def test_cores_cover_the_image_once() -> None:
    seen = torch.zeros(1100, 777)
    for tile in plan_tiles((1100, 777), 20, 8):
        seen[tile.core] += 1
        assert tile.window[0].start % 8 == 0
        assert tile.window[1].start % 8 == 0
    assert bool((seen == 1).all())


def test_a_global_stage_is_never_tiled() -> None:
    stage = Function(blur_twice)
    link = Link(manifest("blur", scale=2, halo="global"), {}, "tests==1")
    apply_tiled(stage, link, batch_of(600, 600))
    assert stage.batch_sizes == [2]


def test_the_lens_centre_moves_with_the_tile() -> None:
    centers = []

    def look(batch: Batch) -> StageOutput:
        centers.append((batch.items[0].lens_center, tuple(batch.images.shape[-2:])))
        return StageOutput(images=batch.images)

    link = Link(manifest("look", halo=0), {}, "tests==1")
    apply_tiled(Function(look), link, batch_of(512, 1024))
    assert centers == [((512.0, 256.0), (512, 512)), ((0.0, 256.0), (512, 512))]


def test_a_tiled_stage_cannot_give_values() -> None:
    def values(batch: Batch) -> StageOutput:
        return StageOutput(images=batch.images, values=({}, {}))

    link = Link(manifest("values", halo=2), {}, "tests==1")
    with pytest.raises(PluginError, match="declares a finite halo"):
        apply_tiled(Function(values), link, batch_of(600, 20))


def test_odd_sizes_are_padded_and_cropped() -> None:
    def check(batch: Batch) -> StageOutput:
        assert tuple(batch.images.shape[-2:]) == (16, 24)
        return StageOutput(images=batch.images)

    batch = batch_of(13, 17)
    link = Link(manifest("check", minimum_size=16, multiple_of=8, halo=3), {}, "tests==1")
    out = apply_tiled(Function(check), link, batch).images
    assert torch.equal(out, batch.images)


def test_planes_on_the_sky_of_a_padded_image_are_cropped_with_it() -> None:
    def planes(batch: Batch) -> StageOutput:
        image = batch.images[0, 0].numpy()
        shown = {
            "SAME": Plane(image, 1.0),
            "FINER": Plane(image.repeat(2, 0).repeat(2, 1)[None], 2.0),
            "SOURCE": Plane(image),
        }
        return StageOutput(images=batch.images, planes=(shown,))

    batch = batch_of(13, 17)
    link = Link(manifest("planes", minimum_size=16, halo="global"), {}, "tests==1")
    (shown,) = apply_tiled(Function(planes), link, batch).planes
    np.testing.assert_array_equal(shown["SAME"].data, batch.images[0, 0])
    assert shown["FINER"].data.shape == (1, 26, 34)
    assert shown["SOURCE"].data.shape == (16, 17), "it has a sky of its own"
