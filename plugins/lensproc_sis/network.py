"""k-network, informer and classifier as one network."""

from __future__ import annotations

import torch
from torch import nn

from lensproc.nn.lensing_warp import Mode
from lensproc.nn.resnet_simple import ResnetSimple
from lensproc.nn.side import SIDE, to_side
from lensproc_sis.autoencoder import Autoencoder
from lensproc_sis.informer import Informer, Unit, strength_of


class InformedClassifier(nn.Module):
    """Classify the source plane that a sphere of learnt strength leads back to.

    Parameters
    ----------
    mode : str
        Of the splat: ``sum`` or ``overwrite``.
    slope : bool
        Whether the deflection keeps the terms in ∂k.
    k_unit : str
        ``pixel`` or ``arcsec``: what k = .8 to 1.2 is counted in.
    pooled : bool
        Whether autoencoder and classifier pool their last maps to 4 × 4: 3.0 M parameters instead of 20.6 M.
    dropout : float
        In the classifier.
    classes : int
        Number of classes.

    Raises
    ------
    ValueError
        For another `mode` or `k_unit`.
    """

    def __init__(
        self,
        mode: Mode = "sum",
        slope: bool = False,
        k_unit: Unit = "pixel",
        pooled: bool = True,
        dropout: float = 0.3,
        classes: int = 3,
    ) -> None:
        super().__init__()
        if mode not in ("sum", "overwrite"):
            raise ValueError(f"mode {mode!r} is not sum or overwrite")
        if k_unit not in ("pixel", "arcsec"):
            raise ValueError(f"k_unit {k_unit!r} is not pixel or arcsec")
        self.k_unit: Unit = k_unit
        self.k_network = Autoencoder(pooled)
        self.informer = Informer(mode, slope)
        self.classifier = ResnetSimple(pooled, dropout, SIDE, classes)

    def strength(self, images: torch.Tensor, pixel_scale: torch.Tensor) -> torch.Tensor:
        """Strength k (N, 150, 150) [arcsec] of images (N, 1, 150, 150) with pixels of so many arcsec (N,)."""
        return strength_of(self.k_network(images)[:, 0], pixel_scale, self.k_unit)

    def source(self, images: torch.Tensor, pixel_scale: torch.Tensor | None = None) -> torch.Tensor:
        """Source plane (N, 1, 150, 150) of images.

        Parameters
        ----------
        images : torch.Tensor, shape (N, 1, H, W)
            Of range [0, 1]; of an oblong one the square in the middle is taken, resampled to 150 px.
        pixel_scale : torch.Tensor, shape (N, 1), optional
            Side of their pixels [arcsec]; without it everything is counted in pixels.

        Raises
        ------
        ValueError
            Where k is counted in arcsec and no scale is given.
        """
        seen = to_side(images, SIDE).float()
        if pixel_scale is None:
            if self.k_unit == "arcsec":
                raise ValueError("k in arcsec needs the pixel scale of the images")
            scale = seen.new_ones(len(seen))
        else:
            scale = pixel_scale[:, 0].to(seen) * (min(images.shape[-2:]) / SIDE)
        return self.informer(seen, self.strength(seen, scale).float(), scale)  # type: ignore[no-any-return]

    def features(self, images: torch.Tensor, pixel_scale: torch.Tensor | None = None) -> torch.Tensor:
        """Features (N, 32) of the source plane; arguments as for `source`."""
        return self.classifier.features(self.source(images, pixel_scale))

    def head(self, features: torch.Tensor) -> torch.Tensor:
        """Logits (N, K) of features."""
        return self.classifier.head(features)

    def forward(self, images: torch.Tensor, pixel_scale: torch.Tensor | None = None) -> torch.Tensor:
        """Logits (N, K); arguments as for `source`."""
        return self.head(self.features(images, pixel_scale))
