"""PSF images: Gaussians, PSFs on other grids, and kernels that take one PSF to another.

Everywhere a PSF is the *effective* one: what a point source looks like in the image, its pixels included.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lensproc.cutout import PSF

SIGMA_PER_FWHM = 1.0 / math.sqrt(8.0 * math.log(2.0))
PIXEL_VARIANCE = 1.0 / 12.0
"""Variance that a pixel's own width adds to a profile, per axis [px²]."""

OutputPSF = str | float | tuple[tuple[float, ...], ...]
"""What a stage declares: ``same``, a fraction of the input's FWHM, or a kernel (see `Manifest.output_psf`)."""


def gaussian_psf(fwhm: float, size: int | None = None) -> NDArray[np.float32]:
    """Gaussian PSF integrated over pixels.

    Parameters
    ----------
    fwhm : float
        Full width at half maximum of a star in the image, pixels included [px]: the Gaussian before
        integration is narrower, so that the variance of the image is (fwhm / 2.355)². 0 gives one pixel.
    size : int, optional
        Side [px], odd; by default 4 FWHM across each way, at least 3.

    Returns
    -------
    ndarray, shape (size, size), float32
        Centred on the middle pixel, summing to 1.
    """
    from scipy.special import erf

    if size is None:
        size = 2 * max(1, math.ceil(2.0 * fwhm)) + 1
    if size % 2 == 0:
        raise ValueError(f"a PSF needs an odd side, got {size}")
    half = size // 2
    variance = (fwhm * SIGMA_PER_FWHM) ** 2 - PIXEL_VARIANCE
    if fwhm <= 0 or variance <= 1e-6:
        image = np.zeros((size, size), np.float32)
        image[half, half] = 1.0
        return image
    edges = (np.arange(size + 1) - half - 0.5) / math.sqrt(2.0 * variance)
    profile = np.diff(erf(edges))
    image = np.outer(profile, profile)
    return np.asarray(image / image.sum(), np.float32)


def gaussian_kernel(variance: float) -> NDArray[np.float32]:
    """Kernel that widens a well-sampled image by `variance` [px²] per axis, however little that is.

    Notes
    -----
    exp(-variance ω²/2) transformed back to pixels; a sampled Gaussian where it is wider than a pixel.
    """
    half = max(7, math.ceil(4.5 * math.sqrt(variance)))
    size = 4 * half
    wave = np.exp(-0.5 * variance * (2.0 * np.pi * np.fft.rfftfreq(size)) ** 2)
    profile = np.roll(np.fft.irfft(wave, size), half)[: 2 * half + 1]
    image = np.outer(profile, profile)
    return np.asarray(image / image.sum(), np.float32)


def psf_image(psf: PSF, size: int | None = None) -> NDArray[np.float32]:
    """Image of `psf` on an odd grid of side `size`, cropped or zero-padded, summing to 1."""
    image = psf.image if psf.image is not None else gaussian_psf(psf.fwhm, size)
    if size is None or image.shape[0] == size:
        return image
    half, target = image.shape[0] // 2, size // 2
    if half > target:
        cut = image[half - target : half + target + 1, half - target : half + target + 1]
        return np.asarray(cut / cut.sum(), np.float32)
    return np.pad(image, target - half)


def stack_psfs(psfs: Sequence[PSF | None], size: int | None = None) -> NDArray[np.float32] | None:
    """PSF images of several cutouts on one grid, shape (N, size, size); None where one is unknown."""
    known = [psf for psf in psfs if psf is not None]
    if len(known) < len(psfs) or not known:
        return None
    images = [psf_image(psf, size) for psf in known]
    side = max(image.shape[0] for image in images)
    return np.stack([psf_image(PSF(psf.fwhm, image), side) for psf, image in zip(known, images, strict=True)])


def resample_psf(psf: PSF, scale: float) -> NDArray[np.float32]:
    """Effective PSF of `psf` taken at the pixel centres of a grid `scale` times finer.

    Parameters
    ----------
    psf : PSF
        In pixels of its own grid.
    scale : float
        New pixels per old pixel, along a side.

    Returns
    -------
    ndarray, shape (k, k), k odd, float32
        Centred on the middle pixel, summing to 1: the same blur on the sky. It still contains the *old* pixel's
        width, as the values of an interpolated image do.

    Notes
    -----
    Images go through a cubic spline; a PSF of which only the width is known is a Gaussian.
    """
    if psf.image is None:
        return gaussian_psf(psf.fwhm * scale)
    if scale == 1:
        return psf.image
    from scipy.ndimage import map_coordinates

    half = psf.image.shape[0] // 2
    reach = math.floor(half * scale)
    at = half + np.arange(-reach, reach + 1) / scale
    image = map_coordinates(psf.image.astype(np.float64), np.meshgrid(at, at, indexing="ij"), order=3)
    return np.asarray(image / image.sum(), np.float32)


def fwhm_of(image: NDArray[np.floating]) -> float:
    """FWHM [px] of a PSF image: diameter of the circle with the area above half of the maximum."""
    from scipy.ndimage import map_coordinates

    side, fine = image.shape[0], 8
    at = np.arange(-0.5 + 0.5 / fine, side - 0.5, 1.0 / fine)
    order = 3 if side > 3 else 1
    spline = map_coordinates(np.asarray(image, np.float64), np.meshgrid(at, at, indexing="ij"), order=order)
    above = np.count_nonzero(spline >= 0.5 * spline.max()) / fine**2
    return 2.0 * math.sqrt(above / math.pi)


@lru_cache(maxsize=16)
def sampling_kernel(scale: int, order: int | None = None) -> NDArray[np.float32]:
    """Kernel that undoes the width of an s×s mean, so that the mean gives the value at its centre.

    Parameters
    ----------
    scale : int
        s.
    order : int, optional
        Power of the discrete Laplacian up to which the mean is undone: 2 for s = 2 and 1 for larger s by default,
        beyond which the finest waves would be amplified.

    Returns
    -------
    ndarray, shape (2 order + 1, 2 order + 1), float32
        Summing to 1; read-only. For s = 2 the mean of the convolved image is the Lagrange interpolation to the
        middle of the four pixels through (2 order + 2)² pixels.

    Notes
    -----
    In one dimension the mean of s pixels multiplies a wave of u = 4 sin²(ω/2) by a polynomial M(u) (even s: by
    its square root); the kernel is the beginning of the power series of 1/M in u = (-1, 2, -1).
    """
    if order is None:
        order = 2 if scale == 2 else 1
    # M² of the mean of s pixels: autocorrelation of a box, a sum of cosines, cos(kω) = T_k(1 - u/2)
    from numpy.polynomial import Polynomial, chebyshev

    weights = [1.0 / scale, *(2.0 * (scale - k) / scale**2 for k in range(1, scale))]
    squared = Polynomial(chebyshev.cheb2poly(weights))(Polynomial([1.0, -0.5])).coef
    squared = np.pad(squared, (0, order + 1))[: order + 1]
    # coefficients of (M²)^(-1/2), term by term (Miller's recurrence)
    series = np.zeros(order + 1)
    series[0] = 1.0
    for n in range(1, order + 1):
        series[n] = sum(((-0.5) * k - (n - k)) * squared[k] * series[n - k] for k in range(1, n + 1)) / n
    taps = np.zeros(2 * order + 1)
    power = np.ones(1)
    for n in range(order + 1):
        taps[order - n : order + n + 1] += series[n] * power
        power = np.convolve(power, [-1.0, 2.0, -1.0])
    kernel = np.outer(taps, taps).astype(np.float32)
    kernel.setflags(write=False)
    return kernel


def matching_kernel(psf_in: PSF | None, output_psf: OutputPSF, scale: int) -> NDArray[np.float32] | None:
    """Kernel of H on the output's grid: it takes the declared output PSF to the input's.

    Parameters
    ----------
    psf_in : PSF or None
        Of the input, in its pixels. Not needed for ``same``.
    output_psf : str, float or tuple of tuple of float
        What the chain of stages declares (see `Manifest.output_psf`).
    scale : int
        Output pixels per input pixel, s.

    Returns
    -------
    ndarray, shape (k, k), k odd, float32, or None
        Summing to 1; None for the identity (``same`` at scale 1).

    Raises
    ------
    ValueError
        Where the input PSF is needed and unknown, or the declared kernel is not square with an odd side.

    Notes
    -----
    H sums s×s pixels after this kernel; the sum of values that already contain the input's pixel would widen
    them once more, so every kernel includes `sampling_kernel`, which takes that out. So H of an interpolated
    well-sampled image is the image itself.
    """
    if output_psf == "same" or output_psf == 1:
        return None if scale == 1 else sampling_kernel(scale)
    if psf_in is None:
        raise ValueError(f"output PSF {output_psf!r} is relative to the input's, which is unknown")
    kernel = _between(psf_in, output_psf, scale)
    if scale > 1:
        from scipy.signal import convolve

        kernel = np.asarray(convolve(kernel, sampling_kernel(scale), mode="full"), np.float32)
    return kernel


def _between(psf_in: PSF, output_psf: OutputPSF, scale: int) -> NDArray[np.float32]:
    if isinstance(output_psf, tuple):
        return ratio_kernel(resample_psf(psf_in, scale), declared_kernel(output_psf))
    ratio = float(output_psf)
    if ratio <= 0:
        return resample_psf(psf_in, scale)
    if psf_in.image is None and ratio < 1:
        return gaussian_kernel((psf_in.fwhm * scale * SIGMA_PER_FWHM) ** 2 * (1.0 - ratio**2))
    return ratio_kernel(resample_psf(psf_in, scale), gaussian_psf(ratio * scale * psf_in.fwhm))


def declared_kernel(output_psf: tuple[tuple[float, ...], ...]) -> NDArray[np.float32]:
    """Kernel of a manifest as an array that sums to 1."""
    kernel = np.asarray(output_psf, np.float64)
    if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1] or kernel.shape[0] % 2 == 0:
        raise ValueError(f"an output PSF must be square with an odd side, got {kernel.shape}")
    if not np.isfinite(kernel).all() or kernel.sum() <= 0:
        raise ValueError("an output PSF must be finite with a positive sum")
    return np.asarray(kernel / kernel.sum(), np.float32)


def ratio_kernel(
    target: NDArray[np.floating], start: NDArray[np.floating], noise: float = 1e-2
) -> NDArray[np.float32]:
    """Kernel k with start ∗ k ≈ target, by a Wiener-regularised ratio of Fourier transforms.

    Parameters
    ----------
    target, start : ndarray, odd square shapes
        PSFs on one grid.
    noise : float
        Amplitude of `start`'s transform (1 at zero frequency) below which the ratio is damped.

    Returns
    -------
    ndarray, shape (k, k), k odd, float32
        Of the larger of the two sides, summing to 1.
    """
    from scipy.fft import irfft2, next_fast_len, rfft2

    side = max(target.shape[0], start.shape[0])
    size = next_fast_len(2 * side, real=True)

    def transform(image: NDArray[np.floating]) -> NDArray[np.complex128]:
        field = np.zeros((size, size))
        field[: image.shape[0], : image.shape[1]] = image
        half = image.shape[0] // 2
        return np.asarray(rfft2(np.roll(field, (-half, -half), (0, 1))))

    wide, narrow = transform(target), transform(start)
    kernel = irfft2(wide * narrow.conj() / (np.abs(narrow) ** 2 + noise**2), s=(size, size))
    half = side // 2
    kernel = np.roll(kernel, (half, half), (0, 1))[:side, :side]
    return np.asarray(kernel / kernel.sum(), np.float32)


def output_psf_of(psf: PSF | None, output_psf: OutputPSF, scale: float) -> PSF | None:
    """PSF of a stage's output in output pixels.

    Parameters
    ----------
    psf : PSF or None
        Of the stage's input, in its pixels.
    output_psf : str, float or tuple of tuple of float
        What the stage declares.
    scale : float
        Output pixels per pixel of its input.

    Returns
    -------
    PSF or None
        None where it cannot be known. A fully deconvolved output (0) has a FWHM of 0: each pixel is a point.
    """
    if isinstance(output_psf, tuple):
        kernel = declared_kernel(output_psf)
        return PSF(fwhm_of(kernel), kernel)
    if psf is None:
        return None
    if output_psf == "same":
        return PSF(psf.fwhm * scale, None if psf.image is None else resample_psf(psf, scale))
    return PSF(max(0.0, float(output_psf)) * psf.fwhm * scale)
