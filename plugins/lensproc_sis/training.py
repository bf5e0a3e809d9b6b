"""How an informed classifier learns: three phases of one training."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F

from lensproc.contract.phases import Phase
from lensproc.contract.training import Fields
from lensproc.nn.side import SIDE, to_side
from lensproc_sis.network import InformedClassifier

SHARES = (0.25, 0.25, 0.5)
"""Of the training: image, classifier, all."""


def image_again(network: torch.nn.Module, batch: Fields, within: str = "") -> dict[str, torch.Tensor]:
    """Mean squared error with which the k-network makes its image again."""
    images = to_side(batch["images"], SIDE)
    again = informed(network, within).k_network(images)
    return {"loss": F.mse_loss(again.float(), images.float())}


def told(network: torch.nn.Module, batch: Fields) -> dict[str, torch.Tensor]:
    """Cross entropy of the logits [nat], and the accuracy."""
    logits = network(batch["images"], batch.get("context")).float()
    return {
        "loss": F.cross_entropy(logits, batch["label"]),
        "accuracy": (logits.argmax(1) == batch["label"]).double().mean(),
    }


def informed(network: torch.nn.Module, within: str = "") -> InformedClassifier:
    """Informed classifier of a network: itself, or its part `within`."""
    found = network.get_submodule(within)
    assert isinstance(found, InformedClassifier)
    return found


def phases(within: str = "", shares: tuple[float, float, float] = SHARES) -> tuple[Phase, Phase, Phase]:
    """Return what learns when: the autoencoder by its image; its decoder, and the classifier, by the class; all.

    Parameters
    ----------
    within : str
        Part of the network trained that is the `InformedClassifier`; empty where it is that itself.
    shares : (float, float, float)
        Of the training.

    Notes
    -----
    In the second phase the encoder keeps what it has learnt to see, while the decoder, which made light, learns to
    make a strength. Batches have ``images`` (N, 1, H, W) of range [0, 1], ``label``, and ``context``, the pixel
    scale (N, 1) [arcsec], or none.
    """
    prefix = f"{within}." if within else ""
    autoencoder, classifier = f"{prefix}k_network", f"{prefix}classifier"
    return (
        Phase("image", shares[0], partial(image_again, within=within), (autoencoder,)),
        Phase("classifier", shares[1], told, (f"{autoencoder}.decoder", classifier)),
        Phase("all", shares[2], told),
    )
