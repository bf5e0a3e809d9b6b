"""What lensproc wrote itself: SCI, ERR, DQ with its bits named, and the history in LENSPROC."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lensproc.fits.dialects.multi import partner
from lensproc.fits.dialects.planes import Dialect, Planes, named
from lensproc.fits.psf import WIDTH_CARDS

if TYPE_CHECKING:
    from astropy.io.fits import Header


def sniff(headers: Sequence[Header]) -> float:
    """Sure of the card that says how lensproc laid the file out."""
    return 1.0 if "LPSCHEMA" in headers[0] and named(headers, "SCI") else 0.0


def read(headers: Sequence[Header]) -> list[Planes]:
    """Return SCI with ERR (1σ), DQ and PSF. PRIMARY speaks of the run that made the file, not of the sky."""
    science = named(headers, "SCI")[0]
    mask = partner(headers, science, "DQ")
    bits: dict[str, int] = {}
    bad = 0xFFFFFFFF
    if mask is not None:
        header = headers[mask]
        bits = {str(header[key]): int(key[5:]) for key in header if re.fullmatch(r"DQBIT\d\d", key)}
        bad = int(header.get("DQBAD", bad))
    told = "PSF_FWHM" in headers[science]
    widths = [] if told else [key for key in WIDTH_CARDS if key in headers[science]]
    warning = f"{', '.join(widths)}: of the input image; stages may have changed the PSF since"
    return [
        Planes(
            science,
            variance=partner(headers, science, "ERR"),
            variance_kind="sigma",
            mask=mask,
            mask_bits=bits,
            bad_bits=bad,
            psf=next(iter(named(headers, "PSF")), None),
            inherit=False,
            warnings=(warning,) if widths else (),
        )
    ]


DIALECT = Dialect("lensproc", sniff, read)
