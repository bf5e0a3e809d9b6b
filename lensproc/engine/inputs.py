"""Anything a pipeline accepts, as cutouts."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lensproc.contract.registry import Registry
from lensproc.cutout import Cutout
from lensproc.errors import InputError, UsageError
from lensproc.fits.dialects import Dialect, builtin_dialects
from lensproc.fits.read import ReadOptions, from_ccddata, read, read_hdulist

if TYPE_CHECKING:
    from astropy.io.fits import HDUList
    from astropy.nddata import CCDData


def dialects_of(registry: Registry) -> list[Dialect]:
    """Return the dialects that come with lensproc and those that plugins register."""
    dialects = list(builtin_dialects())

    def register(name: str, sniff: Any, read: Any) -> None:
        dialects.append(Dialect(name, sniff, read))

    registry.collect("lensproc_register_readers", register=register)
    return dialects


def read_input(
    item: str | os.PathLike[str] | Cutout | CCDData | HDUList,
    options: ReadOptions,
    dialects: list[Dialect] | None = None,
) -> list[Cutout]:
    """Return the cutouts of a path, `Cutout`, `CCDData` or `HDUList`, one per band.

    Raises
    ------
    InputError
        For anything that cannot be read.
    """
    from astropy.io.fits import HDUList
    from astropy.nddata import CCDData

    if isinstance(item, Cutout):
        return [item]
    if isinstance(item, str | os.PathLike):
        return read(os.fspath(item), options, dialects)
    if isinstance(item, HDUList):
        return read_hdulist(item, options, dialects)
    if isinstance(item, CCDData):
        return [from_ccddata(item, options)]
    raise InputError(
        f"an input is a path, HDUList, CCDData or Cutout, not {type(item).__name__}",
        remedy="wrap arrays in CCDData with their unit and WCS",
    )


def describe_read_options(options: ReadOptions) -> dict[str, Any]:
    """Return reading options as JSON types without any path: a PSF file by its base name and SHA-256."""
    record: dict[str, Any] = {
        "bands": list(options.bands),
        "pixel_scale": options.pixel_scale,
        "pixel_units": options.pixel_units,
        "zeropoint": options.zeropoint,
        "psf": options.psf,
        "lens_center": list(options.lens_center) if options.lens_center else None,
    }
    if options.psf and Path(options.psf).is_file():
        record["psf"] = f"{Path(options.psf).name} sha256:{_sha256_of(options.psf)}"
    return {name: value for name, value in record.items() if value not in (None, [])}


@lru_cache(maxsize=8)
def _sha256_of(path: str) -> str:
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(f"PSF file cannot be read: {error.strerror}", file=Path(path).name) from None
