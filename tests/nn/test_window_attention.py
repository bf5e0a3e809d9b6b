"""Windows and their inverse, who sees whom, and the two ways to compute attention."""

from __future__ import annotations

import pytest
import torch

from lensproc.nn.window_attention import (
    SHIFT,
    TOKENS,
    WINDOW,
    SwinBlock,
    WindowAttention,
    allowed_pairs,
    attend,
    begin_small,
    from_windows,
    to_windows,
)

CPU = torch.device("cpu")


def block_of(shifted: bool, width: int = 8) -> SwinBlock:
    torch.manual_seed(5)
    block = SwinBlock(width, 2, shifted, 2)
    block.apply(begin_small)
    return block


def test_a_window_holds_the_pixels_of_its_place():
    rows, columns = torch.meshgrid(torch.arange(16.0), torch.arange(24.0), indexing="ij")
    windows = to_windows(torch.stack([rows, columns], -1)[None])
    assert windows.shape == (1, 6, TOKENS, 2)
    # the fifth window is the middle one of the second row
    assert windows[0, 4, 0].tolist() == [8.0, 8.0]
    assert windows[0, 4, WINDOW + 3].tolist() == [9.0, 11.0]
    assert windows[0, 4, -1].tolist() == [15.0, 15.0]


def test_windows_go_together_again():
    features = torch.randn(3, 16, 24, 5)
    assert torch.equal(from_windows(to_windows(features), 16, 24), features)


def test_the_bias_belongs_to_the_offset_between_two_pixels():
    attention = WindowAttention(4, 1)
    offsets = attention.offsets
    # pixel (1, 2) seen from (3, 1), and the same offset elsewhere
    first, second = offsets[3 * WINDOW + 1, WINDOW + 2], offsets[7 * WINDOW + 4, 5 * WINDOW + 5]
    assert first == second
    assert offsets[WINDOW + 2, 3 * WINDOW + 1] != first
    assert len(offsets.unique()) == (2 * WINDOW - 1) ** 2
    assert (int(offsets.min()), int(offsets.max())) == (0, (2 * WINDOW - 1) ** 2 - 1)


def test_pixels_that_rolling_brings_together_do_not_see_each_other():
    height, width = 16, 24
    allowed = allowed_pairs(height, width, CPU)
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    places = torch.stack([rows, columns], -1)[None].roll((-SHIFT, -SHIFT), (1, 2))
    windows = to_windows(places)[0]
    apart = (windows[:, :, None] - windows[:, None]).abs().amax(-1)
    assert bool((apart[allowed] < WINDOW).all())
    assert bool((apart[~allowed] >= WINDOW).all())
    # inside, everything sees everything
    assert bool(allowed[0].all())


@pytest.mark.parametrize("shifted", [False, True])
def test_a_block_depends_on_its_own_window_alone(shifted):
    block = block_of(shifted)
    height, width = 16, 24
    features = torch.randn(1, height, width, 8, requires_grad=True)
    for row, column in ((0, 0), (3, 20), (4, 4), (11, 12), (15, 23), (15, 0)):
        found = block(features, allowed_pairs(height, width, CPU))[0, row, column].sum()
        (gradient,) = torch.autograd.grad(found, features)
        seen = gradient[0].abs().sum(-1) > 0.0
        move = SHIFT if shifted else 0
        same_row = (torch.arange(height) - move) // WINDOW == (row - move) // WINDOW
        same_column = (torch.arange(width) - move) // WINDOW == (column - move) // WINDOW
        assert torch.equal(seen, same_row[:, None] & same_column[None])


def test_attention_is_a_mean_weighted_by_likeness_and_place():
    """By hand, in the one window of one head whose query, key and value are the features themselves."""
    torch.manual_seed(2)
    attention = WindowAttention(4, 1).requires_grad_(False)
    attention.inward.weight.copy_(torch.eye(4).repeat(3, 1))
    attention.inward.bias.zero_()
    attention.outward.weight.copy_(torch.eye(4))
    attention.outward.bias.zero_()
    attention.bias.normal_()
    pixels = torch.randn(TOKENS, 4)
    found = attention(pixels[None, None])[0, 0]
    for i in (0, 7, 20, 63):
        row, column = divmod(i, WINDOW)
        weights = torch.empty(TOKENS)
        for j in range(TOKENS):
            down, right = row - j // WINDOW + 7, column - j % WINDOW + 7
            weights[j] = torch.exp(pixels[i] @ pixels[j] / 2.0 + attention.bias[0, 15 * down + right])
        torch.testing.assert_close(found[i], weights @ pixels / weights.sum())


def test_with_and_without_gradients_attention_is_the_same():
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 6, 3, TOKENS, 5) for _ in range(3))
    bias = torch.randn(6, 3, TOKENS, TOKENS)
    bias = bias.masked_fill(~allowed_pairs(16, 24, CPU)[:, None], -torch.inf)
    learning = attend(query, key, value, bias)
    with torch.no_grad():
        torch.testing.assert_close(attend(query, key, value, bias), learning)
