"""The network of ``sis``: from a frame of sky to a lens, its errors, and a correction of its strength k."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from lensproc.nn.resnet_18 import BasicBlock
from lensproc_sis.error_features import FEATURES
from lensproc_sis.error_model import ErrorModel
from lensproc_sis.sis_frame import PARAMETERS, axis

PLANES, CONTEXT = 6, 3
SOFT = 3.0
"""σ at which the logarithmic image turns from linear to logarithmic."""
SMOOTH = 9
"""Side of the box that is taken off for the plane of fine structure, twice over [px of the frame]."""
FINE_GAIN = 10.0
"""By which fine structure is enlarged, to be about as large as the other planes."""
UNITS = (0.3, 0.1, 0.1, 0.15, 0.15, 0.08, 0.08)
"""What the network counts each parameter in: about their scatter in training."""
CENTRE = (-0.9, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
"""What it counts them from: −.9 is a ring of .41 of the half side."""
LOG_SIGMA = (-6.0, 1.5)
"""Range of ln σ in these units."""
CELLS = 8
"""Side of the map of the correction."""
BOUND = 0.05
"""Largest correction of k [θ_E]."""


@dataclass(frozen=True)
class Found:
    """What the network says of N frames.

    Parameters
    ----------
    mean, sigma : torch.Tensor, shape (N, 7)
        ln(θ_E/half side), x, y [half side], e₁, e₂, γ₁, γ₂, along the axes of the frame, and their 1σ errors.
    correction : torch.Tensor, shape (N, 1, 8, 8)
        What k differs by from that of the parameters [θ_E], over the frame; from −.05 to .05.
    arcs : torch.Tensor, shape (N, 1, side/2, side/2)
        Logit of a pixel holding light of the source.
    """

    mean: torch.Tensor
    sigma: torch.Tensor
    correction: torch.Tensor
    arcs: torch.Tensor


def planes_and_context(
    frame: torch.Tensor, half: torch.Tensor, fwhm: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Make what the network looks at of frames.

    Parameters
    ----------
    frame : torch.Tensor, shape (N, 2, S, S)
        Cutout in σ above the sky, and 1 where there is a cutout, resampled to the frame.
    half : torch.Tensor, shape (N,)
        Half side of the frame [px of the cutout].
    fwhm : torch.Tensor, shape (N,)
        Of the PSF [px of the cutout]; 0 where it is not known.

    Returns
    -------
    planes : torch.Tensor, shape (N, 6, S, S)
        Its asinh in σ, its fine structure (less its smooth version), its odd part about the middle, light in units
        of the brightest pixel, a constant plane with how deep the image is, and where there is a cutout.
    context : torch.Tensor, shape (N, 3)
        Log₁₀ of the brightest pixel over 100σ, log₁₀ of the half side [px] less 1.5, ten times the FWHM over the
        half side.
    """
    image, inside = frame[:, :1], frame[:, 1:]
    peak = F.avg_pool2d(image, 3, stride=1).amax((1, 2, 3)).clamp_min(1.0)
    depth = torch.log10(peak) - 2.0
    stretched = torch.asinh(image / SOFT)
    fine = FINE_GAIN * (stretched - _box(_box(stretched)))
    over = torch.asinh(peak / SOFT)[:, None, None, None]
    odd = stretched - stretched.flip((-2, -1))
    bright = image / peak[:, None, None, None]
    deep = depth[:, None, None, None].expand_as(image)
    planes = torch.cat((stretched / over, fine / over, odd / over, bright, deep, inside), dim=1)
    width = 10.0 * fwhm / half
    return planes, torch.stack((depth, torch.log10(half) - 1.5, width), dim=1)


def _box(image: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(image, SMOOTH, stride=1, padding=SMOOTH // 2, count_include_pad=False)


class SISNetwork(nn.Module):
    """Residual network over a frame, told its depth, sampling and PSF.

    Parameters
    ----------
    width : int
        Features at half the frame's resolution; twice and four times as many at a quarter and an eighth of it.
    blocks : int
        Residual blocks at each resolution.
    side : int
        Of the frame [px], a multiple of 8.

    Notes
    -----
    The buffer ``calibration`` holds what the error of each parameter is multiplied by for cutouts of all kinds,
    ``errors`` a factor that depends on the cutout. Both are fitted when training ends; before they are 0.
    """

    calibration: torch.Tensor

    def __init__(self, width: int = 32, blocks: int = 2, side: int = 64) -> None:
        super().__init__()
        self.side = side
        self.stem = nn.Conv2d(PLANES + 2, width, 5, 2, 2, bias=False)
        self.stem_norm = nn.BatchNorm2d(width)
        self.fine = nn.Sequential(*(BasicBlock(width, width, 1) for _ in range(blocks)))
        stages: list[nn.Module] = []
        before = width
        for after in (2 * width, 4 * width):
            for block in range(blocks):
                stages.append(BasicBlock(before, after, 1 if block else 2))
                before = after
        self.coarse = nn.Sequential(*stages)
        self.squeeze = nn.Sequential(nn.Conv2d(before, 32, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU())
        features = 32 * (side // 8) ** 2 + 2 * before + CONTEXT
        self.join = nn.Sequential(nn.Linear(features, 192, bias=False), nn.BatchNorm1d(192), nn.SiLU())
        self.mean = nn.Linear(192, PARAMETERS)
        self.spread = nn.Linear(192, PARAMETERS)
        self.correct = nn.Conv2d(before, 1, 1)
        self.light = nn.Conv2d(width, 1, 1)
        nn.init.zeros_(self.correct.weight)
        nn.init.zeros_(self.spread.weight)
        for last in (self.correct, self.spread):
            assert last.bias is not None
            nn.init.zeros_(last.bias)
        self.register_buffer("calibration", torch.zeros(PARAMETERS))
        self.errors = ErrorModel(PARAMETERS, len(FEATURES))
        self.register_buffer("units", torch.tensor(UNITS), persistent=False)
        self.register_buffer("centre", torch.tensor(CENTRE), persistent=False)

    units: torch.Tensor
    centre: torch.Tensor

    def error_factor(self, features: torch.Tensor | None) -> torch.Tensor:
        """Give what the stated errors are to be multiplied by: (N, 7), or (7,) where it is the same for all.

        Parameters
        ----------
        features : torch.Tensor, shape (N, 7, F) or None
            Of `lensproc_sis.error_features`; without them, or where no ``errors`` were fitted, one factor holds
            for all.
        """
        if features is None or not self.errors.fitted:
            return torch.where(self.calibration > 0, self.calibration, 1.0)
        factor: torch.Tensor = self.errors(features)
        return factor

    def forward(self, planes: torch.Tensor, context: torch.Tensor) -> Found:
        """Look at planes (N, 6, side, side) and context (N, 3) of `planes_and_context`."""
        line = axis(planes.shape[-1], planes)
        u = line.expand(len(planes), 1, len(line), len(line))
        features = F.relu(self.stem_norm(self.stem(torch.cat((planes, u, u.transpose(-2, -1)), dim=1))))
        features = self.fine(features)
        deep = self.coarse(features)
        squeezed = self.squeeze(deep).flatten(1)
        pooled = torch.cat((squeezed, deep.mean((2, 3)), deep.amax((2, 3)), context), dim=1)
        # a parameter in bfloat16 would be known to half a per cent only
        with torch.autocast(planes.device.type, enabled=False):
            joined = self.join(pooled.float())
            mean = self.mean(joined) * self.units + self.centre
            spread = self.spread(joined)
        mean = torch.cat((mean[:, :3], *(_below_one(mean[:, i : i + 2]) for i in (3, 5))), dim=1)
        sigma = torch.exp(spread.clamp(*LOG_SIGMA)) * self.units
        correction = BOUND * torch.tanh(self.correct(deep).float())
        return Found(mean, sigma, correction, self.light(features).float())


def _below_one(shape: torch.Tensor) -> torch.Tensor:
    """Pairs (N, 2), those longer than .4 shortened towards .8: an ellipticity of 1 would be a line."""
    length = shape.norm(dim=1, keepdim=True).clamp_min(1e-12)
    allowed = torch.where(length < 0.4, length, 0.4 + 0.4 * torch.tanh((length - 0.4) / 0.4))
    shorter: torch.Tensor = shape * (allowed / length)
    return shorter
