"""Enhancers that do one known thing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from scipy.ndimage import gaussian_filter, shift

from lensproc.cutout import Cutout
from lensproc.enhanced import Enhanced
from lensproc.evaluate.subjects import Subject, System, open_system
from lensproc.nn.prepare import sky_and_noise


def changed(cutout: Cutout, data: np.ndarray) -> Enhanced:
    """Output of a stage that keeps grid and PSF."""
    return Enhanced(cutout, cutout.replace(data=data.astype(np.float32)), 1.0)


def subject(name: str, change: Callable[[Cutout], np.ndarray]) -> Subject:
    """A subject that changes the pixels of one cutout after another, with the finder's calibration of raw."""

    def enhance(cutouts: Sequence[Cutout]) -> list[Enhanced]:
        return [changed(cutout, change(cutout)) for cutout in cutouts]

    return Subject(name, enhance, raw().calibration)


@lru_cache(maxsize=1)
def raw() -> Subject:
    return open_system(System("raw"))


def _level(cutout: Cutout) -> tuple[float, float]:
    return sky_and_noise(np.nan_to_num(cutout.data))


def dimmer() -> Subject:
    """Keeps 80 % of all light above the sky."""
    return subject("dimmer", lambda c: _level(c)[0] + 0.8 * (c.data - _level(c)[0]))


def shifter() -> Subject:
    """Moves everything by half a pixel along x."""
    return subject("shifter", lambda c: shift(c.data.astype(float), (0.0, 0.5), order=5, mode="nearest"))


def inventor() -> Subject:
    """Puts a star of SNR about 40 at a place that has none, always the same."""

    def invent(cutout: Cutout) -> np.ndarray:
        star = np.zeros(cutout.shape)
        star[14, 45] = 1.0
        star = gaussian_filter(star, cutout.psf.value.fwhm / 2.3548)
        return cutout.data + 15.0 * _level(cutout)[1] * star / star.max()

    return subject("inventor", invent)


def stater(factor: float) -> Subject:
    """The input with an uncertainty plane `factor` times its true noise."""

    def enhance(cutouts: Sequence[Cutout]) -> list[Enhanced]:
        return [Enhanced(c, c, 1.0, uncertainty=factor * np.sqrt(c.variance)) for c in cutouts]

    return Subject("stater", enhance, raw().calibration)


def spreader() -> Subject:
    """Loses whole rows where a pixel is missing."""

    def spread(cutout: Cutout) -> np.ndarray:
        data = cutout.data.copy()
        data[np.isnan(data).any(1)] = np.nan
        return data

    return subject("spreader", spread)
