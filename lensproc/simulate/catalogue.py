"""The catalogue of a simulated set: one row per image, flat columns."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lensproc.simulate.image import Simulated

if TYPE_CHECKING:
    from astropy.table import Table

Row = dict[str, float | int | str]

LEADING = ("name", "index", "class", "label", "sha256", "ra", "dec", "einstein_radius")
"""Columns that come first."""

UNITS = {
    "ra": "deg",
    "dec": "deg",
    "einstein_radius": "arcsec",
    "psf_fwhm": "arcsec",
    "lens_center_x": "arcsec",
    "lens_center_y": "arcsec",
    "source_radius": "arcsec",
    "source_center_x": "arcsec",
    "source_center_y": "arcsec",
    "lens_light_radius": "arcsec",
    "lens_light_magnitude": "mag",
    "subhalo_mass": "solMass",
    "subhalo_mass_inside": "solMass",
    "pair_angle": "deg",
}
"""Units of the columns that have one."""


def row_of(sim: Simulated, position: tuple[float, float] | None = None) -> Row:
    """Catalogue row of one image: every drawn parameter, the class, and the SHA-256 of its pixels.

    Parameters
    ----------
    sim : Simulated
        The image.
    position : (float, float), optional
        Right ascension and declination of the middle [deg].
    """
    row: Row = {
        "name": f"{sim.recipe.stem}-{sim.index:06d}",
        "index": sim.index,
        "class": sim.scene.class_name,
        "label": sim.recipe.classes.index(sim.scene.class_name),
        "sha256": pixels_hash(sim.exposure.data),
    }
    if position is not None:
        row["ra"], row["dec"] = position
    row.update(sim.scene.parameters)
    row["point_sources"] = len(sim.scene.points)
    row["pixel_offset"], row["pixel_factor"] = sim.offset, sim.factor
    return row


def pixels_hash(data: np.ndarray[Any, Any]) -> str:
    """SHA-256 (hex) of the pixels as little-endian float32 in row order."""
    return hashlib.sha256(np.ascontiguousarray(data, dtype="<f4").tobytes()).hexdigest()


def data_hash(rows: Sequence[Mapping[str, Any]]) -> str:
    """SHA-256 (hex) of the pixel hashes in the order of the index: one number for a whole set."""
    ordered = sorted(rows, key=lambda row: int(row["index"]))
    return hashlib.sha256("".join(str(row["sha256"]) for row in ordered).encode()).hexdigest()


def catalogue(rows: Sequence[Mapping[str, Any]], meta: Mapping[str, Any]) -> Table:
    """Table of all rows in the order of the index.

    Parameters
    ----------
    rows : sequence of mapping
        Rows of `row_of`; a column that a row lacks is NaN (or an empty string) there.
    meta : mapping
        What holds for the whole set: recipe, seed, split, hashes.
    """
    from astropy.table import Column, Table

    ordered = sorted(rows, key=lambda row: int(row["index"]))
    names = list(dict.fromkeys(key for row in ordered for key in row))
    names = [n for n in LEADING if n in names] + [n for n in names if n not in LEADING]
    table = Table(meta=dict(meta))
    for name in names:
        values = [row.get(name) for row in ordered]
        known = [v for v in values if v is not None]
        if all(isinstance(v, str) for v in known):
            filled: list[Any] = ["" if v is None else v for v in values]
        elif all(isinstance(v, int) for v in known) and len(known) == len(values):
            filled = values
        else:
            filled = [math.nan if v is None else float(v) for v in values]
        table[name] = Column(filled, unit=UNITS.get(name))
    return table


def write_catalogue(table: Table, path: Path) -> None:
    """Write ECSV through a temporary file, so that a catalogue is whole or absent."""
    temporary = path.with_name(f".lensproc-{path.name}.tmp")
    table.write(temporary, format="ascii.ecsv", overwrite=True)
    temporary.replace(path)
