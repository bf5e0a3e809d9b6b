"""What a dialect says of a file: which HDU is what. The core reads the pixels and resolves the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from lensproc.cutout import Amplitude

if TYPE_CHECKING:
    from astropy.io.fits import HDUList, Header

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


def axes(header: Header) -> tuple[int, ...]:
    """Shape of an HDU's data in numpy's order, (..., ny, nx)."""
    return tuple(int(header.get(f"NAXIS{i}", 0)) for i in range(int(header.get("NAXIS", 0)), 0, -1))


@dataclass(frozen=True)
class Facts:
    """What is asked most often of an HDU.

    Parameters
    ----------
    name, version : str, int
        EXTNAME in capitals, and EXTVER (1 where there is none).
    kind : str
        ``IMAGE``, ``BINTABLE``, ...; ``IMAGE`` for PRIMARY and for tile-compressed images.
    shape : tuple of int
        Shape of the data in numpy's order.
    """

    name: str
    version: int
    kind: str
    shape: tuple[int, ...]

    @property
    def is_image(self) -> bool:
        """True for an image of two axes or more, with or without pixels."""
        return self.kind == "IMAGE" and len(self.shape) >= 2

    @property
    def has_pixels(self) -> bool:
        """True for an image of two axes or more that has pixels."""
        return self.is_image and 0 not in self.shape


_IDENTITY = ("SURVEY", "TELESCOP", "INSTRUME", "ORIGIN", "FILTER")


class Headers(tuple["Header", ...]):
    """The headers of a file, in order; what is asked most often of them is looked up once."""

    @classmethod
    def of(cls, hdus: HDUList) -> Headers:
        """Take the headers of an open file, whose HDUs know their names and shapes already."""
        headers = cls(hdu.header for hdu in hdus)
        headers.facts = tuple(_facts_of(hdu, i) for i, hdu in enumerate(hdus))
        return headers

    @cached_property
    def facts(self) -> tuple[Facts, ...]:
        """Name, kind and shape of each HDU."""
        return tuple(_facts(header) for header in self)

    @cached_property
    def identity(self) -> dict[str, tuple[str, ...]]:
        """Cards that name a survey, in PRIMARY and in the first image."""
        first = next((i for i, fact in enumerate(self.facts) if i and fact.has_pixels), None)
        places = [self[0]] if first is None else [self[0], self[first]]
        values = {key: [str(h[key]).strip() for h in places if key in h] for key in _IDENTITY}
        return {key: tuple(filter(None, texts)) for key, texts in values.items()}


def _facts(header: Header) -> Facts:
    version = header.get("EXTVER", 1)
    kind = str(header.get("XTENSION", "IMAGE")).strip()
    return Facts(extname(header), version if isinstance(version, int) else 1, kind, axes(header))


def _facts_of(hdu: Any, i: int) -> Facts:
    name = "" if i == 0 and "EXTNAME" not in hdu.header else hdu.name.upper()
    if hdu.is_image:
        return Facts(name, hdu.ver, "IMAGE", hdu.shape)
    known = _facts(hdu.header)
    return Facts(name, hdu.ver, known.kind, known.shape)


def facts(headers: Sequence[Header]) -> tuple[Facts, ...]:
    """Name, kind and shape of each HDU of a file."""
    return headers.facts if isinstance(headers, Headers) else Headers(headers).facts


def identity(headers: Sequence[Header], *keys: str) -> tuple[str, ...]:
    """Return what PRIMARY and the first image say of the survey: SURVEY, TELESCOP, INSTRUME, ORIGIN, FILTER."""
    known = headers.identity if isinstance(headers, Headers) else Headers(headers).identity
    return tuple(text for key in keys for text in known[key])


def images(headers: Sequence[Header]) -> list[int]:
    """Return the numbers of the HDUs that hold an image with pixels (a compressed one counts)."""
    return [i for i, fact in enumerate(facts(headers)) if fact.has_pixels]


def named(headers: Sequence[Header], *names: str) -> list[int]:
    """Return the numbers of the images of these names, those of the first name that occurs."""
    known = facts(headers)
    for name in names:
        found = [i for i, fact in enumerate(known) if fact.name == name and fact.has_pixels]
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
