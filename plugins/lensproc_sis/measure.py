"""Lenses measured by the network of ``sis``: a look at the whole cutout, one at the ring, and its eight views."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import torch

from lensproc_sis.error_features import FEWEST_VIEWS, features_of
from lensproc_sis.sis_frame import Frames, look, places, sampled
from lensproc_sis.sis_network import Found, SISNetwork, planes_and_context

RING = 0.4
"""Einstein radius in the frame of the second look [half side]."""
LARGEST = 1.3
"""Half side of a frame at most [half the longer side of the cutout]."""
SMALLEST = 6.0
"""Half side of a frame at least [px]."""
LOOKS = 2
"""Looks: the first at the whole cutout."""


@dataclass(frozen=True)
class Cutouts:
    """What of N cutouts is looked at.

    Parameters
    ----------
    images : torch.Tensor, shape (N, 1, H, W)
        In σ above the sky.
    inside : torch.Tensor, shape (N, 1, H, W)
        1 where a pixel is good, else 0.
    fwhm : torch.Tensor, shape (N,)
        Of the PSF [px]; 0 where it is not known.
    x, y : torch.Tensor, shape (N,)
        Where to look first [px].
    half : torch.Tensor, shape (N,)
        Half the longer side [px].
    """

    images: torch.Tensor
    inside: torch.Tensor
    fwhm: torch.Tensor
    x: torch.Tensor
    y: torch.Tensor
    half: torch.Tensor

    def repeated(self, times: int) -> Cutouts:
        """Each cutout so many times."""
        fields = (getattr(self, field.name) for field in dataclasses.fields(self))
        return Cutouts(*(values.repeat_interleave(times, dim=0) for values in fields))


@dataclass(frozen=True)
class Measured:
    """Lenses of N cutouts.

    Parameters
    ----------
    lens, sigma : torch.Tensor, shape (N, 7)
        θ_E, x, y [px of the cutout], e₁, e₂, γ₁, γ₂ along its axes, and their 1σ errors; of θ_E, x and y in px.
    frames : Frames
        Of the last look.
    correction : torch.Tensor, shape (N, 1, 8, 8)
        Of k [θ_E], over these frames.
    arcs : torch.Tensor, shape (N, 1, S/2, S/2)
        Probability of a pixel holding light of the source, over these frames.
    """

    lens: torch.Tensor
    sigma: torch.Tensor
    frames: Frames
    correction: torch.Tensor
    arcs: torch.Tensor


@dataclass(frozen=True)
class Looked:
    """What the network says of N cutouts, its errors as it states them.

    Parameters
    ----------
    lens : torch.Tensor, shape (N, 7)
        As in `Measured`.
    log_sigma : torch.Tensor, shape (N, 7)
        Ln of the errors of ln θ_E, x, y [half side of the frame], e₁, e₂, γ₁, γ₂.
    features : torch.Tensor, shape (N, 7, F) or None
        What tells how large the true errors are beside these (`lensproc_sis.error_features`); None of fewer than
        eight views.
    frames, correction, arcs
        As in `Measured`.
    """

    lens: torch.Tensor
    log_sigma: torch.Tensor
    features: torch.Tensor | None
    frames: Frames
    correction: torch.Tensor
    arcs: torch.Tensor


def measure(network: SISNetwork, cutouts: Cutouts, views: int = 8) -> Measured:
    """Measure lenses; the errors are those of the network, calibrated where it was fitted by how much.

    Parameters
    ----------
    network : SISNetwork
        In evaluation mode.
    cutouts : Cutouts
        What is looked at.
    views : int
        How many of the eight symmetries of the square the last look is seen in; their mean is taken. With fewer
        than eight the errors are calibrated by one factor for all cutouts.
    """
    found = looked(network, cutouts, views)
    sigma = torch.exp(found.log_sigma) * network.error_factor(found.features)
    half, radius = found.frames.half[:, None], found.lens[:, :1]
    sigma = torch.cat((sigma[:, :1] * radius, sigma[:, 1:3] * half, sigma[:, 3:]), dim=1)
    return Measured(found.lens, sigma, found.frames, found.correction, found.arcs)


def looked(network: SISNetwork, cutouts: Cutouts, views: int = 8) -> Looked:
    """Look at lenses; see `measure`."""
    frames = Frames.of(cutouts.x, cutouts.y, cutouts.half)
    for _ in range(LOOKS - 1):
        first = frames.lens_out(_see(network, cutouts, frames).found.mean)
        frames = Frames.of(first[:, 1], first[:, 2], frame_half(first[:, 0], cutouts.half))
    each, shown = frames.repeated(views), cutouts.repeated(views)
    view = torch.arange(views, device=frames.x.device).repeat(len(cutouts.images))
    odd, flip = view % 2 == 1, torch.where(view >= 4, -1.0, 1.0).to(frames.x)
    turned = Frames(each.x, each.y, each.half, each.turn + (view % 4) * (math.pi / 2), flip * each.flip)
    seen = _see(network, shown, turned)
    found = seen.found
    log_sigma = torch.log(found.sigma)
    # a quarter turn puts the frame's x axis along the cutout's y axis
    along_x = torch.where(odd, log_sigma[:, 2], log_sigma[:, 1])
    along_y = torch.where(odd, log_sigma[:, 1], log_sigma[:, 2])
    log_sigma = torch.cat((log_sigma[:, :1], along_x[:, None], along_y[:, None], log_sigma[:, 3:]), dim=1)

    def by_view(values: torch.Tensor) -> torch.Tensor:
        return values.reshape(-1, views, *values.shape[1:])

    lens = turned.lens_out(found.mean)
    log_radius = torch.log(lens[:, :1])
    said = by_view(torch.cat((log_radius, lens[:, 1:3] / each.half[:, None], lens[:, 3:]), dim=1))
    lens = torch.cat((torch.exp(by_view(log_radius).mean(1)), by_view(lens[:, 1:]).mean(1)), dim=1)
    log_sigma = by_view(log_sigma).mean(1)
    arcs = found.arcs.sigmoid()
    features = None
    if views >= FEWEST_VIEWS:
        plain = [by_view(plane)[:, 0] for plane in (seen.frame, arcs, seen.context)]
        features = features_of(log_sigma, said, torch.log(first[:, 0]), *plain)
    correction, back = (by_view(_back(plane, turned, each)).mean(1) for plane in (found.correction, arcs))
    return Looked(lens, log_sigma, features, frames, correction, back)


def frame_half(radius: torch.Tensor, half: torch.Tensor) -> torch.Tensor:
    """Half side of the frame of a ring [px], of its radius and half the side of the cutout [px]."""
    return torch.minimum(radius / RING, LARGEST * half).clamp_min(SMALLEST)


@dataclass(frozen=True)
class _Seen:
    """What the network says of frames, the frames (N, 2, S, S), and what it was told beside them (N, 3)."""

    found: Found
    frame: torch.Tensor
    context: torch.Tensor


def _see(network: SISNetwork, cutouts: Cutouts, frames: Frames) -> _Seen:
    frame = look(torch.cat((cutouts.images * cutouts.inside, cutouts.inside), dim=1), frames, network.side)
    planes, context = planes_and_context(frame, frames.half, cutouts.fwhm)
    found: Found = network(planes, context)
    return _Seen(found, frame, context)


def _back(plane: torch.Tensor, turned: Frames, frames: Frames) -> torch.Tensor:
    """Turn a plane over turned frames back: pixel on pixel, for frames are turned by quarters."""
    side = plane.shape[-1]
    there = turned.to_places(frames.to_pixels(places(side, plane).expand(len(plane), -1, -1, -1)))
    return sampled(plane, (there + 1.0) * (side / 2) - 0.5)
