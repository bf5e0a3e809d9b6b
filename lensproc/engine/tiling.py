"""Large images in overlapping tiles, padded to the sizes a stage takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lensproc.contract.stage import Batch, Item, Stage, StageOutput
from lensproc.errors import PluginError
from lensproc.nn.prepare import pad_to

if TYPE_CHECKING:
    import torch

    from lensproc.contract.manifest import Manifest
    from lensproc.engine.chain import Link
    from lensproc.enhanced import Plane

TILE = 512
"""Largest side [px] that goes through a stage of finite reach in one piece."""


@dataclass(frozen=True)
class Tile:
    """A part of an image: the core it answers for, and the window around it that it needs to see.

    Parameters
    ----------
    core, window : tuple of slice
        (rows, columns) of the image; the core lies in the window.
    """

    core: tuple[slice, slice]
    window: tuple[slice, slice]


def plan_tiles(shape: tuple[int, int], halo: int, multiple_of: int = 1, tile: int = TILE) -> list[Tile]:
    """Cut an image into tiles whose windows overlap by `halo` on each inner side.

    Parameters
    ----------
    shape : (int, int)
        Height and width of the image.
    halo : int
        Reach of one output pixel [px].
    multiple_of : int
        Windows begin at multiples of this, so that a stage that downsamples inside sees the same grid.
    tile : int
        Side of a window, roughly; the core is at least one halo wide.
    """
    halo = -(-halo // multiple_of) * multiple_of
    tiles = []
    for rows in _spans(shape[0], halo, multiple_of, tile):
        for columns in _spans(shape[1], halo, multiple_of, tile):
            tiles.append(Tile((rows[0], columns[0]), (rows[1], columns[1])))
    return tiles


def _spans(side: int, halo: int, multiple_of: int, tile: int) -> Iterator[tuple[slice, slice]]:
    if side <= tile:
        yield slice(0, side), slice(0, side)
        return
    core = -(-max(tile - 2 * halo, halo, 1) // multiple_of) * multiple_of
    for start in range(0, side, core):
        stop = min(start + core, side)
        yield slice(start, stop), slice(max(0, start - halo), min(side, stop + halo))


def apply_tiled(stage: Stage, link: Link, batch: Batch) -> StageOutput:
    """Apply a stage to a batch, in tiles where images are large and its reach is finite.

    Returns
    -------
    StageOutput
        With images of the full size. Values, tables and planes of a tiled stage cannot be joined: a stage that
        gives them declares ``halo="global"``.

    Raises
    ------
    PluginError
        Where a tiled stage gives values, tables or planes.
    """
    height, width = batch.images.shape[-2:]
    halo = link.manifest.halo
    if isinstance(halo, str) or max(height, width) <= TILE or link.manifest.sees == "both":
        return _apply_padded(stage, link, batch)
    parts = []
    tiles = plan_tiles((height, width), halo, link.manifest.multiple_of)
    for tile in tiles:
        part = _apply_padded(stage, link, _crop(batch, tile))
        if part.values or part.tables or part.planes:
            message = f"stage {link.manifest.id} gives values, tables or planes but declares a finite halo"
            raise PluginError(message, plugin=link.package)
        parts.append(part)
    first = parts[0]
    failed = tuple(
        next((part.failed[i] for part in parts if part.failed and part.failed[i]), None)
        for i in range(len(batch))
    )
    return replace(
        first,
        images=_join([part.images for part in parts], tiles, (height, width), link.scale),
        uncertainty=_join([part.uncertainty for part in parts], tiles, (height, width), link.scale),
        failed=failed if any(failed) else (),
    )


def _crop(batch: Batch, tile: Tile) -> Batch:
    rows, columns = tile.window

    def cut(plane: torch.Tensor) -> torch.Tensor:
        return plane[..., rows, columns]

    def shift(item: Item) -> Item:
        if item.lens_center is None:
            return item
        x, y = item.lens_center
        return replace(item, lens_center=(x - columns.start, y - rows.start))

    return Batch(
        images=cut(batch.images),
        variance=None if batch.variance is None else cut(batch.variance),
        mask=cut(batch.mask),
        items=tuple(shift(item) for item in batch.items),
    )


def _join(
    parts: Sequence[torch.Tensor | None], tiles: Sequence[Tile], shape: tuple[int, int], scale: int
) -> torch.Tensor | None:
    present = [part for part in parts if part is not None]
    if len(present) < len(tiles):
        return None
    lead = present[0].shape[:2]
    joined = present[0].new_empty((*lead, shape[0] * scale, shape[1] * scale))
    for part, tile in zip(present, tiles, strict=True):
        (rows, columns), (seen_rows, seen_columns) = tile.core, tile.window
        target = (
            slice(scale * rows.start, scale * rows.stop),
            slice(scale * columns.start, scale * columns.stop),
        )
        top, left = scale * (rows.start - seen_rows.start), scale * (columns.start - seen_columns.start)
        height, width = target[0].stop - target[0].start, target[1].stop - target[1].start
        joined[..., target[0], target[1]] = part[..., top : top + height, left : left + width]
    return joined


def _apply_padded(stage: Stage, link: Link, batch: Batch) -> StageOutput:
    manifest = link.manifest
    height, width = batch.images.shape[-2:]
    padded = _padded(batch, manifest)
    if padded is batch:
        return stage.apply(batch)
    output = stage.apply(padded)
    rows, columns = slice(0, height * link.scale), slice(0, width * link.scale)

    def crop(plane: torch.Tensor | None) -> torch.Tensor | None:
        return None if plane is None else plane[..., rows, columns]

    def own(plane: Plane) -> Plane:
        if plane.scale is None:  # it does not lie on the input's sky
            return plane
        return replace(
            plane, data=plane.data[..., : round(height * plane.scale), : round(width * plane.scale)]
        )

    planes = tuple({name: own(plane) for name, plane in one.items()} for one in output.planes)
    return replace(output, images=crop(output.images), uncertainty=crop(output.uncertainty), planes=planes)


def _padded(batch: Batch, manifest: Manifest) -> Batch:
    """Bring a batch to a size that the stage takes; where it has one it is returned as it is."""
    enhanced = None if batch.enhanced is None else _padded(batch.enhanced, manifest)
    images = pad_to(batch.images, manifest.minimum_size, manifest.multiple_of)
    if images is batch.images:
        return batch if enhanced is batch.enhanced else replace(batch, enhanced=enhanced)
    variance = batch.variance
    if variance is not None:
        variance = pad_to(variance, manifest.minimum_size, manifest.multiple_of)
    mask = pad_to(batch.mask, manifest.minimum_size, manifest.multiple_of)
    return replace(batch, images=images, variance=variance, mask=mask, enhanced=enhanced)
