"""What a dialect says of a file: which HDU is what. The core reads the pixels and resolves the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from lensproc.cutout import Amplitude

if TYPE_CHECKING:
    from astropy.io.fits import Header

VarianceKind = Literal["variance", "sigma", "inverse variance"]


@dataclass(frozen=True)
class Defaults:
    """What is taken where neither an option nor a header says it.

    Parameters
    ----------
    unit : str or None
        FITS unit string of the science pixels.
    amplitude : str or None
        ``flux`` or ``surface brightness`` where the unit does not say which.
    zeropoint : float or None
        AB magnitude of one unit.
    zeropoint_source : str
        Where `zeropoint` comes from, where that is more than the dialect's habit.
    psf_fwhm : float or None
        Typical full width at half maximum [arcsec].
    """

    unit: str | None = None
    amplitude: Amplitude | None = None
    zeropoint: float | None = None
    zeropoint_source: str = ""
    psf_fwhm: float | None = None


@dataclass(frozen=True)
class Planes:
    """One band of a file: numbers of its HDUs and what they hold.

    Parameters
    ----------
    science : int
        HDU of the image.
    plane : int or None
        Plane of `science`, and of every other HDU that is a cube too, counted from 0; None for a 2-D image.
    variance : int or None
        HDU of the errors.
    variance_kind : str
        ``variance``, ``sigma`` (1σ errors) or ``inverse variance``.
    no_data : float or None
        Values of the error plane from this one up mean "no data".
    mask : int or None
        HDU of the bit mask.
    mask_bits : mapping of str to int
        Name of each bit to its number.
    bad_bits : int
        OR of the bits (1 << number) that mean "do not use this pixel".
    psf : int or None
        HDU of the PSF image, on the pixels of the science image.
    band : str or None
        Filter name where the cards FILTER, BAND, ... are not to be asked.
    name : str or None
        What the plane is called where several lie in a file; `band` where it is None.
    defaults : Defaults
        What is taken where neither option nor header says it.
    inherit : bool
        True where cards of PRIMARY also hold for the image.
    used : tuple of int
        Further HDUs that the dialect has taken notice of, not to be listed as read over.
    dropped, warnings : tuple of str
        What was read over, and what had to be assumed.
    """

    science: int
    plane: int | None = None
    variance: int | None = None
    variance_kind: VarianceKind = "variance"
    no_data: float | None = None
    mask: int | None = None
    mask_bits: Mapping[str, int] = field(default_factory=dict)
    bad_bits: int = 0xFFFFFFFF
    psf: int | None = None
    band: str | None = None
    name: str | None = None
    defaults: Defaults = field(default_factory=Defaults)
    inherit: bool = True
    used: tuple[int, ...] = ()
    dropped: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Dialect:
    """How one survey lays out its files.

    Parameters
    ----------
    name : str
        Short name; stands in ``Source.dialect`` and in error messages.
    sniff : callable
        ``sniff(headers) -> float``: confidence from 0 (not mine) to 1 that the file speaks this dialect. `headers`
        are those of all HDUs in order, and are not to be changed.
    read : callable
        ``read(headers) -> list of Planes``: one per image, in the order of the file.
    """

    name: str
    sniff: Callable[[Sequence[Header]], float]
    read: Callable[[Sequence[Header]], Sequence[Planes]]


def extname(header: Header) -> str:
    """EXTNAME in capitals; empty where there is none.

    Examples
    --------
    >>> from astropy.io.fits import Header
    >>> extname(Header({"EXTNAME": "sci"}))
    'SCI'
    """
    return str(header.get("EXTNAME", "")).strip().upper()


def is_image(header: Header) -> bool:
    """Tell whether an HDU holds an image of two axes or more (a compressed one counts, a table does not)."""
    kind = str(header.get("XTENSION", "IMAGE")).strip()
    naxis = header.get("NAXIS", 0)
    return kind == "IMAGE" and isinstance(naxis, int) and naxis >= 2


def images(headers: Sequence[Header]) -> list[int]:
    """Return the numbers of the HDUs that hold an image with pixels."""
    return [i for i, h in enumerate(headers) if is_image(h) and all(axes(h))]


def axes(header: Header) -> tuple[int, ...]:
    """Shape of an HDU's data in numpy's order, (..., ny, nx)."""
    return tuple(int(header.get(f"NAXIS{i}", 0)) for i in range(int(header.get("NAXIS", 0)), 0, -1))


def named(headers: Sequence[Header], *names: str) -> list[int]:
    """Return the numbers of the image HDUs of these names, those of the first name that occurs."""
    for name in names:
        found = [i for i in images(headers) if extname(headers[i]) == name]
        if found:
            return found
    return []


def bits(flags: Mapping[str, int], bad: Sequence[str]) -> int:
    """OR of the named bits that `flags` numbers.

    Examples
    --------
    >>> bits({"BAD": 0, "DETECTED": 5, "NO_DATA": 8}, ["BAD", "NO_DATA", "SAT"])
    257
    """
    total = 0
    for name in bad:
        if name in flags:
            total |= 1 << flags[name]
    return total
