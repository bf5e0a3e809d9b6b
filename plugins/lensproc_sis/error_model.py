"""By how much the errors that the network of ``sis`` states are wrong, as a function of the cutout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

OF_FEATURES = ("slopes", "lowest", "highest", "typical")
"""What is fitted for each feature of each parameter."""
OF_PARAMETERS = ("offset", "smallest", "largest")
"""What is fitted for each parameter."""


@dataclass(frozen=True)
class Coefficients:
    """A linear function of F features that gives ln factor of P parameters.

    Parameters
    ----------
    slopes : torch.Tensor, shape (P, F)
        Change of ln factor per unit of a feature.
    lowest, highest : torch.Tensor, shape (P, F)
        Range that features are brought into first: that of the lenses it was fitted to.
    typical : torch.Tensor, shape (P, F)
        Where a feature changes nothing; also what one counts as that is not known (NaN).
    offset : torch.Tensor, shape (P,)
        ln factor of a typical cutout.
    smallest, largest : torch.Tensor, shape (P,)
        Range of ln factor.
    """

    slopes: torch.Tensor
    lowest: torch.Tensor
    highest: torch.Tensor
    typical: torch.Tensor
    offset: torch.Tensor
    smallest: torch.Tensor
    largest: torch.Tensor

    def log_factor(self, features: torch.Tensor) -> torch.Tensor:
        """Ln factor of each parameter, shape (N, P), of features (N, P, F)."""
        known = torch.where(torch.isnan(features), self.typical, features)
        within = torch.minimum(torch.maximum(known, self.lowest), self.highest)
        # a sum, not a product of matrices: the same to the last bit whatever else is in the batch
        found = self.offset + (self.slopes * (within - self.typical)).sum(-1)
        return torch.minimum(torch.maximum(found, self.smallest), self.largest)


class ErrorModel(nn.Module):
    """`Coefficients` as buffers; before any are set, and in weights that hold none, it is not `fitted`.

    Parameters
    ----------
    parameters, features : int
        P and F.
    """

    def __init__(self, parameters: int, features: int) -> None:
        super().__init__()
        self.shape = (parameters, features)
        # all of one axis: what has two and more is taken for a kernel, and ships as float16
        for name in OF_FEATURES:
            self.register_buffer(name, torch.zeros(parameters * features))
        for name in OF_PARAMETERS:
            self.register_buffer(name, torch.zeros(parameters))

    @property
    def fitted(self) -> bool:
        """Whether there is a range of factors."""
        return bool((self.get_buffer("largest") > self.get_buffer("smallest")).all())

    @property
    def coefficients(self) -> Coefficients:
        """What the buffers hold."""
        wide = (self.get_buffer(name).reshape(self.shape) for name in OF_FEATURES)
        return Coefficients(*wide, *(self.get_buffer(name) for name in OF_PARAMETERS))

    def set(self, coefficients: Coefficients) -> None:
        """Take over what was fitted."""
        for name in (*OF_FEATURES, *OF_PARAMETERS):
            self.get_buffer(name).copy_(getattr(coefficients, name).flatten())

    def reset(self) -> None:
        """Forget what was fitted."""
        for buffer in self.buffers():
            buffer.zero_()

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Factor of each parameter, shape (N, P), of features (N, P, F)."""
        return torch.exp(self.coefficients.log_factor(features))

    def _load_from_state_dict(
        self,
        state_dict: Mapping[str, Any],
        prefix: str,
        local_metadata: Mapping[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        # Weights from before there was such a model hold nothing of it: they keep one factor per parameter.
        if not any(key.startswith(prefix) for key in state_dict):
            self.reset()
            return
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )
