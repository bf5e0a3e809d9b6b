"""Images of any side brought to the side that a network was made for."""

from __future__ import annotations

from lensproc.nn.side import SIDE, to_side

__all__ = ["SIDE", "to_side"]
