"""Whether two outcomes of a stage agree, and whether one is finite."""

from __future__ import annotations

import math

import numpy as np

from lensproc.enhanced import Rows, Value
from lensproc.testing.result import CheckFailedError
from lensproc.testing.subject import Outcome

PIXEL_TOLERANCE = 1e-6
"""Largest difference of pixels across batch sizes, relative to the largest value."""
VALUE_TOLERANCE = 1e-4
"""Largest relative difference of numbers across batch sizes."""


def require_same(found: Outcome, expected: Outcome, what: str, exact: bool = False) -> None:
    """Raise `CheckFailedError` where two outcomes differ.

    Parameters
    ----------
    found, expected : Outcome
        What is compared.
    what : str
        How they came about, in words.
    exact : bool
        Bit for bit instead of within the tolerances of this module.
    """
    if found.failed != expected.failed:
        raise CheckFailedError(f"{what}: failed={found.failed!r}, expected {expected.failed!r}")
    for name in ("image", "uncertainty"):
        _same_pixels(getattr(found, name), getattr(expected, name), f"{what}: {name}", exact)
    for kind in ("values", "tables", "planes"):
        one, other = getattr(found, kind), getattr(expected, kind)
        if set(one) != set(other):
            raise CheckFailedError(f"{what}: {kind} {sorted(one)}, expected {sorted(other)}")
    for name, plane in expected.planes.items():
        _same_pixels(found.planes[name].data, plane.data, f"{what}: plane {name}", exact)
    for name, value in expected.values.items():
        _same_value(found.values[name], value, f"{what}: {name}", exact)
    for name, rows in expected.tables.items():
        _same_rows(found.tables[name], rows, f"{what}: table {name}", exact)


def _same_pixels(found: object, expected: object, what: str, exact: bool) -> None:
    if found is None or expected is None:
        if found is not expected:
            raise CheckFailedError(f"{what} was given in one case only")
        return
    one, other = np.asarray(found), np.asarray(expected)
    if one.shape != other.shape:
        raise CheckFailedError(f"{what} has shape {one.shape}, expected {other.shape}")
    if np.array_equal(one, other, equal_nan=True):
        return
    peak = float(np.nanmax(np.abs(other), initial=0.0)) or 1.0
    apart = float(np.nanmax(np.abs(one.astype(np.float64) - other), initial=0.0)) / peak
    nans = int((np.isnan(one) != np.isnan(other)).sum())
    if exact or nans or apart > PIXEL_TOLERANCE:
        allowed = "bit for bit" if exact else f"at most {PIXEL_TOLERANCE:g}"
        extra = f", and {nans} pixels are NaN in one only" if nans else ""
        raise CheckFailedError(f"{what} differs by {apart:.3g} of the peak, expected {allowed}{extra}")


def _same_value(found: Value, expected: Value, what: str, exact: bool) -> None:
    one, other = found.value, expected.value
    if one == other:
        return
    numbers = isinstance(one, int | float) and isinstance(other, int | float)
    if numbers and not exact and math.isclose(float(one or 0), float(other or 0), rel_tol=VALUE_TOLERANCE):
        return
    raise CheckFailedError(f"{what} is {one!r}, expected {other!r}")


def _same_rows(found: Rows, expected: Rows, what: str, exact: bool) -> None:
    if set(found.columns) != set(expected.columns) or len(found) != len(expected):
        raise CheckFailedError(f"{what} has other columns or another length")
    for name, column in expected.columns.items():
        one = found.columns[name]
        same = np.array_equal(one, column)
        if not same and not exact and np.issubdtype(column.dtype, np.floating):
            same = np.allclose(one, column, rtol=VALUE_TOLERANCE, atol=0.0, equal_nan=True)
        if not same:
            raise CheckFailedError(f"{what}: column {name} differs")


def require_finite(outcome: Outcome, what: str) -> None:
    """Raise `CheckFailedError` where pixels, uncertainties or numbers are not finite."""
    planes = {"image": outcome.image, "uncertainty": outcome.uncertainty}
    planes |= {f"plane {name}": plane.data for name, plane in outcome.planes.items()}
    for name, pixels in planes.items():
        if pixels is not None and not np.isfinite(pixels).all():
            count = int((~np.isfinite(pixels)).sum())
            raise CheckFailedError(f"{what}: {count} of {pixels.size} pixels of the {name} are not finite")
    if outcome.uncertainty is not None and (outcome.uncertainty < 0).any():
        raise CheckFailedError(f"{what}: the uncertainty is negative in places")
    for name, value in outcome.values.items():
        if isinstance(value.value, float) and not math.isfinite(value.value):
            raise CheckFailedError(f"{what}: {name} is {value.value}; say None where there is no value")
