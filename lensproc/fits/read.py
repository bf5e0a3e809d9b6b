"""Read FITS cutouts of any survey: one `Cutout` per band."""

from __future__ import annotations

import dataclasses
import io
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lensproc.cutout import Cutout
from lensproc.errors import InputError
from lensproc.fits.dialects import Dialect
from lensproc.fits.opening import collected_warnings, open_bytes, read_bytes
from lensproc.fits.options import ReadOptions
from lensproc.fits.reading import Reading
from lensproc.fits.resolve import check_options

if TYPE_CHECKING:
    from astropy.io.fits import HDUList
    from astropy.nddata import CCDData

__all__ = ["ReadOptions", "from_ccddata", "read", "read_hdulist", "read_raw"]


def read(
    path: str | os.PathLike[str],
    options: ReadOptions | None = None,
    dialects: Sequence[Dialect] | None = None,
) -> list[Cutout]:
    """Read a FITS file.

    Parameters
    ----------
    path : str or PathLike
        The file; gzip, bzip2 and tile compression are undone.
    options : ReadOptions, optional
        What the user says of the file.
    dialects : sequence of Dialect, optional
        Readers to choose from; by default those that come with lensproc.

    Returns
    -------
    list of Cutout
        One per band, in the order of the file.

    Raises
    ------
    InputError
        For a file that cannot be used, with its name, the reason and what to do.
    UsageError
        For options that make no sense.
    """
    return read_raw(read_bytes(path), os.path.basename(os.fspath(path)), options, dialects)


def read_raw(
    raw: bytes, file: str, options: ReadOptions | None = None, dialects: Sequence[Dialect] | None = None
) -> list[Cutout]:
    """Read the bytes of a FITS file, for those who fetch them by themselves.

    Parameters
    ----------
    raw : bytes
        The file's content, compressed or not.
    file : str
        Base name of the file.
    options, dialects
        As in `read`.

    Raises
    ------
    InputError, UsageError
        As `read`.
    """
    options = options or ReadOptions()
    check_options(options)
    return Reading(open_bytes(raw, file), options, file).cutouts(dialects)


def read_hdulist(
    hdulist: HDUList,
    options: ReadOptions | None = None,
    dialects: Sequence[Dialect] | None = None,
    file: str = "<memory>",
) -> list[Cutout]:
    """Read an open ``HDUList``, as if it had been written to a file; it is left as it is.

    Raises
    ------
    InputError, UsageError
        As `read`.
    """
    from astropy.io import fits

    options = options or ReadOptions()
    check_options(options)
    buffer = io.BytesIO()
    try:
        with collected_warnings() as odd:
            fits.HDUList([hdu.copy() for hdu in hdulist]).writeto(buffer, output_verify="silentfix")
    except (OSError, ValueError, TypeError, fits.VerifyError) as error:
        raise InputError(f"cannot be written as FITS: {' '.join(str(error).split())}", file=file) from None
    opened = open_bytes(buffer.getvalue(), file)
    opened = dataclasses.replace(opened, warnings=(*odd, *opened.warnings))
    return Reading(opened, options, file).cutouts(dialects)


def from_ccddata(ccd: CCDData, options: ReadOptions | None = None) -> Cutout:
    """Read a ``CCDData``: its unit, WCS, mask (True is bad), uncertainty and PSF.

    Entries of `meta` that are no header cards are left out, and said; a result of lensproc keeps its history.

    Raises
    ------
    InputError, UsageError
        As `read`.
    """
    from lensproc.fits.ccddata import ccd_hdus

    file = "<memory>"
    try:
        with collected_warnings():
            laid_out = ccd_hdus(ccd)
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"CCDData cannot be read: {' '.join(str(error).split())}", file=file) from None
    cutout = read_hdulist(laid_out.hdus, options, file=file)[0]
    return cutout.replace(
        dropped=(*laid_out.dropped, *cutout.dropped),
        history=laid_out.history or cutout.history,
        synthetic=laid_out.synthetic or cutout.synthetic,
    )
