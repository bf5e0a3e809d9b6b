"""Input and output side by side, in units of the input's noise: what every check starts from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lensproc.cutout import PSF, Cutout
from lensproc.enhanced import Enhanced
from lensproc.nn.forward import forward_image
from lensproc.nn.forward_error import H_ERROR
from lensproc.nn.psf import matching_kernel, output_psf_of, psf_image
from lensproc.qc.daofind import filtered
from lensproc.qc.light import azimuthal_median, subtract_ring
from lensproc.qc.noise import Noise, fill_bad, measure_noise
from lensproc.qc.nucleus import lens_is_seen
from lensproc.qc.sources import finder_fwhm, finder_kernel, recipe_kernel
from lensproc.qc.texture import texture

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """An input x, its enhanced image y and H y, all less the input's sky and in units of its noise level.

    Parameters
    ----------
    cutout, image : Cutout
        Input and output as they are.
    scale : int
        Output pixels per input pixel.
    psf, psf_out : PSF or None
        Of the input in input pixels, of the output in output pixels.
    noise : Noise
        Of the input.
    x : ndarray, shape (ny, nx)
        Input; bad pixels filled by their nearest neighbours.
    y : ndarray, shape (scale ny, scale nx)
        Output as surface brightness per input pixel, missing pixels filled likewise.
    binned : ndarray, shape (ny, nx)
        Mean of y over each input pixel.
    hy : ndarray, shape (ny, nx), or None
        H y; None where it needs a PSF that is not known.
    clean : ndarray of bool, shape (ny, nx)
        Good pixels farther than an FWHM from any bad or missing one.
    judged : ndarray of bool, shape (ny, nx)
        Those of them that are not beside the frame, where H y can be held against x.
    h_error : float
        Relative error of H.
    spread : ndarray, shape (ny, nx)
        1σ of x - H y that an ideal output may have: noise, and the error of the PSF in H.
    """

    cutout: Cutout
    image: Cutout
    scale: int
    psf: PSF | None
    psf_out: PSF | None
    noise: Noise
    x: Array
    y: Array
    binned: Array
    hy: Array | None
    clean: NDArray[np.bool_]
    judged: NDArray[np.bool_]
    h_error: float
    spread: Array

    @property
    def center(self) -> tuple[float, float] | None:
        """Zero-based (x, y) of the lens as read or assumed, whether or not it is seen [input px]."""
        return self.cutout.lens_center.value

    @cached_property
    def lens(self) -> tuple[float, float] | None:
        """Zero-based (x, y) of the lens where its galaxy is seen [input px], else None (see `lens_is_seen`)."""
        if self.center is None or self.psf is None:
            return None
        return self.center if lens_is_seen(self.x, self.noise, self.center, self.psf.fwhm) else None

    @property
    def lens_out(self) -> tuple[float, float] | None:
        """The same in pixels of the output."""
        if self.lens is None:
            return None
        return self.scale * (self.lens[0] + 0.5) - 0.5, self.scale * (self.lens[1] + 0.5) - 0.5

    @cached_property
    def round_light(self) -> Array:
        """Round light of the lens on the input (`azimuthal_median`), shape (ny, nx); 0 where no lens is seen."""
        return np.zeros(self.x.shape) if self.lens is None else azimuthal_median(self.x, self.lens)

    @cached_property
    def residual(self) -> Array:
        """Input free of smooth light, as the finder searches it, shape (ny, nx)."""
        assert self.psf is not None
        return subtract_ring(self.x - self.round_light, finder_fwhm(self.psf.fwhm))

    @cached_property
    def response(self) -> Array:
        """The finder's filter on `residual`, shape (ny, nx)."""
        assert self.psf is not None
        return filtered(self.residual, finder_kernel(self.psf.fwhm))

    @cached_property
    def finder_level(self) -> Array:
        """1σ that the noise has in `response`, shape (ny, nx); infinite at bad pixels."""
        assert self.psf is not None
        return self.noise.response(recipe_kernel(self.psf.fwhm)) * self.noise.sigma

    @cached_property
    def texture(self) -> Array:
        """1σ that the light's texture adds to the noise of the finder on the input, shape (ny, nx)."""
        assert self.psf is not None
        return texture(self.response, self.psf.fwhm, self.finder_level)

    @cached_property
    def peak_spread(self) -> Array:
        """1σ of x - H y in a single pixel, shape (ny, nx): `spread`, and what H makes of its neighbours' light."""
        return np.hypot(self.spread, _h_spread(self.back, self.h_error, self.psf))

    @property
    def back(self) -> Array:
        """H y, or the binned output where H is not known."""
        return self.binned if self.hy is None else self.hy


def side_by_side(enhanced: Enhanced) -> Pair | None:
    """Put input and output on one footing.

    Returns
    -------
    Pair or None
        None where the input has no noise to measure against, or no good pixel.

    Raises
    ------
    ValueError
        Where the output's shape is not the input's times the scale.
    """
    cutout, image, scale = enhanced.original, enhanced.image, round(enhanced.scale)
    if image.shape != (cutout.shape[0] * scale, cutout.shape[1] * scale):
        raise ValueError(f"output of {image.shape} is not {scale} times the input of {cutout.shape}")
    psf = cutout.psf.value
    noise = measure_noise(cutout, psf.fwhm if psf else None)
    if noise is None:
        return None
    bad = cutout.bad
    per_pixel = scale**2 if cutout.amplitude.value != "surface brightness" else 1
    missing = ~np.isfinite(image.data)
    fine = np.where(missing, 0.0, image.data.astype(np.float64)) * per_pixel
    y = fill_bad((fine - noise.sky) / noise.level, missing)
    # a bad pixel may hold any number: it must not leak into H, nor be judged
    rough = bad & np.isfinite(cutout.data)
    if rough.any():
        y = fill_bad(y, missing | _blocks(rough, scale))
    kernel: NDArray[np.float32] | None = None
    known = psf is not None or enhanced.output_psf == "same"
    if known:
        kernel = matching_kernel(psf, enhanced.output_psf, scale)
    binned = forward_image(y, None, scale, "surface brightness").astype(np.float64)
    hy = binned
    if kernel is not None:
        hy = forward_image(y, kernel, scale, "surface brightness").astype(np.float64)
    x = np.where(bad, 0.0, (np.where(bad, 0.0, cutout.data).astype(np.float64) - noise.sky) / noise.level)
    clean = _clean(bad, missing, scale, psf.fwhm if psf else 3.0)
    error = _model_error(psf, enhanced.output_psf, scale)
    return Pair(
        cutout=cutout,
        image=image,
        scale=scale,
        psf=psf,
        psf_out=output_psf_of(psf, enhanced.output_psf, scale),
        noise=noise,
        x=fill_bad(x, bad),
        y=y,
        binned=binned,
        hy=hy if known else None,
        clean=clean,
        judged=clean & _framed(bad.shape, psf.fwhm if psf else 3.0),
        h_error=error,
        spread=np.hypot(noise.sigma, error * np.maximum(hy, 0.0)),
    )


def _h_spread(hy: Array, error: float, psf: PSF | None) -> Array:
    """1σ that H itself may have wrong, shape of `hy`: `error` of the light, and a share of what no PSF allows.

    Notes
    -----
    H mixes neighbouring pixels, so its error at a pixel is a share of the most light among them. A pixel that is
    higher above its four neighbours than the middle of a star can be (a cosmic ray) is not sampled: interpolations
    do not keep it, and what they make of it is no lost or invented source.
    """
    from scipy.ndimage import correlate, maximum_filter

    spread = maximum_filter(error * np.maximum(hy, 0.0), 3, mode="nearest")
    if psf is not None and error > 0.0:
        image = psf_image(psf)
        middle = image.shape[0] // 2
        beside = np.array([[0.0, 0.25, 0.0], [0.25, 0.0, 0.25], [0.0, 0.25, 0.0]])
        star = float((image[middle - 1 : middle + 2, middle - 1 : middle + 2] * beside).sum())
        if star > 0.0:
            allowed = correlate(hy, beside, mode="nearest") * float(image[middle, middle]) / star
            sharp = H_ERROR["unsampled"] * np.maximum(hy - np.maximum(allowed, 0.0), 0.0)
            # a cubic interpolation reaches two pixels
            spread = np.hypot(spread, maximum_filter(sharp, 5, mode="nearest"))
    return np.asarray(spread)


def _model_error(psf: PSF | None, output_psf: object, scale: int) -> float:
    if output_psf == "same" or psf is None:
        return H_ERROR["same"] if scale > 1 else 0.0
    return H_ERROR["width" if psf.image is None else "image"]


def _blocks(plane: NDArray[np.bool_], scale: int) -> NDArray[np.bool_]:
    return plane.repeat(scale, 0).repeat(scale, 1)


def _clean(bad: NDArray[np.bool_], missing: NDArray[np.bool_], scale: int, fwhm: float) -> NDArray[np.bool_]:
    ny, nx = bad.shape
    out = bad | missing.reshape(ny, scale, nx, scale).any((1, 3))
    if out.any():
        from scipy.ndimage import maximum_filter

        out = maximum_filter(out, 2 * math.ceil(fwhm) + 1, mode="constant")
    return ~out


def _framed(shape: tuple[int, ...], fwhm: float) -> NDArray[np.bool_]:
    """Pixels farther than an FWHM from the frame, or than an eighth of a small image's side."""
    margin = min(math.ceil(fwhm), min(shape) // 8)
    inside = np.zeros(shape, bool)
    inside[margin : shape[0] - margin, margin : shape[1] - margin] = True
    return inside
