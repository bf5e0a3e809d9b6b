"""Simulated scenes with known truth: stars, pairs, rings and a lens, with white or correlated noise.

The sky is written as smooth functions of position that already contain the PSF, so that the input and an ideal
output of any width are exact at any pixel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from astropy.io.fits import Header

from lensproc.cutout import PSF, Cutout, Resolved, Source
from lensproc.enhanced import Enhanced
from lensproc.nn.psf import gaussian_psf
from lensproc.qc.calibration import BlankLevel, Calibration
from lensproc.qc.sources import finder_kernel

SIGMA_PER_FWHM = 1.0 / np.sqrt(8.0 * np.log(2.0))


@dataclass(frozen=True)
class Scene:
    """Point sources and extended light; fluxes and peaks in units of the sky noise of an input pixel."""

    size: int = 64
    fwhm: float = 3.0
    stars: tuple[tuple[float, float, float], ...] = ()
    """x, y, flux."""
    lens_peak: float = 0.0
    ring_peak: float = 0.0
    ring_radius: float = 12.0
    clumps: tuple[tuple[float, float], ...] = ()
    """Position angle [rad] and peak of clumps on the ring."""
    moffat: float | None = None
    center: tuple[float, float] = field(default=(31.5, 31.5))

    def render(self, scale: int = 1, width: float = 1.0) -> np.ndarray:
        """Surface brightness per input pixel on a grid `scale` times finer, with a PSF `width` times as wide."""
        at = (np.arange(self.size * scale) + 0.5) / scale - 0.5
        x, y = np.meshgrid(at, at)
        sigma = self.fwhm * SIGMA_PER_FWHM
        image = np.zeros_like(x)
        for x0, y0, flux in self.stars:
            image += flux * self._star(np.hypot(x - x0, y - y0), width)
        dx, dy = x - self.center[0], y - self.center[1]
        radius, angle = np.hypot(dx, dy), np.arctan2(dy, dx)
        # widths of extended parts add up with the PSF's in quadrature
        gain = 1.0 - width**2

        def spread(own: float) -> tuple[float, float]:
            narrow = np.sqrt(own**2 - sigma**2 * gain)
            return narrow, own / narrow

        if self.lens_peak:
            for own, part in ((2.0 * sigma, 0.6), (4.0 * sigma, 0.4)):
                narrow, up = spread(own)
                image += part * self.lens_peak * up**2 * np.exp(-0.5 * (radius / narrow) ** 2)
        if self.ring_peak:
            narrow, up = spread(1.3 * sigma)
            ring = np.exp(-0.5 * ((radius - self.ring_radius) / narrow) ** 2) * up
            image += self.ring_peak * ring * (0.6 + 0.4 * np.cos(angle - 0.7))
        for where, peak in self.clumps:
            x0 = self.center[0] + self.ring_radius * np.cos(where)
            y0 = self.center[1] + self.ring_radius * np.sin(where)
            narrow, up = spread(1.6 * sigma)
            image += peak * up**2 * np.exp(-0.5 * ((x - x0) ** 2 + (y - y0) ** 2) / narrow**2)
        return image

    def _star(self, radius: np.ndarray, width: float) -> np.ndarray:
        if self.moffat is None or width != 1.0:
            sigma = self.fwhm * SIGMA_PER_FWHM * width
            return np.exp(-0.5 * (radius / sigma) ** 2) / (2.0 * np.pi * sigma**2)
        beta = self.moffat
        core = 0.5 * self.fwhm / np.sqrt(2.0 ** (1.0 / beta) - 1.0)
        return (1.0 + (radius / core) ** 2) ** -beta * (beta - 1.0) / (np.pi * core**2)

    def psf(self, image: bool = True) -> PSF:
        if not image:
            return PSF(self.fwhm)
        half = int(np.ceil(4.0 * self.fwhm))
        at = np.arange(-half, half + 1)
        stamp = self._star(np.hypot(at, at[:, None]), 1.0)
        return PSF(self.fwhm, (stamp / stamp.sum()).astype(np.float32))


def flux_of_snr(snr: float, fwhm: float, variance_gain: float = 1.0) -> float:
    """Flux whose optimal SNR on white noise of unit σ is `snr`: SNR = F / sqrt(4π σ²)."""
    return snr * np.sqrt(4.0 * np.pi * variance_gain) * fwhm * SIGMA_PER_FWHM


def noise_field(rng: np.random.Generator, size: int, lag1: float = 0.0) -> np.ndarray:
    """Noise of unit variance with the given lag-1 correlation along each axis."""
    from scipy.ndimage import correlate1d

    white = rng.normal(size=(size + 4, size + 4))
    if lag1:
        side = (1.0 - np.sqrt(1.0 - 2.0 * lag1**2)) / (2.0 * lag1)
        weights = np.array([side, 1.0, side]) / np.sqrt(1.0 + 2.0 * side**2)
        white = correlate1d(correlate1d(white, weights, axis=0), weights, axis=1)
    return white[2:-2, 2:-2]


def observe(
    scene: Scene,
    rng: np.random.Generator,
    *,
    lag1: float = 0.0,
    sigma: float = 1.0,
    sky: float = 0.0,
    variance: bool = True,
    psf_image: bool = True,
    amplitude: str = "flux",
    lens: bool | None = None,
) -> Cutout:
    """Input cutout of a scene."""
    data = sky + sigma * (scene.render() + noise_field(rng, scene.size, lag1))
    header = Header()
    header["CTYPE1"], header["CTYPE2"] = "RA---TAN", "DEC--TAN"
    header["CRVAL1"], header["CRVAL2"] = 150.0, 2.0
    header["CRPIX1"] = header["CRPIX2"] = scene.size / 2 + 0.5
    header["CD1_1"], header["CD2_2"] = -0.2 / 3600, 0.2 / 3600
    has_lens = lens if lens is not None else bool(scene.lens_peak)
    return Cutout(
        data=data.astype(np.float32),
        variance=np.full(data.shape, sigma**2, np.float32) if variance else None,
        mask=np.zeros(data.shape, np.uint32),
        header=header,
        source=Source("scene.fits", "0", "0" * 64, "test"),
        unit=Resolved("adu", "test"),
        amplitude=Resolved(amplitude, "test"),
        pixel_scale=Resolved(0.2, "test"),
        psf=Resolved(scene.psf(psf_image), "test"),
        lens_center=Resolved(scene.center, "test") if has_lens else Resolved(None, "unknown"),
    )


def enhanced(cutout: Cutout, fine: np.ndarray, scale: int, output_psf="same") -> Enhanced:
    """Pair an input with an output given as surface brightness per input pixel, in the unit of the input."""
    per_pixel = scale**2 if cutout.amplitude.value == "flux" else 1
    image = cutout.replace(
        data=(fine / per_pixel).astype(np.float32),
        variance=None,
        mask=np.zeros(fine.shape, np.uint32),
        psf=Resolved(None, "unknown"),
    )
    return Enhanced(original=cutout, image=image, scale=float(scale), output_psf=output_psf)


def ideal(
    scene: Scene, cutout: Cutout, scale: int = 2, *, width: float = 1.0, sigma: float = 1.0, sky: float = 0.0
) -> Enhanced:
    """Noise-free truth at the output's PSF."""
    fine = sky + sigma * scene.render(scale, width)
    return enhanced(cutout, fine, scale, "same" if width == 1.0 else width)


def bicubic(cutout: Cutout, scale: int = 2) -> Enhanced:
    """Interpolated input, as surface brightness."""
    import torch
    from torch.nn import functional

    tensor = torch.from_numpy(cutout.data.astype(np.float64))[None, None]
    fine = functional.interpolate(tensor, scale_factor=scale, mode="bicubic", align_corners=False)
    return enhanced(cutout, fine[0, 0].numpy(), scale)


def bicubic_enhancer(scale: int = 2) -> Callable[[Sequence[Cutout]], list[Cutout]]:
    """The same as a function of cutouts, for calibrations."""

    def enhance(cutouts: Sequence[Cutout]) -> list[Cutout]:
        results = []
        for cutout in cutouts:
            image = bicubic(cutout, scale).image
            psf = cutout.psf.value
            results.append(
                image if psf is None else image.replace(psf=Resolved(PSF(psf.fwhm * scale), "test"))
            )
        return results

    return enhance


def ideal_calibration(width: float = 1.0, scale: int = 2) -> Calibration:
    """Calibration of an enhancer that removes the noise and leaves stars `width` times as wide."""
    levels = []
    for fwhm in (2.0, 3.0, 5.0):
        kernel = finder_kernel(width * scale * fwhm)
        star = float((kernel * gaussian_psf(width * scale * fwhm, kernel.shape[0])).sum()) * scale**2
        levels += [BlankLevel(fwhm, lag, 0.05, 0.2, width * scale * fwhm, star) for lag in (0.0, 0.5)]
    return Calibration("", tuple(levels), 0)


def quasar_scene(rng: np.random.Generator, snr: tuple[float, float], fwhm: float = 3.0) -> Scene:
    """A lens with a clumpy ring and two quasar images on it."""
    first = rng.uniform(0, 2 * np.pi)
    second = first + np.pi + rng.uniform(-0.5, 0.5)
    radius = rng.uniform(10.0, 16.0)
    scene = Scene(size=64, fwhm=fwhm, lens_peak=30.0, ring_peak=4.0, ring_radius=radius)
    stars = tuple(
        (
            scene.center[0] + radius * np.cos(angle),
            scene.center[1] + radius * np.sin(angle),
            flux_of_snr(value, fwhm),
        )
        for angle, value in zip((first, second), snr, strict=True)
    )
    return replace(scene, stars=stars)
