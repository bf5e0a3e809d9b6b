"""Measurements whose truth is put in, and small weights of ``sis``."""

from __future__ import annotations

import torch

from lensproc.nn.weights import save_weights
from lensproc_sis.measure import RING, Measured
from lensproc_sis.sis_frame import Frames
from lensproc_sis.sis_network import SISNetwork

LENS = (14.0, 31.3, 29.1, 0.12, -0.06, 0.03, 0.02)
SPEC = {"width": 4, "blocks": 1, "side": 32}


def known(*lenses, correction=0.0, arcs=1.0) -> Measured:
    """Lenses (θ_E, x, y, e1, e2, g1, g2) as if they had been measured, with light of the source everywhere."""
    lens = torch.tensor(lenses, dtype=torch.float32)
    frames = Frames.of(lens[:, 1], lens[:, 2], lens[:, 0] / RING)
    n = len(lens)
    cells = torch.full((n, 1, 8, 8), correction)
    return Measured(lens, torch.full_like(lens, 0.01), frames, cells, torch.full((n, 1, 16, 16), arcs))


def sis_weights(path, stage="sis"):
    """Weights of a small network of ``sis``, at random."""
    torch.manual_seed(3)
    network = SISNetwork(**SPEC)
    network.calibration.fill_(1.0)
    save_weights(path, network.state_dict(), {"stage": stage, "network": SPEC})
    return path
