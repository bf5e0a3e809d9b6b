"""What a user may say about files that do not say it themselves."""

from __future__ import annotations

from dataclasses import dataclass

from lensproc.cutout import Amplitude


@dataclass(frozen=True)
class ReadOptions:
    """What is to be read, and what is to be believed instead of the header.

    Parameters
    ----------
    bands : tuple of str
        Bands to read, by name; empty for all. They name the planes of a cube that does not name them itself, all
        of them and in order. An image can also be named by its HDU, as ``SCI,2`` (or ``SCI:2``).
    pixel_scale : float, optional
        Side of a pixel [arcsec].
    pixel_units : str, optional
        ``flux`` (per pixel) or ``surface brightness``.
    zeropoint : float, optional
        AB magnitude of one unit.
    psf : str, optional
        ``0.6`` or ``0.6arcsec``: full width at half maximum [arcsec]; ``3.1px``: the same in pixels; anything else
        names a FITS file with an image of the PSF.
    lens_center : (float, float), optional
        Zero-based (x, y) of the lens [px].
    """

    bands: tuple[str, ...] = ()
    pixel_scale: float | None = None
    pixel_units: Amplitude | None = None
    zeropoint: float | None = None
    psf: str | None = None
    lens_center: tuple[float, float] | None = None
