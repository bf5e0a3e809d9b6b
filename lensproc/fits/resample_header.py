"""Put a header and its look-up tables on another grid, card by card, by rule.

Pixel edges are aligned: an input pixel becomes s output pixels, so that a position p in FITS pixels (the centre of
the first pixel is 1) becomes ``s (p - 1/2) + 1/2``. The rules and their reasons stand in ``docs/header-rules.md``.
No WCS object is built or serialised: what the rules don't know stays as the file has it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lensproc.fits.header_axes import drop_further_axes
from lensproc.fits.header_cards import Cards, Scale, finite_number
from lensproc.fits.header_distortion import rescale_distortion
from lensproc.fits.header_linear import rescale_linear
from lensproc.fits.header_pixels import drop_sections, rescale_pixel_properties

if TYPE_CHECKING:
    from astropy.io.fits import Header

    from lensproc.cutout import DistortionTable


@dataclass(frozen=True)
class ResampledHeader:
    """A header on another grid, and what could not be carried over.

    Parameters
    ----------
    header : astropy.io.fits.Header
        The new header; the one given is left as it was.
    notes : tuple of str
        Cards dropped and why, in words for HISTORY.
    """

    header: Header
    notes: tuple[str, ...] = ()


def resample_header(
    header: Header, scale: float | tuple[float, float], shape: tuple[int, int] | None = None
) -> ResampledHeader:
    """Return the header of the same sky on pixels `scale` times finer, for an image of two axes.

    Parameters
    ----------
    header : astropy.io.fits.Header
        Header of an image, as read. It is not changed.
    scale : float or tuple of (float, float)
        Output pixels per input pixel, positive; a tuple is (s_x, s_y).
    shape : tuple of (int, int), optional
        (ny, nx) of the input image. Where given, NAXIS, NAXIS1 and NAXIS2, if the header has them, become those of
        the output image, rounded to whole pixels, so that the footprint of ``WCS(header)`` is right. All other
        structural cards are the writer's.

    Returns
    -------
    ResampledHeader

    Raises
    ------
    ValueError
        If `scale` is not positive and finite.
    InputError
        If the header holds a distortion that no rule can put on another grid.
    """
    factor = Scale.of(scale)
    cards = Cards(header)
    notes = [*cards.notes, *drop_further_axes(cards)]
    if factor.x != 1 or factor.y != 1:
        notes += [*rescale_linear(cards, factor), *drop_sections(cards)]
        rescale_distortion(cards, factor)
        rescale_pixel_properties(cards, factor)
    if shape is not None:
        _set_shape(cards, factor, shape)
    return ResampledHeader(cards.header, tuple(notes))


def resample_tables(
    tables: tuple[DistortionTable, ...], scale: float | tuple[float, float], header: Header | None = None
) -> tuple[DistortionTable, ...]:
    """Return look-up tables (CPDIS, D2IM) that distort the resampled image as these distort the input.

    Parameters
    ----------
    tables : tuple of DistortionTable
        Tables of the input image, with offsets in its pixels.
    scale : float or tuple of (float, float)
        Output pixels per input pixel; a tuple is (s_x, s_y).
    header : astropy.io.fits.Header, optional
        Header of the image, whose ``DPj.EXTVER`` and ``D2IMj.EXTVER`` (or AXISCORR) say which axis each table
        shifts. Needed only where s_x and s_y differ.

    Returns
    -------
    tuple of DistortionTable
        The grid of each table is moved and stretched (CRVAL, CDELT), its offsets are multiplied by the scale of
        the axis that they shift.

    Raises
    ------
    ValueError
        If `scale` is not positive and finite, or if s_x and s_y differ and `header` does not tell a table's axis.
    """
    factor = Scale.of(scale)
    if factor.x == factor.y == 1:
        return tables
    return tuple(_resample_table(table, factor, header) for table in tables)


def _resample_table(table: DistortionTable, scale: Scale, header: Header | None) -> DistortionTable:
    stretch = scale.x if scale.isotropic else scale[_axis_of(table, header)]
    placed = table.header.copy()
    for axis in range(1, table.data.ndim + 1):
        placed[f"CRVAL{axis}"] = scale.position(axis, finite_number(placed.get(f"CRVAL{axis}"), 0.0))
        placed[f"CDELT{axis}"] = finite_number(placed.get(f"CDELT{axis}"), 1.0) * scale[axis]
    data = (table.data.astype(np.float64) * stretch).astype(np.float32)
    return dataclasses.replace(table, header=placed, data=data)


def _axis_of(table: DistortionTable, header: Header | None) -> int:
    """Axis that a table shifts, from the EXTVER records (before 2013: AXISCORR) of the image's header."""
    record = "D2IM" if table.name.startswith("D2IM") else "DP"
    axes = []
    if header is not None:
        axes = [axis for axis in (1, 2) if header.get(f"{record}{axis}.EXTVER") == table.extver]
        if record == "D2IM" and header.get("AXISCORR") in (1, 2):
            axes = [header["AXISCORR"]]
    if len(axes) != 1:
        raise ValueError(
            f"a scale that differs between x and y needs the image header with one of {record}1.EXTVER and "
            f"{record}2.EXTVER = {table.extver}, to know which axis the table {table.name},{table.extver} shifts"
        )
    return int(axes[0])


def _set_shape(cards: Cards, scale: Scale, shape: tuple[int, int]) -> None:
    """Write the size of the output image into the NAXIS cards that are there."""
    for axis, size in ((1, shape[1]), (2, shape[0])):
        if f"NAXIS{axis}" in cards:
            cards[f"NAXIS{axis}"] = round(size * scale[axis])
    if "NAXIS" in cards:
        planes = int(finite_number(cards["NAXIS"], 2.0))
        cards["NAXIS"] = 2
        for axis in range(3, planes + 1):
            cards.drop(f"NAXIS{axis}")
