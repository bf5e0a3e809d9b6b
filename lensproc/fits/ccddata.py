"""``CCDData`` as HDUs: unit, WCS with its look-up tables, mask, errors, PSF, and what of `meta` FITS can hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lensproc.enhanced import Activity, Enhanced

if TYPE_CHECKING:
    from astropy.io.fits import HDUList, Header
    from astropy.nddata import CCDData

ENHANCED = "lensproc"
"""Entry of `meta` under which a result of lensproc keeps what was done to it."""


@dataclass(frozen=True)
class CCDHDUs:
    """A ``CCDData`` as it would lie in a file.

    Parameters
    ----------
    hdus : astropy.io.fits.HDUList
        The image, and MASK, UNCERT, PSF and look-up tables where it has them.
    dropped : tuple of str
        What FITS cannot hold.
    history : tuple of Activity
        What lensproc did to it before, where it is a result of lensproc.
    synthetic : bool
        True where a generative stage took part in that.
    """

    hdus: HDUList
    dropped: tuple[str, ...]
    history: tuple[Activity, ...]
    synthetic: bool


def ccd_hdus(ccd: CCDData) -> CCDHDUs:
    """Lay a ``CCDData`` out as HDUs, leaving it as it is.

    Raises
    ------
    ValueError, TypeError, KeyError
        For planes that cannot be laid out, as astropy has it.

    Notes
    -----
    ``CCDData.to_hdu`` alone would refuse `meta` that is no header, lose the look-up tables of the WCS, and write
    errors in their own unit.
    """
    from astropy.io import fits
    from astropy.nddata import CCDData

    header, left_out = fits_cards(ccd.meta)
    uncertainty = ccd.uncertainty
    if uncertainty is not None and uncertainty.unit is not None:
        uncertainty = type(uncertainty)(uncertainty.quantity.to(_error_unit(uncertainty, ccd.unit)).value)
    tables: list[Any] = []
    if ccd.wcs is not None:
        sky = ccd.wcs.to_fits(relax=True)
        header.extend(sky[0].header, useblanks=False, update=True, strip=True)
        tables = list(sky[1:])
    plain = CCDData(
        ccd.data, unit=ccd.unit, mask=ccd.mask, uncertainty=uncertainty, psf=ccd.psf, meta=header, copy=False
    )
    hdus = plain.to_hdu(hdu_psf="PSF" if ccd.psf is not None else None)
    if isinstance(hdus[0], fits.PrimaryHDU):
        hdus.extend(tables)
    before = ccd.meta.get(ENHANCED)
    known = isinstance(before, Enhanced)
    return CCDHDUs(
        hdus,
        (f"meta of CCDData that FITS cannot hold: {', '.join(left_out)}",) if left_out else (),
        before.activities if known else (),
        bool(known and before.synthetic),
    )


def fits_cards(meta: Mapping[str, Any]) -> tuple[Header, list[str]]:
    """Return the entries of `meta` that can be header cards, and the names of those that cannot."""
    from astropy.io.fits import Header

    if isinstance(meta, Header):
        return meta.copy(), []
    header, left_out = Header(), []
    for name, value in meta.items():
        if _is_card(name, value):
            header[name if len(name) <= 8 else f"HIERARCH {name}"] = value
        elif not isinstance(value, Enhanced):
            left_out.append(str(name))
    return header, left_out


def _is_card(name: object, value: object) -> bool:
    if not (isinstance(name, str) and name.isascii() and name.replace("_", "").replace("-", "").isalnum()):
        return False
    if isinstance(value, str):
        return value.isascii() and value.isprintable() and len(name) + len(value) <= 60
    if isinstance(value, float | np.floating):
        return math.isfinite(value)
    return value is None or isinstance(value, bool | int | np.bool_ | np.integer)


def _error_unit(uncertainty: Any, unit: Any) -> Any:
    """Return the unit of an uncertainty of data in `unit`: the same, its square, or one over that."""
    return {"std": unit, "var": unit**2, "ivar": unit**-2}.get(uncertainty.uncertainty_type, uncertainty.unit)
