"""The stage ``denoised-sisr``: a denoiser whose weights stay as they are, before ResnetSISR."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import nn

from lensproc.contract.network import NetworkStage
from lensproc.contract.training import Fields, TrainingTask
from lensproc.contract.weights import weights_path
from lensproc.errors import UsageError, WeightsError
from lensproc.nn.resnet_sisr import ResnetSISR
from lensproc.nn.spec import from_spec, full_spec
from lensproc.nn.starting import begin
from lensproc.nn.weights import read_weights
from lensproc.simulate.image import Simulated
from lensproc.simulate.samples import sample
from lensproc_denoise import DENOISER, SIGMAS
from lensproc_denoise.denoiser import build as build_denoiser
from lensproc_denoise.denoiser import for_sigma, require_sigma

if TYPE_CHECKING:
    from lensproc.contract.manifest import Manifest, OptionValue
    from lensproc.contract.training import TrainingRecipe


class DenoisedSISR(nn.Module):
    """ResnetSISR behind a frozen denoiser.

    Parameters
    ----------
    denoiser : mapping
        Hyperparameters of the denoiser, and the ``sigma`` that it was trained with.
    blocks : int
        Residual blocks of the network behind it.

    Notes
    -----
    Frozen means three things: no gradient, no step of an optimiser, and batch statistics that do not follow the
    images. The last is lost by a plain ``train()`` of the whole, so `train` leaves the denoiser alone.
    """

    def __init__(self, denoiser: Mapping[str, Any], blocks: int = 10) -> None:
        super().__init__()
        self.denoiser = build_denoiser(denoiser).requires_grad_(False).eval()
        self.sisr = ResnetSISR(blocks)
        self.reach = self.denoiser.reach + self.sisr.reach

    def train(self, mode: bool = True) -> DenoisedSISR:
        """Set the mode of the network behind the denoiser."""
        super().train(mode)
        self.denoiser.eval()
        return self

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images (N, 1, H, W) to (N, 1, 2H, 2W)."""
        with torch.no_grad():
            clean = self.denoiser(images)
        result: torch.Tensor = self.sisr(clean)
        return result


def build(spec: Mapping[str, Any], sigma: str = "", name: str = "denoised-sisr") -> DenoisedSISR:
    """Build the network of a weights file; see `lensproc_denoise.denoiser.build`."""
    require_sigma(spec.get("denoiser", {}).get("sigma"), sigma, name)
    return from_spec(DenoisedSISR, spec, name)


def stage(manifest: Manifest, options: Mapping[str, OptionValue]) -> NetworkStage:
    """Build the stage."""
    chosen = for_sigma(manifest, options)
    return NetworkStage(chosen, options, partial(build, sigma=str(options["sigma"]), name=manifest.id))


def pair(sim: Simulated) -> dict[str, Any]:
    """Image and its high-resolution partner, both with their noise."""
    return sample(sim, ("image", "partner"))


def shaped(batch: Fields, generator: torch.Generator) -> Fields:
    """Give images a channel, and bring both to the range [0, 1] of the low-resolution image, as the core does."""
    image, partner = batch["image"].unsqueeze(1), batch["partner"].unsqueeze(1)
    low, high = image.amin((1, 2, 3), keepdim=True), image.amax((1, 2, 3), keepdim=True)
    scale = torch.where(high > low, high - low, torch.ones_like(high))
    return {"image": (image - low) / scale, "partner": (partner - low) / scale, "scale": scale}


def squared_error(network: torch.nn.Module, batch: Fields) -> dict[str, torch.Tensor]:
    """Mean squared error against the partner, in the unit of the images."""
    error = (network(batch["image"]) - batch["partner"]) * batch["scale"]
    return {"loss": F.mse_loss(error, torch.zeros_like(error))}


def training(manifest: Manifest, recipe: TrainingRecipe) -> TrainingTask:
    """Describe the training of the network behind a denoiser that was trained before.

    Parameters
    ----------
    recipe : TrainingRecipe
        ``[network]``: ``denoiser``, a file of weights of the stage ``denoiser``, or ``denoiser-0.1`` for those
        that ship; ``blocks``; ``start``: ``random`` or ``interpolation``. ``[loss]`` is not used.

    Raises
    ------
    UsageError
        Where the recipe names no denoiser.
    WeightsError
        Where its weights are missing or another stage's.
    """
    rest = dict(recipe.network)
    source, start = rest.pop("denoiser", ""), rest.pop("start", "random")
    if not isinstance(source, str) or not source:
        remedy = "train one with lensproc train denoiser, and name its file"
        raise UsageError(f"training recipe {recipe.name}: [network] names no denoiser", remedy=remedy)
    path = denoiser_path(source)
    weights = read_weights(path)
    if weights.metadata.get("stage") != DENOISER.id:
        raise WeightsError(f"these are weights of stage {weights.metadata.get('stage')}", file=path.name)
    spec = {**full_spec(DenoisedSISR, rest), "denoiser": weights.metadata["network"]}
    network = build(spec)
    network.denoiser.load_state_dict(weights.state)
    begin(network.sisr, start)
    return TrainingTask(
        network=network,
        network_spec=spec,
        sample=pair,
        scales={"image": 1, "partner": 2},
        prepare=shaped,
        loss=squared_error,
    )


def denoiser_path(source: str) -> Path:
    """Weights of a denoiser: a file, or ``denoiser-σ`` for one that ships with this package."""
    stage_id, _, sigma = source.rpartition("-")
    if stage_id == DENOISER.id and sigma in SIGMAS:
        options = {"sigma": sigma, "weights": ""}
        return weights_path(for_sigma(DENOISER, options), options)
    return weights_path(DENOISER, {"weights": source})
