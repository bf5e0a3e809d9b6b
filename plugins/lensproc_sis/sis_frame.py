"""The square of sky that the network of ``sis`` looks at, and a lens told in its units.

A frame has a middle, a half side and an orientation on the pixels of a cutout; in it places run from −1 to 1. What
is learnt in units of frames holds for cutouts of any size and pixel scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

PARAMETERS = 7
"""ln θ_E, x, y, e₁, e₂, γ₁, γ₂."""


@dataclass(frozen=True)
class Frames:
    """A frame on each of N cutouts.

    Parameters
    ----------
    x, y : torch.Tensor, shape (N,)
        Zero-based place of its middle [px of the cutout].
    half : torch.Tensor, shape (N,)
        Half its side [px of the cutout].
    turn : torch.Tensor, shape (N,)
        Angle from the x axis of the cutout to that of the frame, towards y [rad].
    flip : torch.Tensor, shape (N,)
        −1 where the frame's x axis points the other way, else 1.
    """

    x: torch.Tensor
    y: torch.Tensor
    half: torch.Tensor
    turn: torch.Tensor
    flip: torch.Tensor

    @classmethod
    def of(cls, x: torch.Tensor, y: torch.Tensor, half: torch.Tensor) -> Frames:
        """Frames that lie as the cutouts do."""
        return cls(x, y, half, torch.zeros_like(x), torch.ones_like(x))

    @classmethod
    def whole(cls, images: torch.Tensor) -> Frames:
        """Frames that hold the whole of images (N, C, H, W), the longer side from edge to edge."""
        height, width = images.shape[-2:]
        ones = images.new_ones(len(images))
        return cls.of(ones * (width - 1) / 2, ones * (height - 1) / 2, ones * max(height, width) / 2)

    def repeated(self, times: int) -> Frames:
        """Each frame so many times."""
        fields = (self.x, self.y, self.half, self.turn, self.flip)
        return Frames(*(values.repeat_interleave(times, dim=0) for values in fields))

    def to_pixels(self, places: torch.Tensor) -> torch.Tensor:
        """Places in the frame (N, 2, ...) to zero-based pixels (N, 2, ...)."""
        u, v = places[:, 0] * _over(self.flip, places), places[:, 1]
        cosine, sine = _over(torch.cos(self.turn), places), _over(torch.sin(self.turn), places)
        half = _over(self.half, places)
        x = _over(self.x, places) + half * (cosine * u - sine * v)
        y = _over(self.y, places) + half * (sine * u + cosine * v)
        return torch.stack((x, y), dim=1)

    def to_places(self, pixels: torch.Tensor) -> torch.Tensor:
        """Zero-based pixels (N, 2, ...) to places in the frame (N, 2, ...)."""
        dx, dy = pixels[:, 0] - _over(self.x, pixels), pixels[:, 1] - _over(self.y, pixels)
        cosine, sine = _over(torch.cos(self.turn), pixels), _over(torch.sin(self.turn), pixels)
        half = _over(self.half, pixels)
        u = (cosine * dx + sine * dy) / half * _over(self.flip, pixels)
        return torch.stack((u, (cosine * dy - sine * dx) / half), dim=1)

    def lens_in(self, lens: torch.Tensor) -> torch.Tensor:
        """Parameters of lenses in their frames.

        Parameters
        ----------
        lens : torch.Tensor, shape (N, 7)
            θ_E, x, y [px of the cutout], e₁, e₂, γ₁, γ₂ along its axes.

        Returns
        -------
        torch.Tensor, shape (N, 7)
            ln(θ_E/half), x, y of the frame, and the others along its axes.
        """
        place = self.to_places(lens[:, 1:3])
        shapes = [_spin(lens[:, i : i + 2], -self.turn, self.flip, turn_first=True) for i in (3, 5)]
        return torch.cat((torch.log(lens[:, :1] / self.half[:, None]), place, *shapes), dim=1)

    def lens_out(self, found: torch.Tensor) -> torch.Tensor:
        """Parameters in frames (N, 7) to those on the cutouts (N, 7): `lens_in` the other way."""
        place = self.to_pixels(found[:, 1:3])
        shapes = [_spin(found[:, i : i + 2], self.turn, self.flip, turn_first=False) for i in (3, 5)]
        return torch.cat((torch.exp(found[:, :1]) * self.half[:, None], place, *shapes), dim=1)


def _over(numbers: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    return numbers.reshape(-1, *(1,) * (places.ndim - 2))


def _spin(shape: torch.Tensor, turn: torch.Tensor, flip: torch.Tensor, *, turn_first: bool) -> torch.Tensor:
    """Turn and flip a spin-2 pair (N, 2): its angle is twice that of its axis, and a flip changes its sign."""
    first, second = shape[:, 0], shape[:, 1]
    if not turn_first:
        second = flip * second
    cosine, sine = torch.cos(2.0 * turn), torch.sin(2.0 * turn)
    first, second = cosine * first - sine * second, sine * first + cosine * second
    if turn_first:
        second = flip * second
    return torch.stack((first, second), dim=1)


def axis(side: int, like: torch.Tensor) -> torch.Tensor:
    """Places of the pixels' centres along one side of a frame, shape (side,)."""
    return (torch.arange(side, dtype=like.dtype, device=like.device) + 0.5) * (2.0 / side) - 1.0


def places(side: int, like: torch.Tensor) -> torch.Tensor:
    """Places (u, v) of the pixels' centres of a frame, shape (1, 2, side, side)."""
    v, u = torch.meshgrid(axis(side, like), axis(side, like), indexing="ij")
    return torch.stack((u, v))[None]


def look(images: torch.Tensor, frames: Frames, side: int) -> torch.Tensor:
    """Resample cutouts to their frames.

    Parameters
    ----------
    images : torch.Tensor, shape (N, C, H, W)
        Cutouts; beyond their edges they are 0.
    frames : Frames
        Where to look.
    side : int
        Of the result [px].

    Returns
    -------
    torch.Tensor, shape (N, C, side, side)
        Bilinear at twice the sampling, then averaged in squares of four. Cutouts of which even that would leave
        pixels out are averaged in squares first, each by itself.
    """
    fine = 2 * side
    at = frames.to_pixels(places(fine, images).expand(len(images), -1, -1, -1))
    factors = torch.floor(frames.half * (2.0 / fine) / 1.5).clamp_min(1.0).long()
    if bool((factors == 1).all()):
        return F.avg_pool2d(sampled(images, at), 2)
    looked = [
        sampled(_averaged(images[i : i + 1], factor), (at[i : i + 1] + 0.5) / factor - 0.5)
        for i, factor in enumerate(factors.tolist())
    ]
    return F.avg_pool2d(torch.cat(looked), 2)


def sampled(images: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
    """Images (N, C, H, W) at zero-based pixels (N, 2, h, w), bilinear, 0 beyond the edges."""
    height, width = images.shape[-2:]
    # grid_sample counts from −1 to 1 between the outer edges of the pixels
    x, y = (at[:, 0] + 0.5) * (2.0 / width) - 1.0, (at[:, 1] + 0.5) * (2.0 / height) - 1.0
    grid = torch.stack((x, y), dim=-1)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _averaged(images: torch.Tensor, factor: int) -> torch.Tensor:
    return images if factor == 1 else F.avg_pool2d(images, factor, ceil_mode=True, count_include_pad=False)
