"""The network of ``lens-sr`` and ``lens-gan``: a correction to the bicubic image and its 1σ, told noise and PSF.

All lengths are in pixels, all values in units of the typical noise of the input's sky, with the sky near 0. A
correction is learnt in units of the *local scale* L = √(v + (b/4)²), v the variance and b the light around: one
network then serves the sky and a core a thousand times brighter.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

SCALE = 2
NARROWER = 0.5
"""FWHM of the output over that of the input, on the sky."""
CHANNELS_IN = 5
LIGHT_SHARE = 0.25
"""Share of the light around that counts as scale where it outshines the noise."""
BRIGHTEST = 300.0
"""Value [σ] above which all light looks alike to the network, but for its shape: few samples are brighter."""
DEEPEST, STEEPEST = 5.0, 5.0
"""Of `limits`: σ of the input below its darkest pixel around, and times its brightest."""
SMALLEST_LOG_SIGMA, LARGEST_LOG_SIGMA = -6.0, 4.0
"""Limits of ln(σ / L), so that no pixel's likelihood runs away."""


class Block(nn.Module):
    """conv3, SiLU, conv3 on a skip; the second convolution starts at zero."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.second.weight)
        assert self.second.bias is not None
        nn.init.zeros_(self.second.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Shape (N, width, H, W) in and out."""
        change: Tensor = self.second(functional.silu(self.first(features)))
        return features + change


class LensSR(nn.Module):
    """Twice the sampling, half the width of the PSF, and an error for every pixel.

    Parameters
    ----------
    width : int
        Channels.
    blocks : int
        Residual blocks at the sampling of the input.
    fine : int
        Channels at the sampling of the output.
    """

    def __init__(self, width: int = 48, blocks: int = 6, fine: int = 8) -> None:
        super().__init__()
        self.enter = nn.Conv2d(CHANNELS_IN, width, 3, padding=1)
        self.body = nn.Sequential(*(Block(width) for _ in range(blocks)))
        self.rise = nn.Conv2d(width, fine * SCALE**2, 3, padding=1)
        self.leave = nn.Conv2d(fine, 2, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        assert self.leave.bias is not None
        with torch.no_grad():
            self.leave.bias.copy_(torch.tensor([0.0, -1.0]))

    def forward(self, image: Tensor, variance: Tensor, fwhm: Tensor) -> tuple[Tensor, Tensor]:
        """Enhance images in units of their noise.

        Parameters
        ----------
        image : Tensor, shape (N, 1, H, W)
            Sky near 0, noise of the sky near 1.
        variance : Tensor, shape (N, 1, H, W)
            In the square of that unit, above 0.
        fwhm : Tensor, shape (N, 1, 1, 1)
            Of the effective PSF [input px].

        Returns
        -------
        image, sigma : Tensor, shape (N, 1, 2H, 2W)
            The image behind a Gaussian PSF of half the width, and the 1σ error of each of its pixels.
        """
        scale = local_scale(image, variance)
        features = torch.cat(
            [
                image / scale,
                torch.asinh(image.clamp(max=BRIGHTEST)) / 4.0,
                0.5 * torch.log(variance),
                torch.log(scale.clamp(max=LIGHT_SHARE * BRIGHTEST)) / 3.0,
                torch.log(fwhm / 3.0).expand_as(image),
            ],
            dim=1,
        )
        features = self.body(self.enter(features))
        fine = functional.silu(functional.pixel_shuffle(self.rise(features), SCALE))
        change, log_sigma = self.leave(fine).float().chunk(2, dim=1)
        step = functional.interpolate(scale, scale_factor=SCALE, mode="bilinear")
        sigma = step * torch.exp(log_sigma.clamp(SMALLEST_LOG_SIGMA, LARGEST_LOG_SIGMA))
        return bicubic(image) + step * change, sigma


def bicubic(image: Tensor) -> Tensor:
    """Cubic interpolation onto a grid twice as fine, pixel edges aligned."""
    return functional.interpolate(image, scale_factor=SCALE, mode="bicubic")


def local_scale(image: Tensor, variance: Tensor) -> Tensor:
    """L of the module's docstring, from light averaged over 3×3 pixels."""
    padded = functional.pad(image, (1, 1, 1, 1), mode="replicate")
    light = functional.avg_pool2d(padded, 3, stride=1).clamp(min=0.0)
    return torch.sqrt(variance + (LIGHT_SHARE * light) ** 2)


def limits(observed: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """Least and largest value that an enhanced pixel can have; nothing that fits the input is beyond them.

    Light is not negative, so no pixel lies more than `DEEPEST` σ below 0 and the input around it; and half the
    width makes a star four times as high, so none lies above `STEEPEST` times the input around it. Beyond what
    training shows, above all at cores of some thousand σ behind another PSF, the network can leave these limits.

    Parameters
    ----------
    observed, variance : Tensor, shape (N, 1, H, W)
        Inputs, with the sky near 0, and the variance of each pixel.

    Returns
    -------
    low, high : Tensor, shape (N, 1, 2H, 2W)
    """
    noise = DEEPEST * torch.sqrt(functional.max_pool2d(variance, 3, 1, 1))
    low = (-functional.max_pool2d(-observed, 3, 1, 1)).clamp(max=0.0) - noise
    high = STEEPEST * functional.max_pool2d(observed, 3, 1, 1).clamp(min=0.0) + noise
    return functional.interpolate(low, scale_factor=SCALE), functional.interpolate(high, scale_factor=SCALE)
