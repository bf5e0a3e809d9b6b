"""Cubes whose planes are bands, as a BANDS card or BAND0, BAND1, ... cards say."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lensproc.fits.dialects.multi import companions, science_hdus
from lensproc.fits.dialects.planes import Defaults, Dialect, Planes, facts
from lensproc.fits.headers import words

if TYPE_CHECKING:
    from astropy.io.fits import Header


def band_names(header: Header, number: int) -> list[str] | None:
    """Return the names of a cube's planes; None where the header does not give one for each.

    Examples
    --------
    >>> from astropy.io.fits import Header
    >>> band_names(Header({"BANDS": "grz"}), 3), band_names(Header({"BANDS": "F606W, F814W"}), 2)
    (['g', 'r', 'z'], ['F606W', 'F814W'])
    """
    text = words(header, "BANDS")
    listed = [part for part in re.split(r"[,;/\s]+", text) if part]
    if len(listed) == 1 and number > 1:
        listed = list(text)
    if len(listed) == number:
        return listed
    for first in (0, 1):
        cards = [words(header, f"BAND{i + first}") for i in range(number)]
        if all(cards):
            return cards
    return None


def names_of_planes(headers: Sequence[Header], science: int) -> list[str] | None:
    """Return the names of an image's planes, from its own header or PRIMARY; None where it has none."""
    shape = facts(headers)[science].shape
    if len(shape) != 3 or shape[0] < 2:
        return None
    names = band_names(headers[science], shape[0])
    return band_names(headers[0], shape[0]) if names is None and science else names


def per_band(headers: Sequence[Header], science: int, defaults: Defaults | None = None) -> list[Planes]:
    """Return one entry per plane of a cube with named planes, else one for the image as it is."""
    names = names_of_planes(headers, science)
    if names is None:
        return [companions(headers, science, defaults)]
    return [
        dataclasses.replace(companions(headers, science, defaults, plane=k), band=name)
        for k, name in enumerate(names)
    ]


def all_bands(headers: Sequence[Header], defaults: Defaults | None = None) -> list[Planes]:
    """Return the bands of every science image of a file."""
    return [planes for i in science_hdus(headers) for planes in per_band(headers, i, defaults)]


def sniff(headers: Sequence[Header]) -> float:
    """Sure where a cube names its planes."""
    return 0.5 if any(names_of_planes(headers, i) for i in science_hdus(headers)) else 0.0


DIALECT = Dialect("cube", sniff, all_bands)
