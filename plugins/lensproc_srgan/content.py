"""What a generator has to lose beside the adversarial part, what a discriminator sees, and whether flux closes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from lensproc.contract.training import Fields
from lensproc.nn.forward import forward
from lensproc.nn.losses import image_loss, psnr
from lensproc.nn.point_losses import aperture_loss, gaussian_stamps, response_loss

SCALE = 2
NARROWER = 0.5
"""FWHM of the output over that of the input, on the sky."""
PSF_SIDE = 25
"""Side of the output's PSF [output px]."""


def generate(network: nn.Module, batch: Fields) -> torch.Tensor:
    """Images (N, 1, 2H, 2W) of a batch."""
    found: torch.Tensor = network(batch["image"][:, None])
    return found


def truth(batch: Fields) -> torch.Tensor:
    """Noise-free scene behind half the PSF's width, shape (N, 1, 2H, 2W)."""
    return batch["sharp2"][:, None]


def _sky(batch: Fields) -> torch.Tensor:
    return batch["sky"].float()[:, None, None, None]


def fine_noise(batch: Fields) -> torch.Tensor:
    """Noise of an output pixel that the noise of an input pixel is the mean of, shape (N,)."""
    return SCALE * batch["noise"].float()


@dataclass(frozen=True)
class PixelLoss:
    """Distance of the pixels from the truth: what the first part of the training learns by.

    Parameters
    ----------
    kind : str
        Of `lensproc.nn.losses.image_loss`.
    """

    kind: str

    def __call__(self, network: nn.Module, batch: Fields) -> Mapping[str, torch.Tensor]:
        """Return ``loss`` of a batch."""
        return {"loss": image_loss(self.kind)(generate(network, batch).float(), truth(batch))}


@dataclass(frozen=True)
class Content:
    """Weighted sum of the distances of an image from its truth.

    Parameters
    ----------
    kind : str
        Of the distance of pixels.
    weights : mapping of str to float
        Of ``pixels``, ``features``, ``response``, ``apertures`` and ``flux``; of the last three, those of weight 0
        are not computed. ``flux`` is the mean of √(1 + Δ²) − 1, with Δ the disagreement of `closure`.
    features : nn.Module, optional
        Frozen network whose features are compared, by their mean squared difference.
    """

    kind: str
    weights: Mapping[str, float]
    features: nn.Module | None = field(default=None, repr=False)

    def __call__(self, generated: torch.Tensor, batch: Fields) -> Mapping[str, torch.Tensor]:
        """Return ``loss`` and its parts."""
        found, true = generated.float(), truth(batch)
        parts = {"pixels": image_loss(self.kind)(found, true)}
        if self.features is not None:
            parts["features"] = (self.features(found) - self.features(true)).square().mean()
        sky, sigma = _sky(batch), fine_noise(batch)
        fwhm = SCALE * NARROWER * batch["fwhm"].float()
        if self.weights["response"]:
            parts["response"] = response_loss(found, true, gaussian_stamps(fwhm, PSF_SIDE), sigma)
        if self.weights["apertures"]:
            points = batch["points2"][:, None]
            parts["apertures"] = aperture_loss(found - sky, true - sky, points, fwhm, sigma)
        if self.weights["flux"]:
            parts["flux"] = (torch.sqrt(1.0 + closure(found, batch) ** 2) - 1.0).mean()
        total = torch.stack([self.weights[name] * value for name, value in parts.items()]).sum()
        return {"loss": total, **parts}


@dataclass(frozen=True)
class Metrics:
    """The content loss in validation, the PSNR [dB] on the scale of the image's range, and how well flux closes.

    Parameters
    ----------
    content : Content
        Of the training.
    """

    content: Content

    def __call__(self, network: nn.Module, batch: Fields) -> Mapping[str, torch.Tensor]:
        """Return ``loss``, its parts, ``psnr`` and ``closure`` of a batch."""
        generated = generate(network, batch).float()
        return {
            **self.content(generated, batch),
            "psnr": psnr(generated, truth(batch)),
            "closure": closure(generated, batch).square().mean().sqrt(),
        }


def shown(generated: torch.Tensor, batch: Fields) -> tuple[torch.Tensor, torch.Tensor]:
    """Show a discriminator the arsinh of the light above the sky over its noise, of generated and real images.

    On a linear scale a second source is lost beside the first one, for the discriminator as for the eye (the
    stretch of Lupton et al. 1999, AJ 118, 1406).
    """
    sky, sigma = _sky(batch), fine_noise(batch)[:, None, None, None]
    found, true = (torch.asinh((images.float() - sky) / sigma) for images in (generated, truth(batch)))
    return found, true


def closure(generated: torch.Tensor, batch: Fields) -> torch.Tensor:
    """Disagreement of the output's flux with the input's [its photon error], shape (N,)."""
    return flux_disagreement(generated, truth(batch), batch["variance"])


def flux_disagreement(generated: torch.Tensor, true: torch.Tensor, variance: torch.Tensor) -> torch.Tensor:
    """Disagreement of the output's flux, binned to the input's pixels, with the input's [its photon error].

    Parameters
    ----------
    generated, true : torch.Tensor, shape (N, 1, 2H, 2W)
        Output and its truth. The truth is what the input measures, without its noise, and it has the output's PSF:
        light that this moves across the border of a crop does not count.
    variance : torch.Tensor, shape (N, H, W)
        Of the input.

    Returns
    -------
    torch.Tensor, shape (N,)
        Σ (output − truth) / √Σ variance over the input's pixels.
    """
    difference = forward(generated.float() - true, None, SCALE, "surface brightness")[:, 0]
    return difference.sum((1, 2)) / variance.sum((1, 2)).sqrt()
