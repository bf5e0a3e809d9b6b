"""What a survey's camera does to the light: scale, PSF, electrons, noise, file layout."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal

from lensproc.errors import UsageError


@dataclass(frozen=True)
class Instrument:
    """One band of one survey, as the file ``instruments/NAME.toml`` gives it.

    Parameters
    ----------
    name, summary : str
        Name of the file, and a line about it.
    sources : tuple of str
        Where the numbers come from.
    layout : str
        FITS layout (`lensproc.simulate.layouts`).
    telescope, camera, band : str
        As the survey's headers write them.
    size : int
        Side of a cutout [px].
    pixel_scale : float
        Side of a pixel [arcsec].
    unit : str
        FITS unit of the pixel values; empty where the survey writes none.
    amplitude : str
        ``flux`` or ``surface brightness``.
    zeropoint : float
        AB magnitude of a pixel of value 1 (NaN for recipes without calibration).
    electron_zeropoint : float
        AB magnitude that gives one electron per second.
    exposure_time : float
        Total [s].
    exposures : int
        Number of read-outs in it.
    read_noise : float
        1σ of one read-out [electrons]; may be a distribution (see `distributions.draw`).
    sky_brightness : float
        AB magnitude per arcsec².
    dark_current : float
        Electrons per second and pixel.
    gain : float
        Electrons per count of the detector, where the layout's headers state it.
    sky_counts : float or None
        Mean sky [electrons/px] in place of `sky_brightness`, for recipes without calibration.
    keep_sky : bool
        Leave the sky in the image instead of subtracting its mean.
    correlation : float
        Correlation of the noise of neighbouring pixels, as resampling to a coadd leaves it; 0 for white noise.
    psf : mapping
        ``profile`` (gaussian or moffat), ``fwhm`` [arcsec] (may be a distribution), ``beta`` for moffat.
    bad_pixels : str
        What stands in a pixel without measurement: nan, zero or interpolated.
    variance : str
        What the file's noise plane knows: ``total`` (sky, read-out and the counts as observed),
        ``background`` (sky and read-out) or ``none``.
    rotation : float
        Position angle of the pixel grid [deg]; may be a distribution.
    footprint : tuple of four floats
        Range of right ascension and of declination [deg] from which the field is drawn.
    """

    name: str
    summary: str
    sources: tuple[str, ...]
    layout: str
    size: int
    pixel_scale: float
    psf: Mapping[str, Any]
    telescope: str = "SIMULATED"
    camera: str = "SIMULATED"
    band: str = "NONE"
    unit: str = ""
    amplitude: Literal["flux", "surface brightness"] = "flux"
    zeropoint: float = math.nan
    electron_zeropoint: float = math.nan
    exposure_time: float = 1.0
    exposures: int = 1
    read_noise: Any = 0.0
    sky_brightness: float = math.nan
    dark_current: float = 0.0
    gain: float = 1.0
    sky_counts: Any = None
    keep_sky: bool = False
    correlation: float = 0.0
    bad_pixels: Literal["nan", "zero", "interpolated"] = "nan"
    variance: Literal["total", "background", "none"] = "total"
    rotation: Any = 0.0
    footprint: tuple[float, float, float, float] = field(default=(150.0, 151.0, 2.0, 3.0))

    @property
    def electrons_per_unit(self) -> float:
        """Electrons that a pixel of value 1 collected; 1 where the recipe has no calibration."""
        if math.isnan(self.electron_zeropoint):
            return 1.0
        return math.pow(10.0, 0.4 * (self.electron_zeropoint - self.zeropoint)) * self.exposure_time

    def sky_electrons(self) -> float:
        """Mean of sky and dark current over the exposure [electrons/px]."""
        rate = math.pow(10.0, 0.4 * (self.electron_zeropoint - self.sky_brightness)) * self.pixel_scale**2
        return (rate + self.dark_current) * self.exposure_time

    def flux(self, magnitude: float) -> float:
        """Flux [unit] of an AB magnitude.

        Raises
        ------
        UsageError
            Where the instrument has no zeropoint.
        """
        if math.isnan(self.zeropoint):
            raise UsageError(
                f"instrument {self.name} has no zeropoint, so it knows no magnitudes",
                remedy="give snr or peak in place of magnitude",
            )
        return math.pow(10.0, 0.4 * (self.zeropoint - magnitude))


def instrument_names() -> list[str]:
    """Names of the instruments that lensproc ships, sorted."""
    folder = files("lensproc.simulate") / "instruments"
    return sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".toml"))


@lru_cache(maxsize=64)
def load_instrument(name: str) -> Instrument:
    """Read an instrument by name.

    Raises
    ------
    UsageError
        For an unknown name, or a file with keys that mean nothing.
    """
    entry = files("lensproc.simulate") / "instruments" / f"{name}.toml"
    if not entry.is_file():
        raise UsageError(f"no instrument {name!r}", remedy=f"there are {', '.join(instrument_names())}")
    return instrument_from(name, tomllib.loads(entry.read_text("utf-8")))


def instrument_from(name: str, table: Mapping[str, Any]) -> Instrument:
    """Make an `Instrument` of the content of a TOML file; unknown keys raise `UsageError`."""
    known = {f.name for f in fields(Instrument)} - {"name"}
    unknown = sorted(set(table) - known)
    if unknown:
        raise UsageError(f"instrument {name}: unknown keys {', '.join(unknown)}")
    values = dict(table)
    for key in ("sources", "footprint"):
        if key in values:
            values[key] = tuple(values[key])
    try:
        return Instrument(name=name, **values)
    except TypeError as error:
        raise UsageError(f"instrument {name}: {error}") from None
