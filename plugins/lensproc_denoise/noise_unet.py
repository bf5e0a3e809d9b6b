"""The network of ``lens-denoise``: a small U-Net that looks at the image through its noise map."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from lensproc.nn.blocks import Residual, conv, require_blocks

LIMIT = 5.0
"""Largest change of a pixel [σ of that pixel]: what is brighter cannot be erased, what is darker not invented."""
CONTRAST = 8.0
"""Contrast [σ] towards which the contrast that the network sees saturates."""
FINE, COARSE = 1.5, 5.0
"""Widths of Gaussian means [px]: to fill bad pixels and measure contrast; over which light is kept."""
REACH_FINE, REACH_COARSE = 4, 12
"""Where these means end [px]."""
INPUTS = 4
RANGE = 5.0
"""Largest |ln| of a noise over the typical one that the network sees."""


class NoiseUNet(nn.Module):
    """Denoiser that is told the noise of every pixel.

    Its inputs are ratios of pixel values to noise, and its answer is a number of σ to be taken off each pixel, so
    image and noise in another unit give the same answer in that unit.

    Parameters
    ----------
    width : int
        Channels at full resolution; twice as many at half, four times as many at a quarter of it.
    blocks : int
        Residual blocks at quarter resolution.

    Notes
    -----
    After the U-Net of Ronneberger et al. 2015 (MICCAI, 234), without normalisation layers, with the noise map as
    an input channel as in FFDNet (Zhang, Zuo & Zhang 2018, IEEE Trans. Image Process. 27, 4608).
    """

    def __init__(self, width: int = 16, blocks: int = 3) -> None:
        super().__init__()
        require_blocks(blocks)
        a, b, c = width, 2 * width, 4 * width

        def relu() -> nn.ReLU:
            return nn.ReLU(inplace=True)

        def block(channels: int) -> Residual:
            return Residual(conv(channels, channels, 3), relu(), conv(channels, channels, 3))

        self.enter = nn.Sequential(conv(INPUTS, a, 3), relu(), conv(a, a, 3), relu())
        self.down = nn.Sequential(nn.Conv2d(a, b, 2, stride=2), relu(), block(b))
        self.bottom = nn.Sequential(
            nn.Conv2d(b, c, 2, stride=2),
            relu(),
            *(block(c) for _ in range(blocks)),
            nn.ConvTranspose2d(c, b, 2, stride=2),
        )
        self.up = nn.Sequential(block(b), nn.ConvTranspose2d(b, a, 2, stride=2))
        self.leave = nn.Sequential(block(a), relu(), conv(a, a, 3), relu(), conv(a, 2, 3))
        final = self.leave[-1]
        assert isinstance(final, nn.Conv2d)
        assert final.bias is not None
        nn.init.zeros_(final.weight)
        nn.init.zeros_(final.bias)
        # Half of the 3×3 convolutions' reach at each resolution, the corners of the coarse pixels, the features,
        # and the light that is given back.
        self.reach = 2 + 4 + 2 * (2 + 2) + 4 * 2 * blocks + 3 + 2 * REACH_FINE + REACH_COARSE

    def forward(
        self, image: torch.Tensor, sigma: torch.Tensor, level: torch.Tensor, mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Denoise images whose sky is near 0.

        Parameters
        ----------
        image : torch.Tensor, shape (N, 1, H, W)
            Pixel values; H and W multiples of 4.
        sigma : torch.Tensor, of the same shape
            1σ noise of every pixel, above 0, in the unit of `image`.
        level : torch.Tensor, shape (N, 1, 1, 1)
            1σ noise that stands for the whole image.
        mask : torch.Tensor, of the shape of `image`
            1 where a pixel was bad, else 0.

        Returns
        -------
        denoised, uncertainty : torch.Tensor, of the same shape
            What is left of the image, and its 1σ error as the network expects it.
        """
        filled = fill(image, mask)
        snr = filled / sigma
        features = torch.cat(
            [
                torch.asinh(snr),
                CONTRAST * torch.tanh((filled - smooth(filled)) / (CONTRAST * sigma)),
                torch.log(sigma / level).clamp(-RANGE, RANGE),
                mask,
            ],
            1,
        )
        fine = self.enter(features)
        middle = self.down(fine)
        middle = middle + self.bottom(middle)
        answer = self.leave(fine + self.up(middle))
        change = LIMIT * torch.tanh(answer[:, :1] / LIMIT)
        removed = sigma * change
        removed = removed - mean_light(removed, sigma / level, mask)
        return filled - removed, sigma * torch.exp(0.5 * answer[:, 1:].clamp(-8.0, 4.0))


def mean_light(removed: torch.Tensor, sigma: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean over `COARSE` px of what was removed, weighted by 1/σ² with bad pixels left out.

    Notes
    -----
    The noise of a pixel is not known, but that of the light over a few hundred pixels is small: it is not for the
    network to change it. Giving the mean back costs 6 % of white noise.
    """
    weight = (1.0 - mask) / sigma.clamp_min(1e-3).square()
    parts = smooth(torch.cat([weight * removed, weight], 1), COARSE, REACH_COARSE)
    return parts[:, :1] / parts[:, 1:].clamp_min(1e-9)


def smooth(image: torch.Tensor, width: float = FINE, reach: int = REACH_FINE) -> torch.Tensor:
    """Gaussian mean of `width` over `reach` px [px], channel by channel, the border going on beyond the frame."""
    taps = _profile(width, reach).to(image)
    n, channels, height, across = image.shape
    planes = F.pad(image, (reach, reach, reach, reach), mode="replicate").flatten(0, 1).unsqueeze(1)
    rows = F.conv2d(planes, taps.view(1, 1, -1, 1))
    return F.conv2d(rows, taps.view(1, 1, 1, -1)).view(n, channels, height, across)


def fill(image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Image with bad pixels replaced by the weighted mean of good ones nearby, or by 0 where there is none."""
    if not bool(mask.any()):
        return image
    good = 1.0 - mask
    share = smooth(good)
    mean = smooth(torch.where(mask > 0, torch.zeros_like(image), image)) / share.clamp_min(1e-6)
    return torch.where(mask > 0, mean, image)


def _profile(width: float, reach: int) -> torch.Tensor:
    taps = [math.exp(-0.5 * (i / width) ** 2) for i in range(-reach, reach + 1)]
    return torch.tensor([tap / sum(taps) for tap in taps])
