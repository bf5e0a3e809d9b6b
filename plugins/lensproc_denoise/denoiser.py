"""The stage ``denoiser``: ResnetSISR without upsampling, one set of weights per level of noise."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F

from lensproc.contract.network import NetworkStage
from lensproc.contract.training import Fields, TrainingTask
from lensproc.errors import UsageError, WeightsError
from lensproc.nn.resnet_sisr import ResnetSISR
from lensproc.nn.spec import from_spec, full_spec
from lensproc.nn.starting import begin
from lensproc_denoise.samples import unit_range

if TYPE_CHECKING:
    from lensproc.contract.manifest import Manifest, OptionValue
    from lensproc.contract.training import TrainingRecipe


def build(spec: Mapping[str, Any], sigma: str = "", name: str = "denoiser") -> ResnetSISR:
    """Build the network of a weights file.

    Parameters
    ----------
    spec : mapping
        Hyperparameters of `ResnetSISR`, and ``sigma``: the noise that it was trained with.
    sigma : str
        The noise that is asked for; empty for any.

    Raises
    ------
    WeightsError
        For weights of another noise.
    """
    rest = dict(spec)
    require_sigma(rest.pop("sigma", None), sigma, name)
    return from_spec(ResnetSISR, rest, name)


def require_sigma(trained: object, asked: str, name: str) -> None:
    """Require that weights are for the noise that is asked for; an empty `asked` takes any."""
    if asked and (not isinstance(trained, int | float) or abs(trained - float(asked)) > 1e-6):
        remedy = f"--set {name}.sigma={trained}" if isinstance(trained, int | float) else ""
        raise WeightsError(f"these weights are for a noise of {trained}, not {asked}", remedy=remedy)


def for_sigma(manifest: Manifest, options: Mapping[str, OptionValue]) -> Manifest:
    """Manifest with the weights file of the noise that is asked for alone."""
    ending = f"-{options['sigma']}.safetensors"
    return dataclasses.replace(
        manifest, weights=tuple(w for w in manifest.weights if w.file.endswith(ending))
    )


def stage(manifest: Manifest, options: Mapping[str, OptionValue]) -> NetworkStage:
    """Build the stage."""
    chosen = for_sigma(manifest, options)
    return NetworkStage(chosen, options, partial(build, sigma=str(options["sigma"]), name=manifest.id))


def add_noise(batch: Fields, generator: torch.Generator, sigma: float) -> Fields:
    """Add noise to images of range [0, 1] and bring them to that range again, as the core does before the stage.

    Parameters
    ----------
    batch : dict of torch.Tensor
        ``image`` (N, H, W).
    generator : torch.Generator
        On the device of the batch.
    sigma : float
        1σ noise [range of the images].

    Returns
    -------
    dict of torch.Tensor
        ``image`` and ``truth`` (N, 1, H, W) after one affine map per item; ``scale`` (N, 1, 1, 1): what the range
        of the noisy image was.
    """
    truth = batch["image"].unsqueeze(1)
    noise = torch.randn(truth.shape, generator=generator, device=truth.device)
    noisy = truth + sigma * noise
    low, high = noisy.amin((1, 2, 3), keepdim=True), noisy.amax((1, 2, 3), keepdim=True)
    scale = high - low
    return {"image": (noisy - low) / scale, "truth": (truth - low) / scale, "scale": scale}


def squared_error(network: torch.nn.Module, batch: Fields) -> dict[str, torch.Tensor]:
    """Mean squared error in the range of the noise-free images."""
    error = (network(batch["image"]) - batch["truth"]) * batch["scale"]
    return {"loss": F.mse_loss(error, torch.zeros_like(error))}


def training(manifest: Manifest, recipe: TrainingRecipe) -> TrainingTask:
    """Describe the training: images of [0, 1] with Gaussian noise, drawn anew at every step.

    Parameters
    ----------
    recipe : TrainingRecipe
        ``[network]``: ``sigma``, parameters of `ResnetSISR`, and ``start``: ``random``, or ``copy``: as a network
        that gives its input back. ``[loss]`` is not used.

    Raises
    ------
    UsageError
        For a noise that is not above 0, or an unknown start.
    """
    spec = {"upsample": False, **recipe.network}
    sigma, start = spec.pop("sigma", None), spec.pop("start", "random")
    if not isinstance(sigma, int | float) or not sigma > 0:
        raise UsageError(f"training recipe {recipe.name}: [network] sigma must be above 0, got {sigma!r}")
    network = from_spec(ResnetSISR, spec, manifest.id)
    begin(network, start, "copy")
    return TrainingTask(
        network=network,
        network_spec={**full_spec(ResnetSISR, spec), "sigma": float(sigma)},
        sample=unit_range,
        scales={"image": 1},
        prepare=partial(add_noise, sigma=float(sigma)),
        loss=squared_error,
    )
