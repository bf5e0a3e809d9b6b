"""What one sample consists of: field by field its type and shape, checked against what the task says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensproc.errors import PluginError, UsageError

Arrays = dict[str, NDArray[Any]]
"""Arrays by field."""


@dataclass(frozen=True)
class FieldShape:
    """Shape and type of one field of a sample.

    Parameters
    ----------
    shape : tuple of int
        () for a number.
    dtype : str
        ``float32`` or ``int64``.
    """

    shape: tuple[int, ...]
    dtype: str


def as_arrays(sample: Mapping[str, Any], where: str) -> Arrays:
    """Turn what a task's ``sample`` gave into arrays of float32 or int64.

    Raises
    ------
    PluginError
        For a field of another type, or with values that are not finite; `where` says which sample.
    """
    arrays = {}
    for name, value in sample.items():
        array = np.asarray(value)
        if array.dtype.kind in "biu":
            arrays[name] = array.astype(np.int64)
        elif array.dtype.kind == "f":
            arrays[name] = array.astype(np.float32)
            if not np.isfinite(arrays[name]).all():
                raise PluginError(f"{where}: field {name} holds values that are not finite")
        else:
            raise PluginError(f"{where}: field {name} is {array.dtype}, neither numbers nor an array of them")
    if not arrays:
        raise PluginError(f"{where}: the sample has no fields")
    return arrays


def shapes_of(arrays: Arrays) -> dict[str, FieldShape]:
    """Shapes and types of a sample."""
    return {name: FieldShape(array.shape, str(array.dtype)) for name, array in arrays.items()}


def image_side(shapes: Mapping[str, FieldShape], scales: Mapping[str, int], where: str) -> int:
    """Side n of the images of a sample [input px]; every field of scale s has the shape (..., s n, s n).

    Raises
    ------
    PluginError
        Where a field that the task names is missing, is not square, or does not fit the others.
    """
    sides = {}
    for name, scale in scales.items():
        if name not in shapes:
            raise PluginError(
                f"{where}: the task crops or turns a field {name}, which its samples do not have"
            )
        shape = shapes[name].shape
        if len(shape) < 2 or shape[-1] != shape[-2]:
            raise PluginError(f"{where}: field {name} has the shape {shape}; what is turned must be square")
        if scale > 0:
            sides[name] = shape[-1] / scale
    if not sides:
        return 0
    if len(set(sides.values())) > 1 or not next(iter(sides.values())).is_integer():
        said = ", ".join(f"{name} {shapes[name].shape[-1]} px at scale {scales[name]}" for name in sides)
        raise PluginError(f"{where}: the fields are not aligned: {said}")
    return int(next(iter(sides.values())))


def cropped_shapes(
    shapes: Mapping[str, FieldShape], scales: Mapping[str, int], crop: int, where: str
) -> dict[str, FieldShape]:
    """Shapes after cropping to `crop` input pixels (0: not at all).

    Raises
    ------
    UsageError
        For a crop larger than the images.
    """
    side = image_side(shapes, scales, where)
    if crop == 0:
        return dict(shapes)
    if crop > side:
        raise UsageError(f"{where}: [training] crop = {crop} is larger than its images of {side} px")
    result = {}
    for name, entry in shapes.items():
        scale = scales.get(name, 0)
        shape = (*entry.shape[:-2], scale * crop, scale * crop) if scale > 0 else entry.shape
        result[name] = FieldShape(shape, entry.dtype)
    return result
