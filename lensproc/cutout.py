"""What one image is: pixels, errors, mask, header, and where each of its properties came from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from astropy.io.fits import Header

    from lensproc.enhanced import Activity

T = TypeVar("T")

Amplitude = Literal["flux", "surface brightness"]
"""What a pixel value is: the flux in that pixel, or a surface brightness."""


@dataclass(frozen=True)
class Resolved(Generic[T]):
    """A value and where it came from.

    Parameters
    ----------
    value : object or None
        The value; None where it could not be found.
    source : str
        Where it came from, in words an astronomer can check: ``option``, ``header PHOTFLAM+PHOTPLAM``,
        ``dialect hsc``, ``measured on 7 field stars``, ``unknown``.
    """

    value: T | None
    source: str

    def __bool__(self) -> bool:
        return self.value is not None


UNKNOWN: Resolved[Any] = Resolved(None, "unknown")


@dataclass(frozen=True)
class PSF:
    """A point-spread function in pixels of the cutout it belongs to.

    Parameters
    ----------
    fwhm : float
        Full width at half maximum [px].
    image : ndarray, shape (k, k), k odd, float32, or None
        The PSF centred on the middle pixel, summing to 1; None where only a width is known.
    """

    fwhm: float
    image: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Source:
    """Where a cutout was read from.

    Parameters
    ----------
    file : str
        Base name of the file, or ``<memory>``. Never a path.
    hdu : str
        The image HDU, as ``0``, ``SCI`` or ``SCI,2``; with the plane for cubes: ``0[3]``.
    sha256 : str
        SHA-256 of the file's bytes (of the pixels and header cards for objects in memory), 64 hex digits.
    dialect : str
        Name of the reader that understood the file.
    datasum : str
        The FITS DATASUM of the science HDU as read.
    """

    file: str
    hdu: str
    sha256: str
    dialect: str
    datasum: str = "0"


@dataclass(frozen=True)
class DistortionTable:
    """A look-up table that the WCS header refers to (CPDIS, D2IM), with the header that places it.

    Parameters
    ----------
    name : str
        EXTNAME, ``WCSDVARR`` or ``D2IMARR``.
    extver : int
        EXTVER, to which the ``DP1.EXTVER`` records of the science header point.
    header : astropy.io.fits.Header
        Header of the table HDU (CRPIX, CRVAL, CDELT place the grid on the image).
    data : ndarray, shape (ny, nx)
        Offsets [px of the cutout].
    """

    name: str
    extver: int
    header: Header
    data: NDArray[np.float32]


@dataclass(frozen=True)
class Cutout:
    """One band of one cutout.

    Parameters
    ----------
    data : ndarray, shape (ny, nx), float32
        Pixel values in `unit`; NaN where there is no measurement.
    variance : ndarray, shape (ny, nx), float32, or None
        Variance [unit²]; infinite where the file says "no data"; None where the file gives none.
    mask : ndarray, shape (ny, nx), uint32
        Bit mask; all zero where the file gives none.
    mask_bits : mapping of str to int
        Name of each bit in use to its number (0 to 31).
    bad_bits : int
        OR of the bits that mean "do not use this pixel" (a DETECTED bit, say, does not).
    header : astropy.io.fits.Header
        The science header as read: the source of truth for the sky, resampled by rule.
    unit : Resolved[str]
        FITS unit string of `data`.
    amplitude : Resolved[str]
        ``flux`` (per pixel) or ``surface brightness``; see `Amplitude`.
    zeropoint : Resolved[float]
        AB magnitude of one `unit` (of one `unit` per pixel where `amplitude` is flux).
    pixel_scale : Resolved[float]
        Geometric mean of the pixel's sides [arcsec].
    psf : Resolved[PSF]
        PSF in pixels of this cutout.
    band : Resolved[str]
        Filter name as the survey writes it.
    lens_center : Resolved[tuple of (float, float)]
        Zero-based (x, y) of the lens [px]; None for a field without one.
    source : Source
        The file it came from.
    distortion : tuple of DistortionTable
        Look-up tables the header refers to.
    dropped : tuple of str
        HDUs and cards that were read over, in words for HISTORY.
    warnings : tuple of str
        What the reader had to assume, in words for the user.
    history : tuple of Activity
        What lensproc did to it in earlier runs, where the file is an output of lensproc.
    synthetic : bool
        True where a generative stage took part in an earlier run (LPSYNTH).
    """

    data: NDArray[np.float32]
    variance: NDArray[np.float32] | None
    mask: NDArray[np.uint32]
    header: Header
    source: Source
    mask_bits: Mapping[str, int] = field(default_factory=dict)
    bad_bits: int = 0xFFFFFFFF
    unit: Resolved[str] = UNKNOWN
    amplitude: Resolved[Amplitude] = UNKNOWN
    zeropoint: Resolved[float] = UNKNOWN
    pixel_scale: Resolved[float] = UNKNOWN
    psf: Resolved[PSF] = UNKNOWN
    band: Resolved[str] = UNKNOWN
    lens_center: Resolved[tuple[float, float]] = UNKNOWN
    distortion: tuple[DistortionTable, ...] = ()
    dropped: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    history: tuple[Activity, ...] = ()
    synthetic: bool = False

    def __post_init__(self) -> None:
        if self.data.ndim != 2 or self.data.dtype != np.float32:
            raise ValueError(f"Cutout.data must be 2-D float32, got {self.data.ndim}-D {self.data.dtype}")
        for name in ("variance", "mask"):
            plane = getattr(self, name)
            if plane is not None and plane.shape != self.data.shape:
                raise ValueError(f"Cutout.{name} has shape {plane.shape}, data has {self.data.shape}")

    @property
    def shape(self) -> tuple[int, int]:
        """(ny, nx) of the image."""
        ny, nx = self.data.shape
        return ny, nx

    @property
    def bad(self) -> NDArray[np.bool_]:
        """Pixels not to be used, shape (ny, nx): a bad bit, a non-finite value or an infinite variance."""
        bad = ~np.isfinite(self.data)
        if self.bad_bits and self.mask.any():
            bad |= (self.mask & np.uint32(self.bad_bits)) != 0
        if self.variance is not None:
            bad |= ~np.isfinite(self.variance)
        return bad

    def replace(self, **changes: Any) -> Cutout:
        """Return a copy with some fields changed."""
        return dataclasses.replace(self, **changes)
