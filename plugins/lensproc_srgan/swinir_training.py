"""How ``swinir`` is trained: on the scenes and with the losses of the generators here, without a discriminator.

A recipe's ``[network]`` holds the hyperparameters of `lensproc.nn.swin.SwinSR`, and ``start``: ``random`` or
``interpolation`` (see `lensproc.nn.starting`). Its ``[loss]`` holds `lensproc_srgan.training.SOURCES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from lensproc.contract.network import require_reach
from lensproc.contract.training import Fields, TrainingTask
from lensproc.nn.spec import from_spec, full_spec
from lensproc.nn.starting import begin
from lensproc.nn.swin import SwinSR
from lensproc_srgan.content import Content, Metrics, generate
from lensproc_srgan.samples import scene
from lensproc_srgan.training import SCALES, SOURCES, content_weights, read_loss

if TYPE_CHECKING:
    import torch

    from lensproc.contract.manifest import Manifest
    from lensproc.contract.training import TrainingRecipe


def task(manifest: Manifest, recipe: TrainingRecipe) -> TrainingTask:
    """Training of ``swinir``.

    Raises
    ------
    UsageError
        For an entry or a value that there is not.
    """
    spec = dict(recipe.network)
    start = spec.pop("start", "random")
    loss = read_loss(recipe.loss, SOURCES)
    network = from_spec(SwinSR, spec, manifest.id)
    require_reach(network, manifest)
    begin(network, start)
    content = Content(loss["kind"], content_weights(loss))
    return TrainingTask(
        network=network,
        network_spec=full_spec(SwinSR, spec),
        sample=partial(scene, normalisation=manifest.normalisation),
        scales=SCALES,
        loss=ContentLoss(content),
        metrics=Metrics(content),
    )


@dataclass(frozen=True)
class ContentLoss:
    """`Content` of what a network makes of a batch.

    Parameters
    ----------
    content : Content
        Pixels, responses, apertures and flux.
    """

    content: Content

    def __call__(self, network: torch.nn.Module, batch: Fields) -> Mapping[str, torch.Tensor]:
        """Return ``loss`` and its parts."""
        return self.content(generate(network, batch), batch)
