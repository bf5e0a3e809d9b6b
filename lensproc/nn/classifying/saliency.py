"""Which pixels of an image an answer rests on, by captum: integrated gradients, or Grad-CAM."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from lensproc.errors import PluginError

METHODS = ("none", "integrated-gradients", "grad-cam")
"""Choices of the option ``saliency``."""
PLANE = "SALIENCY"
STEPS = 32
"""Of the integral between baseline and image."""
SMOOTHED = 20
"""A baseline is the image smoothed by a Gaussian of σ = side / this."""
POOLING = (nn.AvgPool2d, nn.MaxPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)

Inputs = Callable[[torch.Tensor], Sequence[torch.Tensor | None]]
Frame = Callable[[torch.Tensor], torch.Tensor]


def saliency_of(
    method: str,
    network: nn.Module,
    images: torch.Tensor,
    target: torch.Tensor,
    inputs: Inputs | None = None,
    frame: Frame | None = None,
) -> torch.Tensor:
    """Map of what speaks for a class.

    Parameters
    ----------
    method : str
        ``integrated-gradients`` or ``grad-cam``.
    network : nn.Module
        Its `inputs` to logits (N, K), in evaluation mode.
    images : torch.Tensor, shape (N, 1, H, W)
        Of the batch.
    target : torch.Tensor, shape (N,), int
        Number of the class that is explained.
    inputs : callable, optional
        Images to the inputs of the network; the images themselves by default.
    frame : callable, optional
        Images to images (N, 1, h, w) on the sky that the network's feature maps show, where that is another one:
        linear in them. For ``grad-cam``.

    Returns
    -------
    torch.Tensor, shape (N, H, W), float32
        On the pixels of `images`.

    Raises
    ------
    PluginError
        Where captum is missing, or the network has no feature maps.
    """
    of_network = inputs or _alone
    # leaves inference mode, in which nothing can be differentiated, and what was made in it
    with torch.inference_mode(False), torch.enable_grad():
        pixels, classes = images.detach().clone().float(), target.detach().clone()
        if method == "integrated-gradients":
            found = integrated_gradients(network, pixels, classes, of_network, smoothed(pixels))
        else:
            found = grad_cam(network, pixels, classes, of_network, frame)
    return found.detach().float()


def integrated_gradients(
    network: nn.Module,
    images: torch.Tensor,
    target: torch.Tensor,
    inputs: Inputs,
    baseline: torch.Tensor,
) -> torch.Tensor:
    """Share of each pixel in the difference of a logit between image and baseline, shape (N, H, W).

    Notes
    -----
    Sundararajan et al. 2017, ICML (arXiv:1703.01365), equation 1: the shares of an image add up to the difference.
    """
    method = load_captum().IntegratedGradients(lambda pixels: network(*inputs(pixels)))
    found: torch.Tensor = method.attribute(
        images, baselines=baseline, target=target, n_steps=STEPS, internal_batch_size=len(images)
    )
    return found.sum(dim=1)


def grad_cam(
    network: nn.Module,
    images: torch.Tensor,
    target: torch.Tensor,
    inputs: Inputs,
    frame: Frame | None = None,
) -> torch.Tensor:
    """Feature maps weighed by how a logit rises with them, where that is positive; the peak is 1, shape (N, H, W).

    Notes
    -----
    Selvaraju et al. 2017, ICCV (arXiv:1610.02391), equations 1 and 2, on the last feature maps before the pooling,
    interpolated to the pixels.
    """
    arguments = tuple(inputs(images))
    method = load_captum().LayerGradCam(network, last_maps(network, arguments))
    maps: torch.Tensor = method.attribute(arguments, target=target, relu_attributions=True)
    found = _stretched(maps, images.shape[-2:]) if frame is None else _pulled_back(maps, images, frame)
    return (found / found.amax((-2, -1), keepdim=True).clamp_min(torch.finfo(found.dtype).tiny))[:, 0]


def smoothed(images: torch.Tensor) -> torch.Tensor:
    """Images (N, 1, H, W) smoothed by a Gaussian of σ = side / 20: the same light without fine structure."""
    sigma = max(images.shape[-2:]) / SMOOTHED
    reach = min(int(3.0 * sigma), min(images.shape[-2:]) - 1)
    places = torch.arange(-reach, reach + 1, dtype=images.dtype, device=images.device)
    kernel = torch.exp(-0.5 * (places / sigma) ** 2)
    kernel = kernel / kernel.sum()
    padded = F.pad(images, (reach,) * 4, mode="reflect")
    return F.conv2d(F.conv2d(padded, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))


def last_maps(network: nn.Module, arguments: Sequence[torch.Tensor | None]) -> nn.Module:
    """Find the module whose output is the last one with more than a pixel, poolings apart.

    Raises
    ------
    PluginError
        Where there is none.
    """
    found: list[nn.Module] = []

    def note(module: nn.Module, _: Any, output: Any) -> None:
        maps = isinstance(output, torch.Tensor) and output.ndim == 4 and min(output.shape[-2:]) > 1
        if maps and not isinstance(module, (*POOLING, nn.Identity, nn.Dropout)):
            found.append(module)

    handles = [module.register_forward_hook(note) for module in network.modules()]
    try:
        with torch.no_grad():
            network(*arguments)
    finally:
        for handle in handles:
            handle.remove()
    if not found:
        raise PluginError(
            "grad-cam needs a network with feature maps, and this one has none",
            remedy="saliency=integrated-gradients",
        )
    return found[-1]


def load_captum() -> Any:
    """Import ``captum.attr``.

    Raises
    ------
    PluginError
        Where it is missing.
    """
    try:
        return importlib.import_module("captum.attr")
    except ModuleNotFoundError as error:
        raise PluginError(
            f"saliency maps need {error.name}, which is not installed",
            remedy="pip install 'lensproc[explain]'",
        ) from None


def _alone(images: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return (images,)


def _stretched(maps: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    return F.interpolate(maps, size=tuple(size), mode="bilinear", align_corners=False)


def _pulled_back(maps: torch.Tensor, images: torch.Tensor, frame: Frame) -> torch.Tensor:
    """Bring maps from the frame of a network to the pixels: each gets the mean of the places that look at it."""
    pixels = images.detach().clone().requires_grad_()
    seen = frame(pixels)
    wide = _stretched(maps, seen.shape[-2:])
    total, weight = (
        torch.autograd.grad(seen, pixels, cotangent, retain_graph=True)[0]
        for cotangent in (wide, torch.ones_like(seen))
    )
    some = weight > 0
    return torch.where(
        some, total / torch.where(some, weight, torch.ones_like(weight)), torch.zeros_like(total)
    )
