"""Training images made worse and moved: another PSF, more noise, another place, angle and size of the ring."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from lensproc.errors import UsageError
from lensproc.nn.psf import SIGMA_PER_FWHM
from lensproc.nn.ring import Moved, draw_moved

REACH = 4
"""Half the side of the blurring kernel [px]."""


@dataclass(frozen=True)
class RingAugmentation:
    """How much training images are varied.

    Parameters
    ----------
    blur : float
        Largest σ of the Gaussian that widens the PSF [px].
    noise : float
        Largest factor on the noise of the sky; drawn evenly in its logarithm.
    share : float
        Part of the images that are blurred, and part that are made noisier.
    shift : float
        1σ of the shift along each axis [radius of the ring].
    zoom : float
        Largest relative change of the size at which the ring is shown.
    turn : float
        Part of the images that are turned by an angle that is no quarter turn.
    unknown : float
        Part of the images whose PSF the network is not told.
    """

    blur: float = 1.2
    noise: float = 2.5
    share: float = 0.3
    shift: float = 0.05
    zoom: float = 0.12
    turn: float = 0.5
    unknown: float = 0.2

    @classmethod
    def split(cls, table: Mapping[str, Any]) -> tuple[RingAugmentation, dict[str, Any]]:
        """Take the fields of this class out of a recipe's table, and return the rest of it.

        Raises
        ------
        UsageError
            For a value that does not fit.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        values = {name: value for name, value in table.items() if name in names}
        for name, value in values.items():
            if not isinstance(value, int | float) or isinstance(value, bool) or value < 0:
                raise UsageError(f"augmentation: {name} must be a number from 0, got {value!r}")
        augmentation = cls(**{name: float(value) for name, value in values.items()})
        if augmentation.noise < 1 or augmentation.zoom >= 1:
            raise UsageError("augmentation: noise is a factor from 1, and zoom lies below 1")
        return augmentation, {name: value for name, value in table.items() if name not in names}

    def degrade(
        self, images: torch.Tensor, fwhm: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Blur some images and add noise to some, and bring all to units of their new noise.

        Parameters
        ----------
        images : torch.Tensor, shape (N, 1, H, W)
            In σ above the sky.
        fwhm : torch.Tensor, shape (N,)
            Of the PSF [px].
        generator : torch.Generator
            On the device of the images.

        Returns
        -------
        images : torch.Tensor, shape (N, 1, H, W)
            In σ of what their sky has now. A blurred one gets back the noise that the blur took, white, so that
            its σ is never below that of the original.
        fwhm : torch.Tensor, shape (N,)
            √(FWHM² + (2.355 blur)²); 0 for those whose PSF is not told.
        """
        count, device = len(images), images.device
        random = torch.rand((5, count), generator=generator, device=device)
        blur = torch.where(random[0] < self.share, random[1] * self.blur, torch.zeros_like(random[1]))
        factor = torch.where(random[2] < self.share, self.noise ** random[3], torch.ones_like(random[3]))
        kernels = gaussians(blur)
        left = kernels.square().sum(
            1
        )  # what is left of the variance of white noise: its square for both axes
        result = _blurred(images, kernels)
        added = torch.sqrt((factor.square() - left.square()).clamp_min(0.0))
        noise = torch.randn(images.shape, generator=generator, device=device)
        result = (result + added[:, None, None, None] * noise) / factor[:, None, None, None]
        wider = torch.sqrt(fwhm.square() + (blur / SIGMA_PER_FWHM).square())
        return result, torch.where(random[4] < self.unknown, torch.zeros_like(wider), wider)

    def draw(self, count: int, generator: torch.Generator, device: torch.device) -> Moved:
        """Draw how `count` rings are moved."""
        return draw_moved(count, self.shift, self.zoom, self.turn, generator, device)


def gaussians(sigma: torch.Tensor) -> torch.Tensor:
    """Sample Gaussians of sum 1, shape (N, 2 REACH + 1); σ = 0 gives a single 1."""
    axis = torch.arange(-REACH, REACH + 1, device=sigma.device, dtype=sigma.dtype)
    weights = torch.exp(-0.5 * (axis / sigma.clamp_min(1e-3)[:, None]).square())
    return weights / weights.sum(1, keepdim=True)


def _blurred(images: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
    """Convolve each image (N, 1, H, W) with its own kernel (N, k) along both axes; edges are repeated."""
    count = len(images)
    grouped = F.pad(images.transpose(0, 1), (REACH,) * 4, mode="replicate")
    rows = F.conv2d(grouped, kernels[:, None, None, :], groups=count)
    return F.conv2d(rows, kernels[:, None, :, None], groups=count).transpose(0, 1)
