"""k-network, informer and classifier as one network."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from lensproc.nn.lensing_warp import Mode
from lensproc.nn.resnet_18 import Resnet18
from lensproc.nn.resnet_simple import ResnetSimple
from lensproc.nn.side import SIDE, to_side
from lensproc_sis.autoencoder import Autoencoder
from lensproc_sis.informer import Informer, Unit, strength_of
from lensproc_sis.ring_classifier import RingClassifier
from lensproc_sis.transformer import PatchTransformer

K_NETWORKS: dict[str, Callable[[bool], nn.Module]] = {
    "autoencoder": lambda pooled: Autoencoder(pooled),
    "transformer": lambda pooled: PatchTransformer(),
}
CLASSIFIERS: dict[str, Callable[[bool, float, int], nn.Module]] = {
    "resnet-simple": lambda pooled, dropout, classes: ResnetSimple(pooled, dropout, SIDE, classes),
    "resnet-18": lambda pooled, dropout, classes: Resnet18(side=SIDE, classes=classes),
    "substructure": lambda pooled, dropout, classes: RingClassifier(dropout, classes),
}


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
    k_network : str
        ``autoencoder`` or ``transformer``.
    classifier : str
        ``resnet-simple``, ``resnet-18`` or ``substructure``, the networks of these stages.
    pooled : bool
        Whether ``autoencoder`` and ``resnet-simple`` pool their last maps to 4 × 4: 3.0 M parameters instead of
        20.6 M.
    dropout : float
        In the classifier; ``resnet-18`` has none.
    classes : int
        Number of classes.

    Raises
    ------
    ValueError
        For another `mode`, `k_unit`, `k_network` or `classifier`.
    """

    def __init__(
        self,
        mode: Mode = "sum",
        slope: bool = False,
        k_unit: Unit = "pixel",
        k_network: str = "autoencoder",
        classifier: str = "resnet-simple",
        pooled: bool = True,
        dropout: float = 0.3,
        classes: int = 3,
    ) -> None:
        super().__init__()
        _require("mode", mode, ("sum", "overwrite"))
        _require("k_unit", k_unit, ("pixel", "arcsec"))
        _require("k_network", k_network, tuple(K_NETWORKS))
        _require("classifier", classifier, tuple(CLASSIFIERS))
        self.k_unit: Unit = k_unit
        self.k_network = K_NETWORKS[k_network](pooled)
        self.informer = Informer(mode, slope)
        self.classifier = CLASSIFIERS[classifier](pooled, dropout, classes)

    def strength(self, images: torch.Tensor, pixel_scale: torch.Tensor) -> torch.Tensor:
        """Strength k (N, 150, 150) [arcsec] of images (N, 1, 150, 150) with pixels of so many arcsec (N,)."""
        return strength_of(self.k_network(images)[:, 0].float(), pixel_scale, self.k_unit)

    def seen(
        self, images: torch.Tensor, pixel_scale: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Images as the network sees them (N, 1, 150, 150), and the side of their pixels [arcsec], shape (N,).

        Arguments and errors as for `source`. Without a scale, a pixel counts as an arcsec.
        """
        square = to_side(images, SIDE).float()
        if pixel_scale is None:
            if self.k_unit == "arcsec":
                raise ValueError("k in arcsec needs the pixel scale of the images")
            return square, square.new_ones(len(square))
        return square, pixel_scale[:, 0].to(square) * (min(images.shape[-2:]) / SIDE)

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
        square, scale = self.seen(images, pixel_scale)
        plane: torch.Tensor = self.informer(square, self.strength(square, scale), scale)
        return plane

    @torch.no_grad()
    def frame(
        self, images: torch.Tensor, pixel_scale: torch.Tensor | None = None
    ) -> Callable[[torch.Tensor], torch.Tensor]:
        """How light of these images comes to the frame that the classifier's maps show; arguments as for `source`.

        Returns
        -------
        callable
            Images (N, 1, H, W) to images (N, 1, h, w), linear in them: k, and what the classifier looks at, stay
            those of the images given here, and light adds up.
        """
        square, scale = self.seen(images, pixel_scale)
        strength = self.strength(square, scale)
        look = self.classifier
        rings = (
            look.rings(self.informer(square, strength, scale)) if isinstance(look, RingClassifier) else None
        )

        def sent(others: torch.Tensor) -> torch.Tensor:
            plane = self.informer.sent(to_side(others, SIDE).float(), strength, scale, "sum")
            return look.framed(plane, rings) if isinstance(look, RingClassifier) and rings else plane

        return sent

    def features(self, images: torch.Tensor, pixel_scale: torch.Tensor | None = None) -> torch.Tensor:
        """Features (N, F) of the source plane; arguments as for `source`."""
        found: torch.Tensor = self.classifier.features(self.source(images, pixel_scale))  # type: ignore[operator]
        return found

    def head(self, features: torch.Tensor) -> torch.Tensor:
        """Logits (N, K) of features."""
        logits: torch.Tensor = self.classifier.head(features)  # type: ignore[operator]
        return logits

    def forward(self, images: torch.Tensor, pixel_scale: torch.Tensor | None = None) -> torch.Tensor:
        """Logits (N, K); arguments as for `source`."""
        return self.head(self.features(images, pixel_scale))


def _require(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{name} {value!r} is not {' or '.join(known)}")
