"""Errors of ``sis`` held against lenses of known truth: after training, and again for weights that there are."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from lensproc.contract.training import Fields
from lensproc_sis.error_fit import ONE_SIGMA, fit_errors
from lensproc_sis.measure import Cutouts, looked
from lensproc_sis.sis_network import SISNetwork

NAMES = ("radius", "x", "y", "e1", "e2", "gamma1", "gamma2")
"""Of the parameters, in records."""
ENOUGH = 300
"""Lenses from which on errors are fitted by cutout; fewer leave the many numbers to chance."""


def own_pixels(batch: Fields) -> torch.Tensor:
    """1 where a pixel is the image's own, 0 where its frame is, shape (N, 1, H, W)."""
    side, own = batch["image"].shape[-1], batch["inside"].long()
    before = torch.div(side - own, 2, rounding_mode="floor")
    line = torch.arange(side, device=own.device)
    within = (line >= before[:, None]) & (line < (before + own)[:, None])
    return (within[:, None, :, None] & within[:, None, None, :]).float()


def cutouts_of(batch: Fields) -> Cutouts:
    """Cutouts of a batch of `lens_sample`, to be measured as the stage does."""
    image = batch["image"][:, None].float()
    middle = torch.full_like(batch["fwhm"].float(), (image.shape[-1] - 1) / 2)
    return Cutouts(
        image, own_pixels(batch), batch["fwhm"].float(), middle, middle, batch["inside"].float() / 2
    )


def error_of(lens: torch.Tensor, truth: torch.Tensor, half: torch.Tensor) -> torch.Tensor:
    """Errors made (N, 7), of θ_E as its logarithm and of the centre in units of the frame's half side."""
    error = lens - truth
    ratio = torch.log(lens[:, :1] / truth[:, :1])
    return torch.cat((ratio, error[:, 1:3] / half[:, None], error[:, 3:]), dim=1)


@torch.no_grad()
def errors_made(
    network: SISNetwork, batches: Iterable[Fields]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Measure lenses of known truth as the stage does.

    Returns
    -------
    features : torch.Tensor, shape (N, 7, F)
        Of `lensproc_sis.error_features`.
    ratio : torch.Tensor, shape (N, 7)
        |Error| over the one that the network states.
    radius : torch.Tensor, shape (N,)
        Error of ln θ_E.
    """
    rows = []
    for batch in batches:
        found = looked(network, cutouts_of(batch))
        error = error_of(found.lens, batch["lens"].float(), found.frames.half)
        assert found.features is not None
        rows.append((found.features, (error / torch.exp(found.log_sigma)).abs(), error[:, 0]))
    features, ratio, radius = (torch.cat(parts) for parts in zip(*rows, strict=True))
    return features, ratio, radius


def calibrate(network: torch.nn.Module, batches: Iterable[Fields]) -> dict[str, float]:
    """Fit how large errors are beside those that the network states; for `TrainingTask.finish`."""
    assert isinstance(network, SISNetwork)
    return calibrate_to(network, *errors_made(network, batches))


@torch.no_grad()
def calibrate_to(
    network: SISNetwork, features: torch.Tensor, ratio: torch.Tensor, radius: torch.Tensor
) -> dict[str, float]:
    """Fit the errors of a network to those that it made (`errors_made`), and say how.

    The buffer ``calibration`` becomes the factor of each parameter by which 68.27 % of all lenses lie within. Of
    `ENOUGH` lenses and more, ``errors`` becomes a factor that depends on the cutout as well.
    """
    scale = ratio.quantile(ONE_SIGMA, dim=0)
    network.calibration.copy_(scale)
    percent = 100.0 * radius
    fitted = {
        "images": float(len(ratio)),
        "radius_bias_percent": float(percent.median()),
        "radius_scatter_percent": float((percent - percent.median()).abs().quantile(ONE_SIGMA)),
    }
    fitted |= {f"scale_{name}": float(value) for name, value in zip(NAMES, scale, strict=True)}
    network.errors.reset()
    if len(ratio) < ENOUGH:
        return fitted
    network.errors.set(fit_errors(features.double().cpu().numpy(), ratio.double().cpu().numpy()))
    factors = network.errors(features).quantile(torch.tensor((0.05, 0.95), device=ratio.device), dim=0)
    for name, (low, high) in zip(NAMES, factors.T, strict=True):
        fitted |= {f"scale_{name}_5_percent": float(low), f"scale_{name}_95_percent": float(high)}
    return fitted
