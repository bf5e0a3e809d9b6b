"""Files with one HDU per plane: SCI, ERR, DQ; IMAGE, MASK, VARIANCE; and other such names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lensproc.fits.dialects.planes import Defaults, Dialect, Planes, VarianceKind, facts, images, named

if TYPE_CHECKING:
    from astropy.io.fits import Header

SCIENCE = ("SCI", "SCIENCE", "IMAGE", "FLUX", "DATA")
ERRORS: dict[str, VarianceKind] = {
    "ERR": "sigma",
    "ERROR": "sigma",
    "RMS": "sigma",
    "SIGMA": "sigma",
    "UNCERT": "sigma",
    "VARIANCE": "variance",
    "VAR": "variance",
    "INVVAR": "inverse variance",
    "IVAR": "inverse variance",
    "IVM": "inverse variance",
}
"""What planes of these names hold; first hit."""
UNCERTAINTIES: dict[str, VarianceKind] = {
    "StdDevUncertainty": "sigma",
    "VarianceUncertainty": "variance",
    "InverseVariance": "inverse variance",
}
"""What the card UTYPE says of an error plane that astropy's CCDData wrote."""
MASKS = ("DQ", "MASK", "MSK", "MASKBITS", "FLAGS", "BADPIX")
WEIGHTS = ("WHT", "WEIGHT", "WGT")


def science_hdus(headers: Sequence[Header]) -> list[int]:
    """Return the images of the first science name that occurs, else the first image of all."""
    return named(headers, *SCIENCE) or images(headers)[:1]


def partner(headers: Sequence[Header], science: int, *names: str) -> int | None:
    """Return the plane of one of these names that belongs to an image: the same EXTVER, and the same shape."""
    known = facts(headers)
    image = known[science]
    for name in names:
        for i, fact in enumerate(known):
            same = fact.name == name and fact.shape[-2:] == image.shape[-2:] and fact.version == image.version
            if same and i != science and fact.has_pixels:
                return i
    return None


def companions(
    headers: Sequence[Header], science: int, defaults: Defaults | None = None, plane: int | None = None
) -> Planes:
    """Return an image with the planes whose names tell what they are.

    A weight (WHT) is used only where a card WHT_TYPE of its header says that it is an inverse variance: most are
    exposure times.
    """
    variance = partner(headers, science, *ERRORS)
    kind: VarianceKind = "variance"
    if variance is not None:
        said = str(headers[variance].get("UTYPE", ""))
        kind = UNCERTAINTIES.get(said) or ERRORS[facts(headers)[variance].name]
    dropped: list[str] = []
    weight = partner(headers, science, *WEIGHTS)
    if weight is not None:
        if variance is None and is_inverse_variance(headers[weight]):
            variance, kind = weight, "inverse variance"
        else:
            why = "the errors are taken" if variance is not None else "not known to be an inverse variance"
            dropped.append(f"{facts(headers)[weight].name} (weights: {why})")
    psf = named(headers, "PSF")
    return Planes(
        science,
        plane=plane,
        variance=variance,
        variance_kind=kind,
        mask=partner(headers, science, *MASKS),
        psf=psf[0] if psf else None,
        defaults=defaults or Defaults(),
        used=() if weight is None else (weight,),
        dropped=tuple(dropped),
    )


def is_inverse_variance(header: Header) -> bool:
    """Tell whether a weight plane says of itself that it is an inverse variance."""
    words = " ".join(str(header.get(key, "")) for key in ("WHT_TYPE", "WHTTYPE", "WGHTTYPE", "WEIGHT_TYPE"))
    return any(word in words.upper() for word in ("IVM", "INVVAR", "IVAR", "ERR", "INVERSE VARIANCE"))


def sniff(headers: Sequence[Header]) -> float:
    """Sure where a science plane and another known one are named."""
    names = {facts(headers)[i].name for i in images(headers)}
    others = names & ({*ERRORS, *MASKS, *WEIGHTS})
    return 0.4 if names & set(SCIENCE) and others else 0.2 if names & set(SCIENCE) else 0.0


def read(headers: Sequence[Header]) -> list[Planes]:
    """Return one image per science plane."""
    return [companions(headers, i) for i in science_hdus(headers)]


DIALECT = Dialect("multi-extension", sniff, read)
