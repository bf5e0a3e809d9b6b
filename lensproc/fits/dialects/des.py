"""SCI, MSK, WGT as the Dark Energy Survey writes them; WGT is an inverse variance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lensproc.fits.dialects.multi import partner
from lensproc.fits.dialects.planes import Defaults, Dialect, Planes, bits, facts, images, named

if TYPE_CHECKING:
    from astropy.io.fits import Header

DEFAULTS = Defaults(unit="adu", zeropoint=30.0, psf_fwhm=0.95)
"""Coadds have 30 mag per count; median seeing 0.9 to 1.1 arcsec (Abbott et al. 2021, ApJS 255, 20)."""
MASK_BITS = {
    name: number
    for number, name in enumerate(
        [
            "BPM",
            "SATURATE",
            "INTERP",
            "BADAMP",
            "CRAY",
            "STAR",
            "TRAIL",
            "EDGEBLEED",
            "SSXTALK",
            "EDGE",
            "STREAK",
            "SUSPECT",
            "FIXED",
            "NEAREDGE",
            "TAPEBUMP",
        ]
    )
}
"""Morganson et al. 2018 (PASP 130, 074501), table 4."""
BAD = ("BPM", "SATURATE", "BADAMP", "CRAY", "TRAIL", "EDGEBLEED", "EDGE", "STREAK")


def sniff(headers: Sequence[Header]) -> float:
    """Sure where an image comes with MSK and WGT."""
    names = {facts(headers)[i].name for i in images(headers)}
    return 0.85 if "SCI" in names and names & {"MSK", "WGT"} else 0.0


def read(headers: Sequence[Header]) -> list[Planes]:
    """Return one image per SCI."""
    psf = named(headers, "PSF")
    return [
        Planes(
            i,
            variance=partner(headers, i, "WGT"),
            variance_kind="inverse variance",
            mask=partner(headers, i, "MSK"),
            mask_bits=MASK_BITS,
            bad_bits=bits(MASK_BITS, BAD),
            psf=psf[0] if psf else None,
            defaults=DEFAULTS,
        )
        for i in named(headers, "SCI")
    ]


DIALECT = Dialect("des", sniff, read)
