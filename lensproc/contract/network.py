"""A stage that is one network: weights loaded, checked and frozen, batches in and images out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch

from lensproc.contract.manifest import DataFile, Manifest, OptionValue
from lensproc.contract.stage import StageOutput
from lensproc.contract.weights import weights_path
from lensproc.errors import LensprocError, PluginError, WeightsError
from lensproc.nn.weights import Weights, read_weights

if TYPE_CHECKING:
    from lensproc.contract.stage import Batch


class NetworkStage:
    """Stage of one network. Subclasses with more inputs or outputs override `inputs` and `outputs`.

    Parameters
    ----------
    manifest : Manifest
        What the stage says of itself.
    options : mapping
        Every option with its value.
    build : callable
        Hyperparameters (``network`` in the weights' metadata) to a network; a function of a module, so that the
        stage pickles. Where the network says its `reach` [input px], it may not exceed the manifest's halo.
    """

    def __init__(
        self,
        manifest: Manifest,
        options: Mapping[str, OptionValue],
        build: Callable[[Mapping[str, Any]], torch.nn.Module],
    ) -> None:
        self.manifest = manifest
        self.options = options
        self.build = build
        self.network: torch.nn.Module | None = None
        self.loaded_weights: tuple[DataFile, ...] = ()

    def load(self, device: torch.device, dtype: torch.dtype) -> None:
        """Read the weights and put the network on `device`, frozen and in evaluation mode.

        Its weights stay float32: in bfloat16 it runs by the core's autocast, which keeps sums exact.

        Raises
        ------
        WeightsError
            Where there are none, or they are another stage's, or do not fit the network.
        """
        path = weights_path(self.manifest, self.options)
        weights = read_weights(path)
        network = frozen_network(weights, self.manifest, self.build, path.name)
        self.network = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.loaded_weights = (DataFile(path.name, weights.sha256, ""), *self.manifest.weights[1:])

    def apply(self, batch: Batch) -> StageOutput:
        """Run the network on a batch."""
        if self.network is None:
            raise PluginError(f"stage {self.manifest.id} is used before it is loaded")
        inputs = [tensor.contiguous(memory_format=torch.channels_last) for tensor in self.inputs(batch)]
        return self.outputs(self.network(*inputs), batch)

    def inputs(self, batch: Batch) -> tuple[torch.Tensor, ...]:
        """Arguments of the network, each of shape (N, c, H, W): the images alone."""
        return (batch.images,)

    def outputs(self, result: Any, batch: Batch) -> StageOutput:
        """Make what the network returns an output: images of shape (N, C, sH, sW)."""
        return StageOutput(images=result)

    def close(self) -> None:
        """Let go of the network."""
        self.network = None


def frozen_network(
    weights: Weights,
    manifest: Manifest,
    build: Callable[[Mapping[str, Any]], torch.nn.Module],
    file: str,
) -> torch.nn.Module:
    """Rebuild the network of a weights file, without gradients and in evaluation mode.

    Parameters
    ----------
    weights : Weights
        What was read.
    manifest : Manifest
        Of the stage that the file has to be for.
    build : callable
        Hyperparameters to network.
    file : str
        Base name of the file, for messages.

    Raises
    ------
    WeightsError
        Where the file is another stage's, does not fit the network, or the network reaches further than the halo.
    """
    stage = weights.metadata.get("stage")
    if stage != manifest.id:
        raise WeightsError(
            f"stage {manifest.id}: these are weights of stage {stage}",
            file=file,
            remedy=f"train them with lensproc train {manifest.id}",
        )
    try:
        network = build(weights.metadata.get("network", {}))
        network.load_state_dict(weights.state)
    except LensprocError as error:
        raise WeightsError(f"stage {manifest.id}: {error.what}", file=file, remedy=error.remedy) from None
    except RuntimeError as error:
        first = " ".join(str(error).split())[:200]
        raise WeightsError(
            f"stage {manifest.id}: the weights do not fit the network: {first}", file=file
        ) from None
    require_reach(network, manifest)
    return network.eval().requires_grad_(False)


def require_reach(network: torch.nn.Module, manifest: Manifest) -> None:
    """Require that a network which says its `reach` [input px] stays within the manifest's halo.

    Raises
    ------
    WeightsError
        Where it does not: tiles would show their seams.
    """
    reach = getattr(network, "reach", None)
    if isinstance(manifest.halo, int) and isinstance(reach, int) and reach > manifest.halo:
        raise WeightsError(
            f"stage {manifest.id}: the network reaches {reach} px, its halo is {manifest.halo} px",
            remedy="use fewer blocks",
        )
