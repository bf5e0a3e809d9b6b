"""The stages: a generator whose weights lie between those of its two parts of training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from lensproc.contract.network import NetworkStage
from lensproc.nn.interpolated import TwoWeights
from lensproc.nn.resnet_sisr import ResnetSISR
from lensproc.nn.rrdb import RRDBNet
from lensproc.nn.spec import from_spec

if TYPE_CHECKING:
    import torch

    from lensproc.contract.manifest import Manifest, OptionValue

GENERATORS: dict[str, Callable[..., torch.nn.Module]] = {"srgan": ResnetSISR, "esrgan": RRDBNet}
"""Network of each stage; its keyword arguments are the hyperparameters of a recipe."""
FEATURES = "features"
"""Entry of a file's hyperparameters that is none: which frozen network its features were compared with."""


def build(spec: Mapping[str, Any], name: str) -> TwoWeights:
    """Build both networks of a weights file."""
    hyperparameters = {key: value for key, value in spec.items() if key != FEATURES}
    return TwoWeights(from_spec(GENERATORS[name], hyperparameters, name))


class BetweenWeights(NetworkStage):
    """A stage whose file holds `TwoWeights`, of which the option ``strength`` takes a network between them."""

    def load(self, device: torch.device, dtype: torch.dtype) -> None:
        """Read both sets of weights and keep the network between them."""
        super().load(device, dtype)
        assert isinstance(self.network, TwoWeights)
        self.network = self.network.between(float(self.options["strength"]))


class GeneratorStage(BetweenWeights):
    """A generator of strength ``strength``.

    Parameters
    ----------
    manifest : Manifest
        ``srgan`` or ``esrgan``.
    options : mapping
        ``strength`` and ``weights``.
    """

    def __init__(self, manifest: Manifest, options: Mapping[str, OptionValue]) -> None:
        super().__init__(manifest, options, partial(build, name=manifest.id))


def srgan(manifest: Manifest, options: Mapping[str, OptionValue]) -> GeneratorStage:
    """Build the stage ``srgan``."""
    return GeneratorStage(manifest, options)


def esrgan(manifest: Manifest, options: Mapping[str, OptionValue]) -> GeneratorStage:
    """Build the stage ``esrgan``."""
    return GeneratorStage(manifest, options)
