"""What ``lens-denoise`` is judged by while it learns: error, light lost on average, its own uncertainty."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from lensproc.contract.training import Fields


@dataclass(frozen=True)
class Weights:
    """How much each part counts beside the mean squared error in units of σ².

    Parameters
    ----------
    stars : float
        Squared bias of the flux of stars, in units of the error of a matched filter.
    light : float
        Squared bias of the light in windows of `WINDOW` pixels a side, in units of its error for white noise.
    uncertainty : float
        Gaussian likelihood of the error under the network's own uncertainty.
    """

    stars: float = 0.4
    light: float = 0.1
    uncertainty: float = 0.1


WINDOW = 5


def denoising_loss(network: torch.nn.Module, batch: Fields, weights: Weights) -> dict[str, torch.Tensor]:
    """Loss over pairs of exposures of the same sky.

    Parameters
    ----------
    network : torch.nn.Module
        A `lensproc_denoise.noise_unet.NoiseUNet`.
    batch : dict of torch.Tensor
        From `lensproc_denoise.exposures.draw_exposures`.
    weights : Weights
        Of the parts.

    Returns
    -------
    dict of torch.Tensor
        ``loss`` and its parts.

    Notes
    -----
    A mean squared error alone teaches to pull faint sources towards the sky. What is lost on average, the bias, is
    what two exposures have in common: with independent noise the expectation of the product of their errors is the
    squared bias. The variance of a faint star's flux is paid for only by the mean squared error.

    The likelihood trains the uncertainty and leaves the image alone: the error in it is a constant (as in Stirn et
    al. 2023, AISTATS, *Faithful heteroscedastic regression*).
    """
    mask = batch["mask"].repeat(2, 1, 1, 1)
    denoised, uncertainty = network(batch["image"], batch["stated"], batch["level"], mask)
    sigma = batch["sigma"].repeat(2, 1, 1, 1)
    error = denoised - batch["truth"].repeat(2, 1, 1, 1)
    relative = error / sigma
    squared = relative.pow(2).mean()
    star = batch["star"]
    first, second = (
        torch.einsum("nkhw,nhw->nk", star, half[:, 0]) / star.pow(2).sum((2, 3)) / batch["star_error"]
        for half in error.chunk(2)
    )
    inside = star.sum((2, 3)) > 0.8
    stars = common(first[inside], second[inside])
    one, two = (WINDOW * F.avg_pool2d(half, WINDOW, stride=2) for half in relative.chunk(2))
    light = common(one, two)
    spread = uncertainty / sigma
    likelihood = (0.5 * relative.detach().pow(2) / spread.pow(2) + torch.log(spread)).mean()
    loss = squared + weights.stars * stars + weights.light * light + weights.uncertainty * likelihood
    return {"loss": loss, "error": squared, "stars": stars, "light": light, "likelihood": likelihood}


def common(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Mean product of two errors, those of many σ weighted down, so that one star does not rule a step."""
    weight = 1.0 / (1.0 + 0.125 * (first.square() + second.square()).detach())
    return (weight * first * second).mean()
