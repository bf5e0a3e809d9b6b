"""``timm:NAME``: any backbone of timm, with one input channel and a head of ours."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from lensproc.contract.classifier_training import classification_task
from lensproc.errors import UsageError, WeightsError
from lensproc.nn.classifying.calibrated import Calibrated
from lensproc.nn.classifying.classes import CLASSES
from lensproc.nn.side import SIDE, to_side
from lensproc.nn.spec import from_spec, full_spec

if TYPE_CHECKING:
    from lensproc.contract.classifier_stage import ClassifierStage
    from lensproc.contract.manifest import Manifest, OptionValue
    from lensproc.contract.training import TrainingRecipe, TrainingTask

HEADS = ("linear", "bn-dropout")
INSTALL = "pip install 'lensproc[timm]'"


class TimmBackbone(nn.Module):
    """A backbone of timm (Wightman 2019, PyTorch Image Models) up to its pooled features, and a linear layer.

    Parameters
    ----------
    backbone : str
        Its name in timm.
    head : str
        ``linear``, or ``bn-dropout`` for a batch normalisation and a dropout before the linear layer.
    dropout : float
        Of that head.
    side : int
        Side to which images are resampled [px].
    classes : int
        Number of classes.
    pretrained : bool
        Begin with timm's weights, which are downloaded; of three channels the filters are added up.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(
        self,
        backbone: str,
        head: str = "linear",
        dropout: float = 0.3,
        side: int = SIDE,
        classes: int = len(CLASSES),
        pretrained: bool = False,
    ) -> None:
        super().__init__()
        if head not in HEADS:
            raise ValueError(f"head {head!r} is not {' or '.join(HEADS)}")
        self.side = side
        self.body = timm_model(backbone, side, pretrained)
        config = getattr(self.body, "pretrained_cfg", None) or {}
        self.register_buffer("mean", torch.tensor(_average(config.get("mean"), 0.5)))
        self.register_buffer("deviation", torch.tensor(_average(config.get("std"), 0.5)))
        size = feature_size(self.body, side, backbone)
        layers = [nn.BatchNorm1d(size), nn.Dropout(dropout)] if head == "bn-dropout" else []
        self.last = nn.Sequential(*layers, nn.Linear(size, classes))

    def features(self, images: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """Features (N, F) of images (N, 1, H, W) of range [0, 1]; `context` is not used."""
        found: torch.Tensor = self.body((to_side(images, self.side) - self.mean) / self.deviation)
        return found

    def head(self, features: torch.Tensor) -> torch.Tensor:
        """Logits (N, K) of features."""
        logits: torch.Tensor = self.last(features)
        return logits

    def forward(self, images: torch.Tensor, context: torch.Tensor | None = None) -> torch.Tensor:
        """Logits (N, K) of images (N, 1, H, W)."""
        return self.head(self.features(images, context))


def _average(values: Any, default: float) -> float:
    return float(sum(values) / len(values)) if values else default


def load_timm() -> Any:
    """Import timm.

    Raises
    ------
    UsageError
        Where it is missing, or cannot be imported beside this torch.
    """
    try:
        timm = importlib.import_module("timm")
    except ModuleNotFoundError as error:
        raise UsageError(f"backbones of timm need {error.name}", remedy=INSTALL) from None
    except (ImportError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        remedy = "install the torchvision that belongs to this torch"
        raise UsageError(f"timm cannot be imported: {reason}", remedy=remedy) from None
    return timm


def timm_model(name: str, side: int, pretrained: bool) -> nn.Module:
    """Build a backbone of timm for one channel, without its last layer.

    Raises
    ------
    UsageError
        Where timm is missing or has none of that name (similar names are listed), or its weights cannot be
        downloaded.
    """
    timm = load_timm()
    if not timm.is_model(name):
        similar = timm.list_models(f"*{name.split('_')[0]}*")[:5] if name else []
        remedy = f"it has {', '.join(similar)} …" if similar else "timm.list_models() names them"
        raise UsageError(f"timm has no backbone {name!r}", remedy=remedy)
    options: dict[str, Any] = {"in_chans": 1, "num_classes": 0}
    # Transformers have places of a fixed number of patches.
    if "img_size" in inspect.signature(timm.model_entrypoint(name)).parameters or _takes_size(timm, name):
        options["img_size"] = side
    try:
        model: nn.Module = timm.create_model(name, pretrained=pretrained, **options)
    except AssertionError as error:
        raise ValueError(f"{name} does not take images of {side} px: {error}") from None
    except Exception as error:
        if not pretrained:
            raise
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise UsageError(
            f"the pretrained weights of {name} cannot be had: {reason}",
            remedy="connect to the network, or set pretrained = false in the recipe's [network]",
        ) from None
    return model


def _takes_size(timm: Any, name: str) -> bool:
    config = timm.get_pretrained_cfg(name, allow_unregistered=True)
    return bool(config is not None and config.fixed_input_size)


@torch.no_grad()
def feature_size(body: nn.Module, side: int, name: str) -> int:
    """Size of the features that a backbone gives for an image of `side` px.

    Raises
    ------
    ValueError
        Where it gives no features of shape (N, F), or does not take such images.
    """
    training = body.training
    try:
        found = body.eval()(torch.zeros(1, 1, side, side))
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"{name} does not take images of {side} px: {str(error).splitlines()[0]}") from None
    finally:
        body.train(training)
    if found.ndim != 2:
        raise ValueError(f"{name} gives features of shape {tuple(found.shape)}, not (N, F)")
    return int(found.shape[1])


def stage(manifest: Manifest, options: Mapping[str, OptionValue]) -> ClassifierStage:
    """Build the stage."""
    from lensproc.contract.classifier_stage import ClassifierStage

    return ClassifierStage(manifest, options, partial(build, name=manifest.id))


def build(spec: Mapping[str, object], name: str = "timm") -> Calibrated:
    """Build the network of a weights file.

    Raises
    ------
    WeightsError
        For the weights of another backbone than the stage's name says.
    """
    asked, trained = name.partition(":")[2], spec.get("backbone")
    if asked and trained != asked:
        raise WeightsError(f"these are weights of {trained}, not {asked}", remedy=f"use stage timm:{trained}")
    return Calibrated(from_spec(TimmBackbone, spec, name))


def training(manifest: Manifest, recipe: TrainingRecipe) -> TrainingTask:
    """Describe the training.

    Parameters
    ----------
    recipe : TrainingRecipe
        ``[network]``: the parameters of `TimmBackbone`; ``backbone`` follows from the stage's name ``timm:NAME``
        where it has one.

    Raises
    ------
    UsageError
        Where nothing names the backbone, or both name different ones.
    """
    asked = manifest.id.partition(":")[2]
    given = recipe.network.get("backbone", asked)
    if not given or (asked and given != asked):
        raise UsageError(
            f"training recipe {recipe.name}: stage {manifest.id} and backbone {given!r} do not fit",
            remedy="lensproc train timm:NAME, with NAME as in timm.list_models()",
        )
    chosen = {**recipe.network, "backbone": given}
    network = build(chosen, manifest.id)
    # The file of weights holds all of them: nothing is downloaded to build the network again.
    spec = {**full_spec(TimmBackbone, chosen), "pretrained": False}
    return classification_task(network, spec, recipe)
