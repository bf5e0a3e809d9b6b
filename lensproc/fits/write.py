"""Enhanced FITS: PRIMARY with what lensproc says, SCI, ERR, DQ, what stages and checks give, and ``LENSPROC``."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lensproc.contract import API
from lensproc.enhanced import Activity, Enhanced, Plane, Scalar
from lensproc.errors import LensprocError, OutputError
from lensproc.fits.atomic import atomic_write
from lensproc.fits.cards import doubled_matrix, science_cards, sky_cards
from lensproc.fits.provenance import TABLE, activity_rows, latest_run, run_id, timestamp
from lensproc.fits.serialise import (
    card,
    hdu_bytes,
    history,
    image_bytes,
    join_cards,
    value_cards,
)
from lensproc.fits.table import table_bytes

if TYPE_CHECKING:
    from astropy.io.fits import HDUList

SCHEMA = 1
"""Version of the layout of an output (LPSCHEMA)."""
RESERVED = {"PRIMARY", "SCI", "ERR", "DQ", "PSF", "UNCERT", "SOURCES", "WCSDVARR", "D2IMARR", TABLE}
"""Extensions that only the core writes."""


def write_enhanced(enhanced: Enhanced, path: Path, sync: bool = True, replace: bool = True) -> None:
    """Write a result in one step: the file is whole, or as it was.

    Parameters
    ----------
    enhanced : Enhanced
        The result.
    path : Path
        The file.
    sync : bool
        Wait until the bytes are on the disk.
    replace : bool
        Replace an existing file.

    Raises
    ------
    FileExistsError
        Where the file is there and is not to be replaced.
    OutputError
        Where it cannot be written; the error names the input.
    """
    try:
        atomic_write(Path(path), enhanced_to_bytes(enhanced), sync, replace)
    except LensprocError as error:
        raise error.about(enhanced.original.source.file) from None


def enhanced_to_hdulist(enhanced: Enhanced) -> HDUList:
    """Return what `write_enhanced` would write as an ``astropy.io.fits.HDUList``."""
    from astropy.io import fits

    return fits.open(io.BytesIO(enhanced_to_bytes(enhanced)))


def enhanced_to_bytes(enhanced: Enhanced) -> bytes:
    """Return the bytes of an output file.

    Raises
    ------
    OutputError
        For a column or value that FITS cannot hold.
    """
    try:
        return b"".join(_hdus(enhanced))
    except (TypeError, ValueError, UnicodeEncodeError) as error:
        file = enhanced.original.source.file
        raise OutputError(f"cannot be put into FITS: {error}", file=file) from error


def _hdus(enhanced: Enhanced) -> Iterator[bytes]:
    _check_names(enhanced)
    image = enhanced.image
    unit = image.unit.value
    doubled = doubled_matrix(image.header)
    yield hdu_bytes(primary_cards(enhanced, doubled))
    psf = image.psf.value
    width = "" if psf is None else card("PSF_FWHM", float(psf.fwhm), "[pix] width of the PSF of this image")
    without = (*doubled, "PSF_FWHM") if psf is not None else doubled
    cards = width + science_cards(image.header, without)
    yield image_bytes(image.data, cards, "SCI", unit, "enhanced image")
    if image.variance is not None:
        with np.errstate(invalid="ignore"):  # a negative variance has no sigma: NaN
            sigma = np.sqrt(image.variance)
        yield image_bytes(sigma, "", "ERR", unit, "1 sigma error")
    yield image_bytes(image.mask, dq_cards(enhanced), "DQ", None, "bit mask; 0 is good")
    if psf is not None and psf.image is not None:
        yield image_bytes(psf.image, "", "PSF", None, "PSF of SCI on its pixels, sums to 1")
    if enhanced.uncertainty is not None:
        yield image_bytes(enhanced.uncertainty, "", "UNCERT", unit, "1 sigma uncertainty of the model")
    for name, plane in enhanced.planes.items():
        cards = _plane_cards(enhanced, plane)
        yield image_bytes(plane.data, cards, name, plane.unit or None, plane.description)
    if enhanced.sources is not None:
        yield table_bytes(enhanced.sources, "SOURCES", "point sources")
    for name, rows in enhanced.tables.items():
        yield table_bytes(rows, name)
    for table in image.distortion:
        number = card("EXTVER", table.extver)
        yield image_bytes(
            np.asarray(table.data, np.float32), number + science_cards(table.header), table.name
        )
    yield table_bytes(activity_rows(enhanced.activities), TABLE, "what was done, by whom")


def _check_names(enhanced: Enhanced) -> None:
    """Refuse planes and tables that would take each other's name, or one of the core's.

    Raises
    ------
    ValueError
        Naming them.
    """
    names = [name.upper() for name in (*enhanced.planes, *enhanced.tables)]
    clashes = sorted({name for name in names if name in RESERVED or names.count(name) > 1})
    if clashes:
        raise ValueError(f"{', '.join(clashes)}: two extensions of one name")


def _plane_cards(enhanced: Enhanced, plane: Plane) -> str:
    if plane.scale is None:
        return "" if plane.header is None else science_cards(plane.header)
    if plane.scale == enhanced.scale:
        return sky_cards(enhanced.image.header)
    if plane.scale == 1:
        return sky_cards(enhanced.original.header)
    from lensproc.fits.resample_header import resample_header

    resampled = resample_header(enhanced.original.header, plane.scale, shape=enhanced.original.shape)
    return sky_cards(resampled.header)


def dq_cards(enhanced: Enhanced) -> str:
    """Cards that name the bits of the mask, and which of them mean that a pixel is not to be used."""
    image = enhanced.image
    bits = sorted(image.mask_bits.items(), key=lambda item: item[1])
    cards = [card(f"DQBIT{number:02d}", name, f"bit {number} = {1 << number}") for name, number in bits]
    bad = image.bad_bits & 0xFFFFFFFF
    return "".join([*cards, card("DQBAD", bad, "bits that mean: do not use this pixel")])


def primary_cards(enhanced: Enhanced, doubled: tuple[str, ...] = ()) -> str:
    """Cards of PRIMARY: what lensproc says of the file, the checks, what stages say, and one HISTORY per stage."""
    from lensproc import __version__

    source = enhanced.original.source
    stages = latest_run(enhanced.activities).stages
    items: list[tuple[str, Scalar, str]] = [
        ("SIMPLE", True, "conforms to FITS"),
        ("BITPIX", 8, ""),
        ("NAXIS", 0, "no data here; the image is in SCI"),
        ("EXTEND", True, ""),
        ("LPVER", __version__, "version of lensproc"),
        ("LPAPI", API, "contract between core and plugins"),
        ("LPSCHEMA", SCHEMA, "layout of this file"),
        ("LPRUNID", run_id(source.sha256, enhanced.config_sha256), "from input and configuration"),
        ("LPDATE", timestamp(), "UTC"),
        ("LPINFILE", source.file, "input file"),
        ("LPINEXT", source.hdu, "image in the input file"),
        ("LPINSHA", source.sha256, ""),
        ("LPINDSUM", source.datasum, "DATASUM of the input image"),
        ("LPCFGSHA", enhanced.config_sha256, ""),
        ("LPNSTAGE", len(stages), "number of stages"),
        ("LPSCALE", float(enhanced.scale), "output pixels per input pixel"),
        ("LPFLUXCV", enhanced.flux_factor, "values were multiplied by this to keep flux"),
        ("LPVARCV", enhanced.variance_factor, "variances were multiplied by this"),
        ("LPSTATUS", enhanced.status, "OK, or PARTIAL where a stage failed"),
        ("LPSYNTH", enhanced.synthetic, "T: a stage may have drawn structure"),
    ]
    for number, activity in enumerate(stages, start=1):
        weights = activity.wsha256.split(",")[0]
        items += [
            (f"LP{number:02d}ID", activity.id, f"stage {number}"),
            (f"LP{number:02d}PKG", f"{activity.dist}=={activity.distver}", ""),
            (f"LP{number:02d}WSHA", weights, "" if weights else "no weights"),
            (f"LP{number:02d}STAT", activity.status, ""),
        ]
    lines = [history_line(activity) for activity in enhanced.activities if activity.kind != "core"]
    lines += [f"lensproc: checks: {a.message}" for a in enhanced.activities if a.id == "checks" and a.message]
    dropped = list(enhanced.image.dropped)
    if doubled:
        dropped.append(f"{', '.join(doubled)}: the CD cards say the same, and both are against the standard")
    lines += [f"lensproc: not carried over: {what}" for what in dropped]
    core = {keyword for keyword, _, _ in items}
    return "".join(
        [
            join_cards(items),
            value_cards({**enhanced.qa, **enhanced.values}, core),
            *map(history, lines),
        ]
    )


@lru_cache(maxsize=256)
def _options_in_words(options: str) -> str:
    return ", ".join(f"{name}={value}" for name, value in json.loads(options).items())


def history_line(activity: Activity) -> str:
    """One line on a stage: which, from what package, on what device, with what options."""
    line = f"lensproc: {activity.id} ({activity.dist} {activity.distver}) on {activity.device}"
    options = _options_in_words(activity.options)
    line += f": {options}" if options else ""
    return line if activity.status == "OK" else f"{line}: {activity.status}: {activity.message}"
