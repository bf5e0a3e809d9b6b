"""From pixels as FITS stores them to float32 and bit masks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lensproc.fits.dialects.planes import VarianceKind
from lensproc.fits.headers import number

if TYPE_CHECKING:
    from astropy.io.fits import Header

ASINH_MAGNITUDE = 2.5 * math.log10(math.e)


def physical(raw: NDArray[Any], header: Header) -> NDArray[np.float64] | NDArray[np.float32]:
    """Scale stored pixels: BZERO + BSCALE × value, NaN where an integer is BLANK (FITS 4.0, section 5.2).

    Returns
    -------
    ndarray
        float32 for float32 that is stored as it is, else float64; a fresh array in the machine's byte order.
    """
    scale, zero = number(header, "BSCALE"), number(header, "BZERO")
    scale, zero = 1.0 if scale is None else scale, 0.0 if zero is None else zero
    if raw.dtype.kind == "f":
        if scale != 1.0 or zero != 0.0:
            return raw.astype(np.float64) * scale + zero
        return raw.astype(np.float32) if raw.dtype.itemsize == 4 else raw.astype(np.float64)
    result = raw.astype(np.float64) * scale + zero
    blank = number(header, "BLANK")
    if blank is not None:
        result[raw == int(blank)] = np.nan
    return result


def linear(values: NDArray[Any], header: Header) -> NDArray[Any]:
    """Undo the asinh scaling of Pan-STARRS stacks: BOFFSET + 2 BSOFTEN sinh(v / 1.0857).

    Notes
    -----
    Waters et al. 2020 (ApJS 251, 4), on stack images: v = 2.5 log10(e) asinh((flux - BOFFSET) / (2 BSOFTEN)).
    """
    soften, offset = number(header, "BSOFTEN"), number(header, "BOFFSET")
    if soften is None or offset is None:
        return values
    with np.errstate(over="ignore"):
        result: NDArray[Any] = offset + 2.0 * soften * np.sinh(values.astype(np.float64) / ASINH_MAGNITUDE)
    return result


def as_float32(values: NDArray[Any]) -> NDArray[np.float32]:
    """Return values as contiguous float32; what is infinite, or too large for it, becomes NaN."""
    with np.errstate(over="ignore", invalid="ignore"):
        result = np.ascontiguousarray(values, np.float32)
    infinite = np.isinf(result)
    return np.where(infinite, np.float32(np.nan), result) if infinite.any() else result


def as_variance(
    values: NDArray[Any], kind: VarianceKind, no_data: float | None
) -> NDArray[np.float32] | None:
    """Turn errors into variances; infinite where they say that there is no measurement.

    Parameters
    ----------
    values : ndarray, shape (ny, nx)
        The error plane.
    kind : str
        ``variance``, ``sigma`` or ``inverse variance``.
    no_data : float or None
        Values from this one up mean "no data".

    Returns
    -------
    ndarray, shape (ny, nx), float32, or None
        None where no pixel has an error.
    """
    wide = values.astype(np.float64)
    with np.errstate(invalid="ignore"):
        good = np.isfinite(wide) & (wide > 0)
        if no_data is not None:
            good &= wide < no_data
    if not good.any():
        return None
    result = np.full(wide.shape, np.inf)
    if kind == "sigma":
        result[good] = wide[good] ** 2
    elif kind == "inverse variance":
        result[good] = 1.0 / wide[good]
    else:
        result[good] = wide[good]
    # what float32 cannot tell from zero or from infinity is no variance
    with np.errstate(over="ignore", under="ignore"):
        narrow = result.astype(np.float32)
    narrow[narrow == 0] = np.inf
    return None if np.isinf(narrow).all() else narrow


def as_mask(raw: NDArray[Any], header: Header) -> NDArray[np.uint32]:
    """Return a bit mask as uint32; what is no number becomes bit 0."""
    scale, zero = number(header, "BSCALE") or 1.0, number(header, "BZERO") or 0.0
    if raw.dtype.kind == "f":
        flags = np.where(np.isfinite(raw), raw, 1.0) * scale + zero
        return (flags.astype(np.int64) & 0xFFFFFFFF).astype(np.uint32)
    wide = raw.astype(np.int64)
    if scale != 1.0:
        wide = (wide * scale).astype(np.int64)
    return ((wide + int(zero)) & 0xFFFFFFFF).astype(np.uint32)
