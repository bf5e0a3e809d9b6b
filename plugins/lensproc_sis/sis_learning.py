"""How the network of ``sis`` learns: from the lenses of simulations, and from sources that have to close."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from lensproc.contract.training import Fields, TrainingTask
from lensproc.errors import UsageError
from lensproc.nn.lensing import Grid
from lensproc.nn.spec import from_spec, full_spec
from lensproc_sis.error_fit import ONE_SIGMA, fit_errors
from lensproc_sis.measure import LARGEST, SMALLEST, Cutouts, looked
from lensproc_sis.sis_frame import Frames, look
from lensproc_sis.sis_network import Found, SISNetwork, planes_and_context
from lensproc_sis.sis_samples import lens_sample
from lensproc_sis.source import correction_deflection, reconstruct, smooth_deflection, smooth_map

if TYPE_CHECKING:
    from lensproc.contract.manifest import Manifest
    from lensproc.contract.training import TrainingRecipe

FRAME = 150
"""Side of the frame that training images are put into [px]."""
SOURCE_SIDE, SOURCE_HALF = 40, 1.2
"""Side of the source plane in training [px], and half of it [θ_E]."""
SURE = 0.1
"""Error of ln θ_E above which a lens is too badly known for its source to be reconstructed."""
LIT = 0.7
"""Light of the source above which a pixel is taken to hold some [σ]."""
ENOUGH = 300
"""Lenses from which on errors are fitted by cutout; fewer leave the many numbers to chance."""


@dataclass(frozen=True)
class Weights:
    """What the parts of the loss weigh; the likelihood weighs 1.

    Parameters
    ----------
    consistency : float
        Of the share of the arcs' power that the source, lensed again, does not explain.
    compact : float
        Of the second moment of the source about its centroid [θ_E²].
    correction : float
        Of the squared correction of k [(per cent of θ_E)²].
    arcs : float
        Of the cross entropy of where the light of the source is.
    beta : float
        β of Seitzer et al. 2022 (ICLR, arXiv:2203.09168): the likelihood of each image weighs σ^(2β).
    whole, noisier, unknown_psf : float
        Parts of the images that are looked at as a whole, have noise added, and come without a PSF.
    """

    consistency: float = 0.5
    compact: float = 0.05
    correction: float = 0.02
    arcs: float = 0.2
    beta: float = 0.5
    whole: float = 0.3
    noisier: float = 0.2
    unknown_psf: float = 0.1


def draw_frames(batch: Fields, generator: torch.Generator, weights: Weights, side: int) -> Fields:
    """Look at images of a batch in frames drawn at random.

    Parameters
    ----------
    batch : dict of torch.Tensor
        Of `lens_sample`.
    generator : torch.Generator
        Where random numbers come from.
    weights : Weights
        How often what is done.
    side : int
        Of the frames [px].

    Returns
    -------
    dict of torch.Tensor
        ``planes`` and ``context`` of the network, ``arcs`` (N, 1, side, side) in the frame, ``lens`` (N, 7) in it.
    """
    image, inside = batch["image"][:, None].float(), own_pixels(batch)
    number, device = len(image), image.device

    def uniform(low: float = 0.0, high: float = 1.0) -> torch.Tensor:
        drawn = torch.rand(number, generator=generator, device=device)
        return low + (high - low) * drawn

    def normal() -> torch.Tensor:
        return torch.randn(number, generator=generator, device=device)

    factor = torch.where(uniform() < weights.noisier, uniform(1.0, 2.5), 1.0)[:, None, None, None]
    noise = torch.randn(image.shape, generator=generator, device=device)
    image = (image + noise * torch.sqrt(factor**2 - 1.0)) / factor * inside
    arcs = batch["arcs"][:, None].float() / factor
    lens, half = batch["lens"].float(), batch["inside"].float() / 2
    middle = (image.shape[-1] - 1) / 2
    whole = uniform() < weights.whole
    ring = torch.minimum(lens[:, 0] / uniform(0.28, 0.55), LARGEST * half).clamp_min(SMALLEST)
    near = torch.where(whole, 0.03 * half, 0.1 * lens[:, 0])
    turn = torch.floor(uniform(0.0, 4.0)) * (math.pi / 2) + (uniform() < 0.5) * uniform(0.0, math.pi / 2)
    frames = Frames(
        torch.where(whole, middle, lens[:, 1]) + near * normal(),
        torch.where(whole, middle, lens[:, 2]) + near * normal(),
        torch.where(whole, half * torch.exp(0.05 * normal()), ring),
        turn,
        torch.where(uniform() < 0.5, -1.0, 1.0),
    )
    fwhm = batch["fwhm"].float() * (uniform() >= weights.unknown_psf)
    seen = look(torch.cat((image, inside, arcs), dim=1), frames, side)
    planes, context = planes_and_context(seen[:, :2], frames.half, fwhm)
    return {"planes": planes, "context": context, "arcs": seen[:, 2:], "lens": frames.lens_in(lens)}


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


def likelihood(found: Found, lens: torch.Tensor, units: torch.Tensor, beta: float) -> torch.Tensor:
    """β-NLL of Gaussian errors, summed over the parameters, shape (N,)."""
    sigma = found.sigma / units
    error = (lens - found.mean) / units
    each = 0.5 * (error / sigma) ** 2 + torch.log(sigma)
    return (each * sigma.detach() ** (2.0 * beta)).sum(1)


def closure(found: Found, arcs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """How well sources close, and how compact they are.

    Parameters
    ----------
    found : Found
        Of N frames.
    arcs : torch.Tensor, shape (N, 1, S, S)
        Light of the source in them.

    Returns
    -------
    left : torch.Tensor, shape (N,)
        Share of the arcs' power that the source, lensed again, does not explain.
    extent : torch.Tensor, shape (N,)
        Second moment of the source about its centroid [θ_E²].
    """
    side = arcs.shape[-1]
    radius = torch.exp(found.mean[:, 0])
    step = torch.full_like(radius, 2.0 / side)
    grid = Grid.of(side, side, step, (found.mean[:, 1:3] + 1.0) * (side / 2) - 0.5)
    positions = grid.positions()
    lens = torch.cat((radius[:, None], found.mean[:, 3:]), dim=1)
    strength = smooth_map(found.correction, side)[:, 0] * radius[:, None, None]
    alpha = smooth_deflection(positions, lens) + correction_deflection(strength, grid)
    plane = Grid.of(SOURCE_SIDE, SOURCE_SIDE, radius.detach() * (2.0 * SOURCE_HALF / SOURCE_SIDE))
    made = reconstruct(arcs, torch.ones_like(arcs), positions - alpha, plane)
    left = ((arcs - made.relensed) ** 2).sum((1, 2, 3)) / (arcs**2).sum((1, 2, 3)).clamp_min(1e-6)
    at = plane.positions() / radius.detach()[:, None, None, None]
    light = made.source / made.source.sum((1, 2, 3), keepdim=True).clamp_min(1e-6)
    centroid = (light * at).sum((2, 3), keepdim=True)
    return left, (light * (at - centroid) ** 2).sum((1, 2, 3))


def loss(network: torch.nn.Module, batch: Fields, weights: Weights) -> dict[str, torch.Tensor]:
    """Loss of a batch of `draw_frames`."""
    assert isinstance(network, SISNetwork)
    found: Found = network(batch["planes"], batch["context"])
    units = network.units
    parts = {"likelihood": likelihood(found, batch["lens"], units, weights.beta).mean()}
    total = parts["likelihood"]
    if weights.consistency > 0:
        sure = (found.sigma[:, 0].detach() < SURE) & (batch["lens"][:, 0].exp() > 0.15)
        left, extent = closure(found, batch["arcs"])
        share = sure.float() / max(len(sure), 1)
        parts |= {"left": (left * share).sum(), "extent": (extent * share).sum()}
        total = total + weights.consistency * parts["left"] + weights.compact * parts["extent"]
    parts["correction"] = ((100.0 * found.correction) ** 2).mean()
    lit = (F.avg_pool2d(batch["arcs"], 2) > LIT).float()
    parts["arcs"] = F.binary_cross_entropy_with_logits(found.arcs, lit)
    total = total + weights.correction * parts["correction"] + weights.arcs * parts["arcs"]
    return {"loss": total, **parts}


def keep(batch: Fields, generator: torch.Generator) -> Fields:
    """Leave a batch as it is, for validation measures cutouts as the stage does."""
    return batch


def metrics(network: torch.nn.Module, batch: Fields) -> dict[str, torch.Tensor]:
    """How well the lenses of a batch are measured; ``loss`` is the β-NLL of one view.

    ``radius`` and ``radius_error`` are the bias and the mean absolute error of θ_E in per cent.
    """
    assert isinstance(network, SISNetwork)
    found = looked(network, cutouts_of(batch), views=1)
    error = error_of(found.lens, batch["lens"].float(), found.frames.half)
    sigma = torch.exp(found.log_sigma) * network.error_factor(None)
    units = network.units
    sigma_units = sigma / units
    each = 0.5 * ((error / sigma) ** 2).clamp_max(50.0) + torch.log(sigma_units)
    return {
        "loss": (each * sigma_units).sum(1).mean(),
        "radius": 100.0 * error[:, 0].mean(),
        "radius_error": 100.0 * error[:, 0].abs().mean(),
        "shape_error": error[:, 3:5].abs().mean(),
        "shear_error": error[:, 5:7].abs().mean(),
    }


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


NAMES = ("radius", "x", "y", "e1", "e2", "gamma1", "gamma2")


def build(spec: Mapping[str, Any]) -> SISNetwork:
    """Build the network of a weights file."""
    return from_spec(SISNetwork, spec, "sis")


def training(manifest: Manifest, recipe: TrainingRecipe) -> TrainingTask:
    """Describe the training.

    Parameters
    ----------
    recipe : TrainingRecipe
        ``[network]``: parameters of `SISNetwork`, and ``frame``: side of the frame that all images are put into
        [px], 150; ``[loss]``: fields of `Weights`.
    """
    rest = dict(recipe.network)
    frame = int(rest.pop("frame", FRAME))
    names = [field.name for field in dataclasses.fields(Weights)]
    unknown = sorted(set(recipe.loss) - set(names))
    if unknown:
        raise UsageError(
            f"training recipe {recipe.name}: [loss] has no {', '.join(unknown)}",
            remedy=f"it has: {', '.join(names)}",
        )
    weights = Weights(**recipe.loss)
    network = build(rest)
    return TrainingTask(
        network=network.to(memory_format=torch.channels_last),  # type: ignore[call-overload]
        network_spec=full_spec(SISNetwork, rest),
        sample=partial(lens_sample, side=frame),
        scales={},
        loss=partial(loss, weights=weights),
        prepare=partial(draw_frames, weights=weights, side=network.side),
        prepare_validation=keep,
        metrics=metrics,
        finish=calibrate,
        scales_with_light=True,
    )
