"""What an enhancer makes of pure noise and of a lone star: the finder on its images rests on this.

A threshold taken from an enhanced image's own scatter finds thousands of false sources in blank sky, because
enhancing removes the noise between the peaks and keeps the peaks. So the enhancer is run on blanks of known noise.
How wide a star comes out is measured too, by paired injection, E(blank + star) - E(blank): a deconvolution that
declares points makes them some pixels wide.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lensproc.cutout import Cutout
from lensproc.nn.psf import fwhm_of
from lensproc.qc.blanks import STAR_SNR, flux_of_unit_snr, make_blank, with_star
from lensproc.qc.conformal import Conformal
from lensproc.qc.domain import Domain
from lensproc.qc.light import subtract_light
from lensproc.qc.sources import border_of, finder_fwhm, finder_kernel

Array = NDArray[np.float64]
Enhancer = Callable[[Sequence[Cutout]], Sequence[Cutout]]


@dataclass(frozen=True)
class BlankLevel:
    """What becomes of noise in one setting.

    Parameters
    ----------
    fwhm : float
        FWHM of the input's PSF [input px].
    lag1 : float
        Correlation of neighbouring pixels of the input's noise.
    gain : float
        1σ of the finder's matched filter on the enhanced blank, per 1σ of an input pixel, as surface brightness.
    maximum : float
        Largest value of the matched filter seen in a blank, in the same unit.
    width : float
        FWHM that a star has in the enhanced image [output px], at least the finder's smallest.
    star : float
        Height that the finder gives a star of unit flux, as surface brightness [1 / input px²].
    """

    fwhm: float
    lag1: float
    gain: float
    maximum: float
    width: float
    star: float


@dataclass(frozen=True)
class Probe:
    """What is quickly measured of a stage, and comes out the same as long as its pixels do.

    Parameters
    ----------
    level : BlankLevel
        From few and small blanks of one setting.
    factors : mapping of str to float
        Conformal factors of a single scene; empty where the output has no truth in pixels.
    """

    level: BlankLevel
    factors: Mapping[str, float]


@dataclass(frozen=True)
class Calibration:
    """Calibration of a stage, or of a chain of them, with one set of options.

    Parameters
    ----------
    options_sha256 : str
        SHA-256 of the canonical JSON of the options; empty for a calibration that is not kept.
    levels : tuple of BlankLevel
        On a grid of FWHM and noise correlation.
    blanks : int
        Blanks per level.
    conformal : Conformal or None
        Factors of the pixels' errors; None where they were not measured, or the output has no truth in pixels.
    domain : Domain or None
        What the images that a stage was trained on are like; None for a stage without training.
    version : str
        Version of the stage (`Manifest.version`); empty for a calibration that is not kept.
    options : mapping
        The options themselves.
    effort : mapping of str to int
        How much was measured: ``blanks``, ``size``, ``scenes`` and ``seed`` of ``lensproc calibrate``.
    probe : Probe or None
        A small part that is measured again to see whether the rest still holds; None where none was kept.
    """

    options_sha256: str
    levels: tuple[BlankLevel, ...]
    blanks: int
    conformal: Conformal | None = None
    domain: Domain | None = None
    version: str = ""
    options: Mapping[str, bool | int | float | str] = field(default_factory=dict)
    effort: Mapping[str, int] = field(default_factory=dict)
    probe: Probe | None = None

    def level_at(self, fwhm: float, lag1: float) -> BlankLevel:
        """Level for an input, interpolated between those measured; the nearest one outside them.

        Parameters
        ----------
        fwhm : float
            FWHM of the input's PSF [px].
        lag1 : float
            Correlation of neighbouring pixels of its noise.
        """
        widths = sorted({level.fwhm for level in self.levels})
        lags = sorted({level.lag1 for level in self.levels})
        at = {(level.fwhm, level.lag1): level for level in self.levels}

        def along_lag(width: float, name: str) -> float:
            return float(np.interp(lag1, lags, [getattr(at[width, lag], name) for lag in lags]))

        def value(name: str) -> float:
            logs = [math.log(width) for width in widths]
            return float(np.interp(math.log(max(fwhm, 0.1)), logs, [along_lag(w, name) for w in widths]))

        # a width outside the range measured goes on in proportion, and so the rest with it
        within = min(max(fwhm, widths[0]), widths[-1])
        beyond = max(fwhm, 0.1) / within
        gain, maximum, width, star = (value(name) for name in ("gain", "maximum", "width", "star"))
        return BlankLevel(fwhm, lag1, gain, maximum, finder_fwhm(width * beyond), star / beyond**2)

    def to_json(self) -> dict[str, Any]:
        """Return a dictionary of JSON types."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Calibration:
        """Rebuild a calibration from `to_json`."""
        levels = tuple(BlankLevel(**level) for level in record["levels"])
        conformal, domain, probe = record.get("conformal"), record.get("domain"), record.get("probe")
        return cls(
            record["options_sha256"],
            levels,
            record["blanks"],
            None if conformal is None else Conformal(**conformal),
            None if domain is None else Domain.from_json(domain),
            record.get("version", ""),
            record.get("options", {}),
            record.get("effort", {}),
            None if probe is None else Probe(BlankLevel(**probe["level"]), probe["factors"]),
        )


def measure_calibration(
    enhance: Enhancer,
    *,
    fwhms: Sequence[float] = (2.0, 3.0, 5.0),
    lags: Sequence[float] = (0.0, 0.45),
    blanks: int = 4,
    size: int = 48,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Calibration:
    """Run an enhancer on blanks and measure what the finder would see in them.

    Parameters
    ----------
    enhance : callable
        Sequence of cutouts to enhanced cutouts in the same order.
    fwhms : sequence of float
        FWHM of the PSF given with the blanks [px].
    lags : sequence of float
        Lag-1 correlations of their noise, 0 to 0.7.
    blanks : int
        Blanks per setting; every other one holds a smooth round galaxy.
    size : int
        Side of a blank [px].
    seed : int
        Of the noise.
    progress : callable, optional
        Called with the number of images done after each setting.

    Notes
    -----
    The larger of the gains on bare blanks and beside the galaxy is kept, and the largest peak of all. Every bare
    blank is enhanced a second time with a star in it.
    """
    rng = np.random.default_rng(seed)
    levels = []
    for fwhm in fwhms:
        for lag in lags:
            cutouts = [make_blank(rng, size, fwhm, lag, galaxy=i % 2 == 1) for i in range(blanks)]
            stars = [with_star(rng, cutout, fwhm) for cutout in cutouts[::2]]
            flux = STAR_SNR * flux_of_unit_snr(fwhm)
            enhanced = list(enhance([*cutouts, *stars]))
            plain, starred = enhanced[:blanks], enhanced[blanks:]
            differences = [_difference(a, b) for a, b in zip(starred, plain[::2], strict=True)]
            width = _star_width(differences, plain[0], fwhm * plain[0].shape[0] / size)
            kernel = finder_kernel(width)
            measured = [_responses(c, e, fwhm, width) for c, e in zip(cutouts, plain, strict=True)]
            heights = [float(_filtered(image, kernel).max()) for image in differences]
            star = max(float(np.median(heights)) / flux, 0.0)
            scatters = [
                math.sqrt(float(np.mean([np.mean(values**2) for values in measured[kind::2]])))
                for kind in range(min(2, blanks))
            ]
            maximum = max(float(np.abs(values).max()) for values in measured)
            levels.append(BlankLevel(float(fwhm), float(lag), max(scatters), maximum, width, star))
            if progress is not None:
                progress(len(enhanced))
    return Calibration("", tuple(levels), blanks)


def _difference(starred: Cutout, plain: Cutout) -> Array:
    difference = starred.data.astype(np.float64) - plain.data
    return np.nan_to_num(difference, nan=0.0, posinf=0.0, neginf=0.0)


def _star_width(differences: Sequence[Array], enhanced: Cutout, expected: float) -> float:
    """FWHM of the injected stars in the enhanced images [output px]; what is declared where none came through."""
    widths = []
    for image in differences:
        row, column = np.unravel_index(int(image.argmax()), image.shape)
        half = min(
            math.ceil(2.0 * expected), row, column, image.shape[0] - 1 - row, image.shape[1] - 1 - column
        )
        if image[row, column] > 0 and half >= 2:
            widths.append(fwhm_of(image[row - half : row + half + 1, column - half : column + half + 1]))
    if widths:
        return finder_fwhm(float(np.median(widths)))
    psf = enhanced.psf.value
    return finder_fwhm(psf.fwhm if psf is not None else expected)


def _filtered(image: Array, kernel: Array) -> Array:
    from scipy.signal import fftconvolve

    return np.asarray(fftconvolve(image, kernel, mode="same"))


def _responses(blank: Cutout, enhanced: Cutout, fwhm: float, width: float) -> Array:
    """Finder's matched filter on an enhanced blank, the border and the galaxy's core left out."""
    scale = enhanced.shape[0] // blank.shape[0]
    image = np.nan_to_num(enhanced.data.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    center = blank.lens_center.value
    fine = None if center is None else (scale * (center[0] + 0.5) - 0.5, scale * (center[1] + 0.5) - 0.5)
    response = _filtered(subtract_light(image, width, fine), finder_kernel(width))
    border = border_of(blank.shape) * scale
    used = np.zeros(image.shape, bool)
    used[border : image.shape[0] - border, border : image.shape[1] - border] = True
    if fine is not None:
        across, along = np.arange(image.shape[1]) - fine[0], np.arange(image.shape[0]) - fine[1]
        used &= np.hypot(across, along[:, None]) > 2.0 * fwhm * scale
    return np.asarray(response[used])
