"""Rotation by any angle and zoom of training images, beside the eight turns that the trainer makes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from lensproc.errors import UsageError


@dataclass(frozen=True)
class Augmentation:
    """Random rotation and zoom about the middle of the image.

    Parameters
    ----------
    rotation : float
        Largest angle [deg]; the angle is uniform in ±rotation.
    zoom : (float, float)
        Smallest and largest magnification, uniform in between.
    share : float
        Part of the images that are resampled. Resampling smooths noise; the others keep theirs as it is in the
        images that the network will see.
    """

    rotation: float = 0.0
    zoom: tuple[float, float] = (1.0, 1.0)
    share: float = 1.0

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Augmentation:
        """Read ``rotation``, ``zoom`` and ``share`` of a recipe's table.

        Raises
        ------
        UsageError
            For values that do not fit.
        """
        rotation, zoom = table.get("rotation", 0.0), table.get("zoom", [1.0, 1.0])
        share = table.get("share", 1.0)
        numbers = [rotation, share, *zoom] if isinstance(zoom, list | tuple) and len(zoom) == 2 else [None]
        fits = all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers)
        if not fits or rotation < 0 or not 0 < zoom[0] <= zoom[1] or not 0 <= share <= 1:
            raise UsageError(
                f"augmentation: rotation {rotation!r}, zoom {zoom!r}, share {share!r} do not fit",
                remedy="rotation from 0 [deg], zoom [smallest, largest] above 0, share from 0 to 1",
            )
        return cls(float(rotation), (float(zoom[0]), float(zoom[1])), float(share))

    @property
    def active(self) -> bool:
        """Whether anything is done at all."""
        return self.share > 0 and (self.rotation > 0 or self.zoom != (1.0, 1.0))

    def __call__(self, batch: Mapping[str, torch.Tensor], generator: torch.Generator) -> torch.Tensor:
        """Turn and zoom ``image`` (N, H, W); beyond its edge lies ``sky`` (N,)."""
        image, sky = batch["image"].float(), batch["sky"].float()
        random = torch.rand((3, len(image)), generator=generator, device=image.device)
        angle = (2.0 * random[0] - 1.0) * math.radians(self.rotation)
        zoom = self.zoom[0] + random[1] * (self.zoom[1] - self.zoom[0])
        chosen = random[2] < self.share
        result = image.clone()
        result[chosen] = turned(image[chosen], sky[chosen], angle[chosen], zoom[chosen])
        return result


def turned(images: torch.Tensor, sky: torch.Tensor, angle: torch.Tensor, zoom: torch.Tensor) -> torch.Tensor:
    """Rotate and magnify images about their middle, bilinearly; surface brightness stays.

    Parameters
    ----------
    images : torch.Tensor, shape (N, H, W)
        Pixels.
    sky : torch.Tensor, shape (N,)
        Their value beyond the edge.
    angle : torch.Tensor, shape (N,)
        From x towards y [rad].
    zoom : torch.Tensor, shape (N,)
        Magnification; the light of a source grows by its square.

    Returns
    -------
    torch.Tensor, shape (N, H, W)
        A source at (x, y) from the middle comes to zoom × (x cos a − y sin a, x sin a + y cos a).
    """
    height, width = images.shape[-2:]
    cosine, sine = torch.cos(angle) / zoom, torch.sin(angle) / zoom
    nothing = torch.zeros_like(cosine)
    # The grid says for each pixel of the result where it lies in the image: the inverse of the map. It counts
    # from -1 to 1 between the outer edges, so that shears carry the ratio of the sides.
    across, down = height / width, width / height
    matrix = torch.stack(
        (
            torch.stack((cosine, sine * across, nothing), dim=1),
            torch.stack((-sine * down, cosine, nothing), dim=1),
        ),
        dim=1,
    )
    grid = F.affine_grid(matrix, [len(images), 1, height, width], align_corners=False)
    level = sky[:, None, None, None]
    light = F.grid_sample(images.unsqueeze(1) - level, grid, mode="bilinear", align_corners=False)
    return (light + level).squeeze(1)
