"""The optimiser of a training."""

from __future__ import annotations

from typing import Any

import torch

from lensproc.contract.training import TrainingSettings
from lensproc.errors import PluginError


def adam(network: torch.nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Adam, or AdamW with a weight decay (of kernels only, not of biases and normalisations).

    Raises
    ------
    PluginError
        Where the network has no parameter that can be trained.
    """
    free = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if not free:
        raise PluginError("the network has no parameter that can be trained")
    # The fused kernel unscales gradients itself, which clipping of scaled ones does not allow.
    fused = settings.precision == "32"
    if not settings.weight_decay:
        return torch.optim.Adam(free, settings.learning_rate, fused=fused)
    kernels = [parameter for parameter in free if parameter.ndim >= 2]
    rest = [parameter for parameter in free if parameter.ndim < 2]
    groups: list[dict[str, Any]] = [{"params": kernels}, {"params": rest, "weight_decay": 0.0}]
    groups = [group for group in groups if group["params"]]
    return torch.optim.AdamW(groups, settings.learning_rate, weight_decay=settings.weight_decay, fused=fused)
