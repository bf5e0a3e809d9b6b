"""``srresnet``: residual blocks without batch normalisation, few of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from torch import nn

from lensproc.contract.network import NetworkStage
from lensproc.nn.blocks import Residual, conv, pixel_shuffle, require_blocks, transposed
from lensproc.nn.long_skip import LongSkip
from lensproc.nn.spec import from_spec

if TYPE_CHECKING:
    from lensproc.contract.manifest import Manifest, OptionValue

WIDTH = 64
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "prelu": nn.PReLU,
    "leaky-relu": partial(nn.LeakyReLU, 0.2),
}
HEADS = ("pixel-shuffle", "transposed")


class Network(LongSkip):
    """SRResNet (Ledig et al. 2017, CVPR, 105) with 1 to 3 blocks.

    conv9 1→64, PReLU; N × [conv3, PReLU, conv3, + input of the block]; conv3, + first features; conv3 64→256,
    pixel shuffle, PReLU; conv3 64→1.

    Parameters
    ----------
    blocks : int
        N.
    batch_norm : bool
        A normalisation after each convolution of the blocks and after them, as in the paper.
    activation : str
        ``prelu`` or ``leaky-relu``.
    head : str
        ``pixel-shuffle``, or ``transposed`` for a transposed 4×4 convolution.
    """

    def __init__(
        self,
        blocks: int = 1,
        batch_norm: bool = False,
        activation: str = "prelu",
        head: str = "pixel-shuffle",
    ) -> None:
        super().__init__()
        require_blocks(blocks)
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation {activation!r} is not {' or '.join(ACTIVATIONS)}")
        if head not in HEADS:
            raise ValueError(f"head {head!r} is not {' or '.join(HEADS)}")
        act = ACTIVATIONS[activation]

        def norm() -> list[nn.Module]:
            return [nn.BatchNorm2d(WIDTH)] if batch_norm else []

        def block() -> Residual:
            return Residual(conv(WIDTH, WIDTH, 3), *norm(), act(), conv(WIDTH, WIDTH, 3), *norm())

        self.first = nn.Sequential(conv(1, WIDTH, 9), act())
        self.blocks = nn.Sequential(*(block() for _ in range(blocks)))
        self.middle = nn.Sequential(conv(WIDTH, WIDTH, 3), *norm())
        up = pixel_shuffle(WIDTH) if head == "pixel-shuffle" else nn.Sequential(transposed(WIDTH))
        self.up = nn.Sequential(up, act())
        self.last = conv(WIDTH, 1, 3)
        # The convolution before the shuffle reaches one pixel, the one on fine pixels into the next; a transposed
        # convolution looks to the nearer side only, so that both together reach one.
        self.reach = 4 + 2 * blocks + 1 + (2 if head == "pixel-shuffle" else 1)


def stage(manifest: Manifest, options: Mapping[str, OptionValue]) -> NetworkStage:
    """Build the stage."""
    return NetworkStage(manifest, options, partial(from_spec, Network, name=manifest.id))
