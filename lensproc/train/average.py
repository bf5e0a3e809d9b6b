"""Running mean of the weights: a smoother network than the last step's."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

Tensors = list[torch.Tensor] | tuple[torch.Tensor, ...]


class Average:
    """Exponential mean of a network's parameters and buffers.

    Parameters
    ----------
    network : torch.nn.Module
        What is averaged; it is copied.
    decay : float
        d of mean ← d mean + (1 − d) weights. After n steps it is no more than (1 + n) / (10 + n), so that the
        fresh weights are soon forgotten. Integer buffers are taken over as they are.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.model = AveragedModel(network, multi_avg_fn=self._mix, use_buffers=True)
        self.model.requires_grad_(False)
        self.model.eval()

    @property
    def network(self) -> nn.Module:
        """The mean, in eval mode."""
        return self.model.module

    def update(self, network: nn.Module) -> None:
        """Take in the weights after a step."""
        with torch.no_grad():
            self.model.update_parameters(network)

    def state_dict(self) -> dict[str, Any]:
        """Return the mean and the number of steps in it."""
        return self.model.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.model.load_state_dict(state)

    def _mix(self, mean: Tensors, new: Tensors, count: torch.Tensor | int) -> None:
        if not mean[0].is_floating_point():
            for one, other in zip(mean, new, strict=True):
                one.copy_(other)
            return
        n = int(count)
        decay = min(self.decay, (1.0 + n) / (10.0 + n))
        torch._foreach_lerp_(list(mean), list(new), 1.0 - decay)
