"""Attention between the pixels of small windows, shifted from block to block (Liu et al. 2021, arXiv:2103.14030).

Features of attention have their channels last: (N, H, W, C), with H and W multiples of the side of a window.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

WINDOW = 8
"""Side of a window [input px]: sides of images are padded to its multiples, and tiles begin at them."""
SHIFT = WINDOW // 2
"""By how much the windows of every second block are moved."""
TOKENS = WINDOW**2
INITIAL = 0.02
"""Standard deviation of the first weights, cut off at two units (Liu et al. 2021, as in vision transformers)."""


def to_windows(features: torch.Tensor) -> torch.Tensor:
    """Cut features into windows.

    Parameters
    ----------
    features : torch.Tensor, shape (N, H, W, C)
        Sides are multiples of `WINDOW`.

    Returns
    -------
    torch.Tensor, shape (N, H W / 64, 64, C)
        Windows row by row, and in each its pixels row by row.
    """
    number, height, width, channels = features.shape
    rows, columns = height // WINDOW, width // WINDOW
    cut = features.reshape(number, rows, WINDOW, columns, WINDOW, channels)
    return cut.transpose(2, 3).reshape(number, rows * columns, TOKENS, channels)


def from_windows(windows: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Put windows together again: the inverse of `to_windows`, features of shape (N, H, W, C)."""
    rows, columns = height // WINDOW, width // WINDOW
    cut = windows.reshape(-1, rows, columns, WINDOW, WINDOW, windows.shape[-1])
    return cut.transpose(2, 3).reshape(-1, height, width, windows.shape[-1])


def allowed_pairs(height: int, width: int, device: torch.device) -> torch.Tensor:
    """Which pixels of a shifted window may see each other.

    Features are shifted by rolling them, which brings pixels of opposite borders into one window; those may not
    (Liu et al. 2021, section 3.2, "cyclic shift").

    Returns
    -------
    torch.Tensor of bool, shape (H W / 64, 64, 64)
        By window, pixel that looks, pixel that is seen.
    """
    row = torch.arange(height, device=device) >= height - SHIFT
    column = torch.arange(width, device=device) >= width - SHIFT
    part = 2 * row[:, None].int() + column[None, :].int()
    parts = to_windows(part[None, :, :, None])[0, :, :, 0]
    return parts[:, :, None] == parts[:, None, :]


def _offsets() -> torch.Tensor:
    """Entry of the table of position biases for every pair of pixels of a window, shape (64, 64)."""
    axis = torch.arange(WINDOW)
    rows, columns = torch.meshgrid(axis, axis, indexing="ij")
    places = torch.stack([rows.flatten(), columns.flatten()])
    apart = places[:, :, None] - places[:, None, :] + WINDOW - 1
    return apart[0] * (2 * WINDOW - 1) + apart[1]


class WindowAttention(nn.Module):
    """Multi-head self-attention within windows, with a bias for each offset between two pixels.

    softmax(Q Kᵀ/√d + B) V, with B from a table of (2 · 8 − 1)² offsets for each head (Liu et al. 2021, eq. 4).

    Parameters
    ----------
    width : int
        Channels.
    heads : int
        Heads; they share the channels.
    """

    offsets: torch.Tensor

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.inward = nn.Linear(width, 3 * width)
        self.outward = nn.Linear(width, width)
        self.bias = nn.Parameter(torch.empty(heads, (2 * WINDOW - 1) ** 2))
        self.register_buffer("offsets", _offsets(), persistent=False)

    def forward(self, windows: torch.Tensor, allowed: torch.Tensor | None = None) -> torch.Tensor:
        """Mix the pixels of each window (N, n, 64, C), of those that `allowed` (n, 64, 64) lets see each other."""
        number, count, _, width = windows.shape
        shape = (number, count, TOKENS, 3, self.heads, width // self.heads)
        query, key, value = self.inward(windows).reshape(shape).permute(3, 0, 1, 4, 2, 5)
        bias = self.bias[:, self.offsets].expand(count, -1, -1, -1)
        if allowed is not None:
            # Minus infinity, not the large number of the papers: what a pixel may not see counts nothing at all.
            bias = bias.masked_fill(~allowed[:, None], -torch.inf)
        mixed = attend(query, key, value, bias)
        result: torch.Tensor = self.outward(mixed.transpose(2, 3).reshape(windows.shape))
        return result


def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """softmax(Q Kᵀ/√d + B) V.

    Torch's own is quicker and leaner, but without gradients only: where B learns, it looks for rows in which
    nothing is allowed, and there are none here. Written out, a step of training takes up to a quarter less.

    Parameters
    ----------
    query, key, value : torch.Tensor, shape (N, n, heads, 64, d)
        By image, window and head.
    bias : torch.Tensor, shape (n, heads, 64, 64)
        B, minus infinity where a pixel may not see another.
    """
    if torch.is_grad_enabled():
        likeness = torch.matmul(query * query.shape[-1] ** -0.5, key.transpose(-2, -1)) + bias
        return torch.matmul(likeness.softmax(-1).to(value.dtype), value)
    # One bias for all images: windows and heads are one axis.
    flat = [part.flatten(1, 2) for part in (query, key, value)]
    mask = bias.flatten(0, 1)[None].to(query.dtype)
    mixed = functional.scaled_dot_product_attention(flat[0], flat[1], flat[2], mask)
    return mixed.reshape(query.shape)


class SwinBlock(nn.Module):
    """x + attention(norm(x)), then x + MLP(norm(x)) (Liu et al. 2021, eq. 3).

    Parameters
    ----------
    width, heads : int
        Of `WindowAttention`.
    shifted : bool
        Whether the windows are moved by half their side.
    expansion : int
        Hidden channels of the MLP per channel.
    """

    def __init__(self, width: int, heads: int, shifted: bool, expansion: int) -> None:
        super().__init__()
        self.shifted = shifted
        self.attention_norm = nn.LayerNorm(width)
        self.attention = WindowAttention(width, heads)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, expansion * width),
            nn.GELU(),
            nn.Linear(expansion * width, width),
        )

    def forward(self, features: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
        """Apply to features (N, H, W, C), with `allowed_pairs` of that size."""
        height, width = features.shape[1:3]
        normed = self.attention_norm(features)
        if self.shifted:
            normed = normed.roll((-SHIFT, -SHIFT), (1, 2))
        mixed = self.attention(to_windows(normed), allowed if self.shifted else None)
        change = from_windows(mixed, height, width)
        if self.shifted:
            change = change.roll((SHIFT, SHIFT), (1, 2))
        features = features + change
        result: torch.Tensor = features + self.mlp(features)
        return result


@torch.no_grad()
def begin_small(part: nn.Module) -> None:
    """Draw the first weights of one layer; for `nn.Module.apply`."""
    if isinstance(part, nn.Linear):
        nn.init.trunc_normal_(part.weight, std=INITIAL, a=-2.0 * INITIAL, b=2.0 * INITIAL)
        nn.init.zeros_(part.bias)
    if isinstance(part, WindowAttention):
        nn.init.trunc_normal_(part.bias, std=INITIAL, a=-2.0 * INITIAL, b=2.0 * INITIAL)
