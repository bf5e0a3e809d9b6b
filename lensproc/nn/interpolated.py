"""Two sets of weights of one network, and networks between them."""

from __future__ import annotations

import copy

import torch
from torch import nn


class TwoWeights(nn.Module):
    """A network with its weights after learning by pixels, and after learning against a discriminator too.

    Its state has the names of the file that adversarial training writes: ``pixel.NAME`` and ``adversarial.NAME``.

    Parameters
    ----------
    network : nn.Module
        One with the hyperparameters of both; it is copied.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.pixel = network
        self.adversarial = copy.deepcopy(network)
        self.reach = getattr(network, "reach", None)

    def between(self, strength: float) -> nn.Module:
        """Return a network with the weights (1 − strength) × pixel + strength × adversarial.

        Parameters
        ----------
        strength : float
            0 gives the one, 1 the other, to the bit.

        Notes
        -----
        Network interpolation of Wang et al. 2018, ECCVW, arXiv:1809.00219, eq. 4. Means and variances of
        normalisations are interpolated alike; whole numbers are those of the adversarial weights.
        """
        network = copy.deepcopy(self.adversarial)
        if strength == 1.0:
            return network
        first, second = self.pixel.state_dict(), self.adversarial.state_dict()
        mixed = {
            name: torch.lerp(first[name], value, strength) if value.is_floating_point() else value
            for name, value in second.items()
        }
        network.load_state_dict(mixed)
        return network
