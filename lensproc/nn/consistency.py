"""The last step of a trained enhancer: what the input measured and the network missed is put back.

The residual r = x - H y of a faithful image is noise. Two parts of it are not left to a network's judgement.
Slow waves, several PSFs long, are measured by the input far better than any prior knows them: they are taken
over, so the flux inside the frame is the input's. And where the residual is *significant*, it is deconvolved
(Wiener) and added: a source that was lost comes back, and one that was invented goes. Elsewhere nothing is added,
so noise is not copied.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lensproc.nn.forward import forward
from lensproc.nn.psf import SIGMA_PER_FWHM

MARGIN = 16
"""Pixels by which images are continued before they are filtered [input px]."""
FRAME = 2.0
"""Width of the frame in which nothing is corrected, since H does not know the light beyond [FWHM]."""
LIGHT_STEPS = 2
"""Steps in which light counts, if it does: the noise of a source grows with each."""
RESPONSE = 33
"""Side of the image of what H makes of one corrected pixel [input px]."""


@dataclass(frozen=True)
class Consistency:
    """How much of the residual is put back.

    Parameters
    ----------
    smooth : float
        FWHM of the Gaussian that separates slow waves [FWHM of the PSF].
    damping : float
        Power of the response below which the deconvolution is damped (1 at zero frequency).
    steps : int
        How often at most the deconvolved residual is added, as long as it is significant anywhere. Of a star's
        missing flux a tenth is left after each step.
    residual : (float, float)
        Significance of the residual from which correction begins, and from which it is whole [σ].
    light : (float, float), optional
        The same for light in the input. Then the flux of every source is the input's, and so is its noise, also
        that of arcs and galaxies; by default what the network makes of them stays as long as the residual is
        noise.
    """

    smooth: float = 4.0
    damping: float = 0.1
    steps: int = 4
    residual: tuple[float, float] = (4.0, 5.0)
    light: tuple[float, float] | None = None


def consistent(
    image: Tensor,
    observed: Tensor,
    variance: Tensor,
    kernels: Tensor | None,
    psf: Tensor,
    fwhm: Tensor,
    scale: int,
    settings: Consistency = Consistency(),
    limits: tuple[Tensor, Tensor] | None = None,
) -> Tensor:
    """Make an enhanced image agree with its input.

    Parameters
    ----------
    image : Tensor, shape (N, 1, sH, sW)
        Enhanced images, as surface brightness.
    observed, variance : Tensor, shape (N, 1, H, W)
        Their inputs, with the sky near 0, and the variance of each pixel.
    kernels : Tensor, shape (N, k, k) or (1, k, k), or None
        Of H, from `lensproc.nn.psf.matching_kernel`.
    psf : Tensor, shape (N, p, p), p odd
        Effective PSF on the pixels of the input, summing to 1.
    fwhm : Tensor, shape (N,)
        Its FWHM [input px].
    scale : int
        Output pixels per input pixel.
    settings : Consistency
        How much is put back.
    limits : (Tensor, Tensor), optional
        Least and largest value of each output pixel, held in every step until the slow waves are taken over.

    Returns
    -------
    Tensor, shape of `image`
        Differentiable in `image`.
    """
    image = _held(image, limits)
    rest = observed - forward(image, kernels, scale, "surface brightness")
    field = _Field(rest, response(kernels, scale, rest))
    unit = _robust_scatter(matched_significance(rest, variance, psf))
    kept = torch.zeros_like(rest)
    if settings.light is not None:
        kept = _rise(matched_significance(observed, variance, psf) / unit, settings.light)
    slow = field.gaussian(settings.smooth * fwhm * SIGMA_PER_FWHM)
    inverse = (1.0 - slow) * field.inverse(settings.damping, psf)
    inside = _inside(rest, fwhm)
    for step in range(settings.steps):
        where = _rise(matched_significance(rest, variance, psf).abs() / unit, settings.residual)
        if step < LIGHT_STEPS:
            where = torch.maximum(where, kept)
        where = where * inside
        if not bool((where > 0).any()):
            break
        change = _widened(where, fwhm) * field.filtered(inverse, rest)
        image = _held(image + _raised(change, scale), limits)
        rest = observed - forward(image, kernels, scale, "surface brightness")
    seen = field.filtered(slow, inside).clamp(min=0.1)
    change = field.filtered(slow, rest * inside) / seen
    rest = inside * (rest - field.filtered(field.spectrum, change))
    level = rest.sum((-2, -1), keepdim=True) / inside.sum((-2, -1), keepdim=True).clamp(min=1.0)
    return image + _raised(change + level, scale)


def _held(image: Tensor, limits: tuple[Tensor, Tensor] | None) -> Tensor:
    return image if limits is None else torch.minimum(torch.maximum(image, limits[0]), limits[1])


def matched_significance(image: Tensor, variance: Tensor, psf: Tensor) -> Tensor:
    """Signal to noise of a point source at every pixel, for white noise, shape (N, 1, H, W).

    Σ P x/v / √(Σ P²/v): the best linear estimate of a flux over its error (e.g. Zackay & Ofek 2017, ApJ 836, 187).
    """
    half = psf.shape[-1] // 2
    kernel = psf.to(image)[:, None]
    weight = 1.0 / variance
    n = image.shape[0]

    def correlate(field: Tensor, kernels: Tensor) -> Tensor:
        padded = functional.pad(field, (half, half, half, half), mode="replicate")
        size = [length + 2 * half for length in field.shape[-2:]]
        spectrum = torch.fft.rfft2(padded) * torch.fft.rfft2(kernels, s=size).conj()
        result: Tensor = torch.fft.irfft2(spectrum, s=size)
        return result[..., : field.shape[-2], : field.shape[-1]]

    assert kernel.shape[0] == n
    peak = correlate(image * weight, kernel)
    return peak / torch.sqrt(correlate(weight, kernel**2).clamp(min=1e-30))


def response(kernels: Tensor | None, scale: int, like: Tensor) -> Tensor:
    """Give what H makes of a correction of 1 in the middle input pixel, shape (N, 1, RESPONSE, RESPONSE)."""
    count = 1 if kernels is None else kernels.shape[0]
    one = like.new_zeros((count, 1, RESPONSE, RESPONSE))
    one[..., RESPONSE // 2, RESPONSE // 2] = 1.0
    return forward(_raised(one, scale), kernels, scale, "surface brightness")


class _Field:
    """Linear filters on a grid of images, continued beyond their frames, by Fourier transforms."""

    def __init__(self, like: Tensor, kernel: Tensor) -> None:
        self.height, self.width = like.shape[-2:]
        self.size = [self.height + 2 * MARGIN, self.width + 2 * MARGIN]
        half = kernel.shape[-1] // 2
        canvas = like.new_zeros((kernel.shape[0], 1, *self.size))
        canvas[..., : kernel.shape[-2], : kernel.shape[-1]] = kernel
        self.spectrum = torch.fft.rfft2(canvas.roll((-half, -half), (-2, -1)))
        rows = 2.0 * torch.pi * torch.fft.fftfreq(self.size[0], device=like.device)
        columns = 2.0 * torch.pi * torch.fft.rfftfreq(self.size[1], device=like.device)
        self.wave2 = rows[:, None] ** 2 + columns[None, :] ** 2

    def gaussian(self, sigma: Tensor) -> Tensor:
        """Response of a Gaussian of width `sigma` [px], shape (N, 1, h, w)."""
        result: Tensor = torch.exp(-0.5 * sigma[:, None, None, None] ** 2 * self.wave2)
        return result

    def inverse(self, damping: float, psf: Tensor) -> Tensor:
        """Wiener inverse of the response of H, scaled so that it gives back the whole flux of a star.

        Damping takes a share of every wave; of a star's flux by a PSF fit it leaves Σ|P|²T / Σ|P|², with T the
        share that H of the result keeps of a wave.
        """
        power = self.spectrum.abs() ** 2
        kept = power / (power + damping)
        star = torch.fft.rfft2(psf.to(power)[:, None], s=self.size).abs() ** 2
        share = (star * kept).sum((-2, -1), keepdim=True) / star.sum((-2, -1), keepdim=True)
        result: Tensor = self.spectrum.conj() / (power + damping) / share
        return result

    def filtered(self, by: Tensor, image: Tensor) -> Tensor:
        padded = functional.pad(image, (MARGIN,) * 4, mode="replicate")
        full: Tensor = torch.fft.irfft2(torch.fft.rfft2(padded) * by, s=self.size)
        return full[..., MARGIN : MARGIN + self.height, MARGIN : MARGIN + self.width]


def _raised(image: Tensor, scale: int) -> Tensor:
    if scale == 1:
        return image
    return functional.interpolate(image, scale_factor=scale, mode="bicubic")


def _robust_scatter(significance: Tensor) -> Tensor:
    """Scatter of the filtered noise, at least 1: correlated noise has more than its pixels' variance says."""
    flat = significance.flatten(1)
    middle = flat.median(dim=1, keepdim=True).values
    scatter: Tensor = 1.4826 * (flat - middle).abs().median(dim=1).values
    return scatter.clamp(min=1.0)[:, None, None, None]


def _rise(value: Tensor, limits: tuple[float, float]) -> Tensor:
    """0 below the first limit, 1 above the second, smooth between."""
    share = ((value - limits[0]) / (limits[1] - limits[0])).clamp(0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)


def _inside(like: Tensor, fwhm: Tensor) -> Tensor:
    """0 in the frame, 1 inside; shape (N, 1, H, W)."""
    inside = torch.zeros(like.shape[0], 1, *like.shape[-2:], dtype=like.dtype, device=like.device)
    most = (min(like.shape[-2:]) - 1) // 3
    for item, width in enumerate(fwhm.tolist()):
        frame = max(1, min(most, round(FRAME * width)))
        inside[item, :, frame:-frame, frame:-frame] = 1.0
    return inside


def _widened(where: Tensor, fwhm: Tensor) -> Tensor:
    """Largest value within half a FWHM of each pixel, item by item, with a soft edge."""
    wide = torch.empty_like(where)
    for item, width in enumerate(fwhm.tolist()):
        reach = max(1, round(0.5 * width))
        wide[item : item + 1] = functional.max_pool2d(where[item : item + 1], 2 * reach + 1, 1, reach)
    padded = functional.pad(wide, (1, 1, 1, 1), mode="replicate")
    return functional.avg_pool2d(padded, 3, stride=1)
