"""Crops that keep fields of different pixel scales aligned, and the eight flips and quarter turns."""

from __future__ import annotations

from collections.abc import Mapping

import torch

TURNS = 8
"""Elements of D4, the symmetries of a square: number k turns by k mod 4 quarters, after a flip where k ≥ 4."""


def window(corner: int, side: int, scale: int) -> slice:
    """Pixels of a field of `scale` that cover input pixels `corner` to `corner` + `side`.

    Pixel edges are aligned: a place p of the input is s(p + ½) − ½ in the field, before and after cropping.
    """
    return slice(scale * corner, scale * (corner + side))


def turn(images: torch.Tensor, element: int) -> torch.Tensor:
    """Apply one element of D4 to the last two axes."""
    flipped = torch.flip(images, (-1,)) if element >= TURNS // 2 else images
    return torch.rot90(flipped, element % 4, (-2, -1))


def turn_each(
    fields: Mapping[str, torch.Tensor], scales: Mapping[str, int], elements: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Turn every sample of a batch by its own element of D4, all its fields of `scales` alike.

    Parameters
    ----------
    fields : mapping of str to torch.Tensor
        Shape (N, ...); those of `scales` (N, ..., H, H).
    scales : mapping of str to int
        Fields to turn, images of the PSF (scale 0) among them.
    elements : torch.Tensor
        (N,) numbers from 0 to 7.
    """
    result = dict(fields)
    rows = {element: torch.nonzero(elements == element)[:, 0] for element in sorted(set(elements.tolist()))}
    for name in scales:
        images = fields[name]
        result[name] = torch.empty_like(images)
        for element, chosen in rows.items():
            result[name][chosen] = turn(images[chosen], element)
    return result
