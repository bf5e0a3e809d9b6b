"""A transformer over patches of the image, in place of the autoencoder: every patch may ask all others."""

from __future__ import annotations

import torch
from torch import nn

from lensproc.nn.blocks import conv
from lensproc.nn.side import SIDE
from lensproc_sis.autoencoder import rectified_residual

MAPS = 4
"""Maps that the patches are put together to, before the last convolutions."""


def layers(depth: int, width: int, heads: int, dropout: float) -> nn.Sequential:
    """Layers of attention and of a perceptron, normalised before each (Xiong et al. 2020, ICML, 10524)."""
    return nn.Sequential(
        *(
            nn.TransformerEncoderLayer(
                width, heads, 2 * width, dropout, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(depth)
        ),
        nn.LayerNorm(width),
    )


def places(number: int, width: int) -> nn.Parameter:
    """Make what tells patches apart by where they are, shape (1, number, width): learnt, small to begin with."""
    return nn.Parameter(nn.init.trunc_normal_(torch.empty(1, number, width), std=0.02))


class PatchEncoder(nn.Module):
    """Images of 150 px to a few numbers for each patch (Dosovitskiy et al. 2021, ICLR, fig. 1).

    Parameters
    ----------
    patch : int
        Side of the patches [px]; 150 is a multiple of it.
    width : int
        Of a token.
    depth, heads : int
        Layers, and heads of their attention.
    kept : int
        Numbers that remain of a patch.
    dropout : float
        Within the layers.
    """

    def __init__(self, patch: int, width: int, depth: int, heads: int, kept: int, dropout: float) -> None:
        super().__init__()
        self.embed = nn.Conv2d(1, width, patch, stride=patch)
        self.places = places((SIDE // patch) ** 2, width)
        self.layers = layers(depth, width, heads, dropout)
        self.narrow = nn.Linear(width, kept)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Make tokens (N, patches, kept) of images (N, 1, 150, 150), patch by patch along the rows."""
        tokens = self.embed(images).flatten(2).transpose(1, 2)
        found: torch.Tensor = self.narrow(self.layers(tokens + self.places))
        return found


class PatchDecoder(nn.Module):
    """Images of 150 px of a few numbers for each patch; parameters as for `PatchEncoder`.

    Convolutions come last, for patches that were put side by side would show their seams.
    """

    def __init__(self, patch: int, width: int, depth: int, heads: int, kept: int, dropout: float) -> None:
        super().__init__()
        self.across = SIDE // patch
        self.widen = nn.Linear(kept, width)
        self.places = places(self.across**2, width)
        self.layers = layers(depth, width, heads, dropout)
        self.pixels = nn.Linear(width, MAPS * patch**2)
        self.together = nn.PixelShuffle(patch)
        self.last = nn.Sequential(rectified_residual(MAPS), conv(MAPS, 1, 3))

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Make images (N, 1, 150, 150) of tokens (N, patches, kept)."""
        pixels = self.pixels(self.layers(self.widen(tokens) + self.places))
        maps = pixels.transpose(1, 2).unflatten(2, (self.across, self.across))
        image: torch.Tensor = self.last(self.together(maps))
        return image


class PatchTransformer(nn.Module):
    """Encoder and decoder for images of 150 px of range [0, 1], as `Autoencoder` has them.

    Parameters
    ----------
    patch : int
        Side of the patches [px].
    width : int
        Of a token.
    depth : (int, int)
        Layers of the encoder and of the decoder.
    heads : int
        Of the attention.
    kept : int
        Numbers that the encoder leaves of a patch: 1,800 of 22,500 pixels with 225 patches and 8.
    dropout : float
        Within the layers.
    """

    def __init__(
        self,
        patch: int = 10,
        width: int = 96,
        depth: tuple[int, int] = (3, 2),
        heads: int = 4,
        kept: int = 8,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if patch < 1 or SIDE % patch:
            raise ValueError(f"{SIDE} px are no multiple of a patch of {patch}")
        self.encoder = PatchEncoder(patch, width, depth[0], heads, kept, dropout)
        self.decoder = PatchDecoder(patch, width, depth[1], heads, kept, dropout)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Make images (N, 1, 150, 150) again."""
        image: torch.Tensor = self.decoder(self.encoder(images))
        return image
