"""How the networks of this package are trained: pairs of images, and one loss between output and partner.

A recipe's ``[network]`` holds the hyperparameters of the stage's network, and ``start``: ``random`` or
``interpolation`` (see `lensproc.nn.starting`). Its ``[loss]`` holds ``kind``: ``mse``, ``l1`` or ``ssim``.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lensproc.contract.network import require_reach
from lensproc.contract.training import TrainingTask, require_known
from lensproc.nn.losses import image_loss, psnr
from lensproc.nn.prepare import affine_for
from lensproc.nn.spec import from_spec, full_spec
from lensproc.nn.starting import begin

if TYPE_CHECKING:
    import torch

    from lensproc.contract.manifest import Manifest
    from lensproc.contract.training import Fields, TrainingRecipe
    from lensproc.simulate.image import Simulated


def task(manifest: Manifest, recipe: TrainingRecipe) -> TrainingTask:
    """Training of one of the networks that map an image to one of twice its side.

    Raises
    ------
    UsageError
        For a hyperparameter or a loss that there is not.
    """
    spec = dict(recipe.network)
    start = spec.pop("start", "random")
    require_known(recipe.loss, ("kind",))
    kind = importlib.import_module(manifest.factory.split(":")[0]).Network
    network = from_spec(kind, spec, manifest.id)
    require_reach(network, manifest)
    begin(network, start)
    return TrainingTask(
        network=network,
        network_spec=full_spec(kind, spec),
        sample=partial(pair, normalisation=manifest.normalisation),
        scales={"image": 1, "partner": 2},
        loss=PairLoss(str(recipe.loss.get("kind", "mse"))),
        metrics=PairMetrics(str(recipe.loss.get("kind", "mse"))),
    )


def pair(sim: Simulated, normalisation: str) -> dict[str, NDArray[np.float32]]:
    """Image and partner of one simulated pair, both normalised as the core does it to the image.

    Parameters
    ----------
    sim : Simulated
        Image of n × n px with a partner of 2n × 2n px.
    normalisation : str
        Of the stage's manifest. The partner gets the offset and scale of the image, which is what the core
        undoes on an output.
    """
    from lensproc.simulate.samples import sample

    fields = sample(sim, ("image", "partner"))
    affine = affine_for(normalisation, fields["image"], np.zeros(fields["image"].shape, bool))
    return {
        name: np.asarray((pixels - affine.offset) / affine.scale, np.float32)
        for name, pixels in fields.items()
    }


@dataclass(frozen=True)
class PairLoss:
    """Distance of the network's output from the partner.

    Parameters
    ----------
    kind : str
        Of `lensproc.nn.losses.image_loss`.
    """

    kind: str

    def __post_init__(self) -> None:
        image_loss(self.kind)

    def __call__(self, network: torch.nn.Module, batch: Fields) -> Mapping[str, torch.Tensor]:
        """Return ``loss`` of a batch."""
        found, truth = outputs(network, batch)
        return {"loss": image_loss(self.kind)(found, truth)}


@dataclass(frozen=True)
class PairMetrics:
    """The loss in validation, with the PSNR [dB] on the scale on which the image has the range 1."""

    kind: str

    def __call__(self, network: torch.nn.Module, batch: Fields) -> Mapping[str, torch.Tensor]:
        """Return ``loss`` and ``psnr`` of a batch."""
        found, truth = outputs(network, batch)
        return {"loss": image_loss(self.kind)(found, truth), "psnr": psnr(found, truth)}


def outputs(network: torch.nn.Module, batch: Fields) -> tuple[torch.Tensor, torch.Tensor]:
    """Output of the network for the images of a batch, and their partners; both (N, 1, 2H, 2W)."""
    return network(batch["image"][:, None]), batch["partner"][:, None]
