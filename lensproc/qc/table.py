"""The ``SOURCES`` table."""

from __future__ import annotations

import math

import numpy as np

from lensproc.enhanced import Rows
from lensproc.qc.catalog import Catalog
from lensproc.qc.pair import Pair
from lensproc.qc.sky import sky_positions

COLUMNS: dict[str, tuple[str, str]] = {
    "id": ("", "running number"),
    "x": ("pix", "zero-based column in the input"),
    "y": ("pix", "zero-based row in the input"),
    "ra": ("deg", "right ascension"),
    "dec": ("deg", "declination"),
    "snr_in": ("", "peak of the finder on the input over its noise"),
    "snr_out": ("", "peak of the finder on the output over its noise on blanks"),
    "snr_forced": ("", "forced flux on the input over its error"),
    "dchi2_pair": ("", "chi2 of one PSF less that of two, on the input"),
    "flux_in": ("", "forced flux on the input"),
    "flux_out": ("", "forced flux on H(output)"),
    "flux_err": ("", "1 sigma photon error of flux_in"),
    "dx": ("mas", "shift from input to H(output) along x"),
    "dy": ("mas", "shift from input to H(output) along y"),
    "blobness": ("", "smaller over larger curvature of the peak"),
    "label": ("", "POINT, KNOT or ARC"),
    "verdict": ("", "MATCHED, RESOLVED, AMBIG, HALLUC or LOST"),
}
"""Columns of the ``SOURCES`` table: unit and meaning."""


def rows_of(found: Catalog, pair: Pair) -> Rows:
    """Make the ``SOURCES`` table: brightest first, in the units of the cutout, with sky positions."""
    order = np.argsort(-np.nan_to_num(np.asarray(found.columns["snr_forced"], np.float64)), kind="stable")
    columns = {name: values[order] for name, values in found.columns.items()}
    ra, dec = sky_positions(pair.cutout, np.asarray(columns["x"]), np.asarray(columns["y"]))
    columns |= {"id": np.arange(1, order.size + 1, dtype=np.int32), "ra": ra, "dec": dec}
    for name in ("flux_in", "flux_out", "flux_err"):
        columns[name] = np.asarray(columns[name]) * pair.noise.level
    per_pixel = 1000.0 * (pair.cutout.pixel_scale.value or math.nan)
    for name in ("dx", "dy"):
        columns[name] = np.asarray(columns[name]) * per_pixel
    units = {name: unit for name, (unit, _) in COLUMNS.items() if unit}
    unit = pair.cutout.unit.value
    if unit:
        if pair.cutout.amplitude.value == "surface brightness":
            unit = f"pix {unit}"
        units |= dict.fromkeys(("flux_in", "flux_out", "flux_err"), unit)
    return Rows({name: columns[name] for name in COLUMNS}, units, _descriptions())


def empty_rows() -> Rows:
    """Make a ``SOURCES`` table without rows."""
    kinds = {"id": np.int32, "label": "U5", "verdict": "U8"}
    columns = {name: np.zeros(0, kinds.get(name, np.float64)) for name in COLUMNS}
    units = {name: unit for name, (unit, _) in COLUMNS.items() if unit}
    return Rows(columns, units, _descriptions())


def _descriptions() -> dict[str, str]:
    return {name: meaning for name, (_, meaning) in COLUMNS.items()}
