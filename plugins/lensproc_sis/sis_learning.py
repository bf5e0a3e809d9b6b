"""How the network of ``sis`` learns: from the lenses of simulations, and from sources that have to close."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from lensproc.contract.training import Fields, TrainingTask, require_known
from lensproc.nn.lensing import Grid
from lensproc.nn.spec import from_spec, full_spec
from lensproc_sis.error_calibration import calibrate, cutouts_of, error_of, own_pixels
from lensproc_sis.measure import LARGEST, SMALLEST, looked
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
    require_known(recipe.loss, [field.name for field in dataclasses.fields(Weights)])
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
