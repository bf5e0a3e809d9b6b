"""The minimisation behind the stage ``starlet``, batched: its penalties and the solver."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from lensproc_classical.starlet_grid import Grid
from lensproc_classical.starlet_transform import adjoint, analyse, number_of_scales, smooth

SCALES = 5
"""Number of detail scales, where they fit: from one output pixel to 16."""
SLACK = 0.2
"""How far below its floor the sky may fall [σ of a pixel]: without it the noise that is cut off at the floor
raises an empty sky by 0.05σ, with it by 0.02σ."""
MOST_INFLATION = 4.0
"""Largest factor by which the noise on a scale may exceed that of white noise."""


@dataclass(frozen=True)
class Problem:
    """Find the s ≥ b on the grid that minimises ½ Σ W (x - B s)² + Σ λ |Φ s|, Φ being the starlet details.

    Parameters
    ----------
    grid : Grid
        With the operator B.
    data, weights : torch.Tensor, shape (N, C, H, W)
        The images x, their sky near 0, and the inverse variance W.
    penalties : list of torch.Tensor, each on the grid
        λ per scale.
    floor : torch.Tensor, on the grid
        b: 0, or what is left of the image after the last scale where that is negative, so that a sky that was
        subtracted too well does not turn into residuals; less `SLACK`.
    steps : torch.Tensor, on the grid
        Step of the gradient per pixel.
    paces : list of torch.Tensor, each on the grid
        Step of the dual per scale and pixel.
    """

    grid: Grid
    data: torch.Tensor
    weights: torch.Tensor
    penalties: list[torch.Tensor]
    floor: torch.Tensor
    steps: torch.Tensor
    paces: list[torch.Tensor]

    @classmethod
    def pose(
        cls, grid: Grid, data: torch.Tensor, weights: torch.Tensor, noise: torch.Tensor, threshold: float
    ) -> Problem:
        """Work out the noise on each scale, the floor and the steps.

        Parameters
        ----------
        grid : Grid
            For these images.
        data, weights, noise : torch.Tensor, shape (N, C, H, W)
            Images; inverse variance of noise and model, by which they are fitted; inverse variance of the noise
            alone, against which significance is measured.
        threshold : float
            Significance of a coefficient [σ].
        """
        scales = number_of_scales(*grid.size, SCALES)
        penalties = penalties_of(grid, data, noise, scales, threshold)
        typical = torch.where(weights > 0, weights, torch.nan).flatten(-2).nanmedian(-1).values
        slack = SLACK * typical.rsqrt().nan_to_num(0.0)[..., None, None]
        floor = analyse(grid.extend(data), scales)[1].clamp_max(0.0) - slack
        steps = steps_of(grid, weights)
        reaches = [2 ** (scale + 2) - 3 for scale in range(scales)]  # of a detail, in output pixels
        paces = [1.0 / largest_within(steps, reach) for reach in reaches]
        return cls(grid, data, weights, penalties, floor, steps, paces)


def steps_of(grid: Grid, weights: torch.Tensor) -> torch.Tensor:
    """Step per pixel of the sky: 1 / (|B|ᵀ W |B| 1), so that bright, uncertain places are as quick as the rest.

    Notes
    -----
    Separable quadratic surrogate: Erdogan & Fessler 1999, Phys. Med. Biol. 44, 2835. Where nothing is measured the
    curvature is 0; a thousandth of the largest bounds the step there.
    """
    curvature = grid.curvature(weights)
    least = 1e-3 * curvature.amax((-2, -1), keepdim=True)
    return 1.0 / torch.maximum(curvature, least.clamp_min(torch.finfo(curvature.dtype).tiny))


def largest_within(planes: torch.Tensor, reach: int) -> torch.Tensor:
    """Largest value within `reach` pixels along both axes."""
    side = 2 * reach + 1
    wide = F.max_pool2d(planes, (1, side), stride=1, padding=(0, reach))
    return F.max_pool2d(wide, (side, 1), stride=1, padding=(reach, 0))


def penalties_of(
    grid: Grid, data: torch.Tensor, weights: torch.Tensor, scales: int, threshold: float
) -> list[torch.Tensor]:
    """λ per scale: `threshold` times the noise of Φ Bᵀ W x, less where the data exceed it.

    Notes
    -----
    At the optimum of an image of mere noise s is 0 if |Φ Bᵀ W x| stays below λ, so that is where significance is
    measured. White noise of variance 1/W has there the norm of one pixel's response. Noise with correlated pixels
    has more: the scatter on the finest scale, where sources cover least, tells how much, and that factor is
    applied to all scales. A coefficient of r thresholds gets λ / (1 + r), which takes most of the bias off
    what is significant (reweighted l1: Candès, Wakin & Boyd 2008, J. Fourier Anal. Appl. 14, 877).
    """
    spike = data.new_zeros((len(data), 1, *grid.shape))
    spike[..., grid.shape[0] // 2, grid.shape[1] // 2] = 1.0
    responses = analyse(grid.back(spike), scales)[0]
    gains = [response.square().sum((-2, -1), keepdim=True).sqrt() / grid.scale for response in responses]
    levels = grid.extend(torch.maximum(weights, 1e-6 * weights.amax((-2, -1), keepdim=True)))
    seen = analyse(grid.back(weights * data), scales)[0]
    penalties, inflation = [], torch.ones(())
    for scale in range(scales):
        levels = smooth(levels, scale)
        noise = gains[scale] * levels.clamp_min(torch.finfo(levels.dtype).tiny).sqrt()
        if scale == 0:
            scatter = clipped_scatter(grid.crop(seen[0] / noise))
            inflation = scatter.clamp(1.0, MOST_INFLATION)[..., None, None]
        limit = threshold * noise * inflation
        relative = seen[scale].abs() / limit if threshold > 0 else torch.zeros_like(limit)
        penalties.append(limit / (1.0 + relative))
    return penalties


def clipped_scatter(planes: torch.Tensor) -> torch.Tensor:
    """1.4826 × the median absolute deviation of each plane (N, C, H, W) after clipping at 3σ; shape (N, C)."""
    values = planes.flatten(-2)
    scatter = values.new_zeros(values.shape[:-1])
    for _ in range(10):
        centre = values.nanmedian(-1, keepdim=True).values
        scatter = 1.4826 * (values - centre).abs().nanmedian(-1).values
        values = torch.where((values - centre).abs() <= 3.0 * scatter[..., None], values, torch.nan)
    return scatter.nan_to_num(0.0)


def solve(problem: Problem, start: torch.Tensor, iterations: int) -> torch.Tensor:
    """Minimise, and see the result with the output's PSF.

    Parameters
    ----------
    problem : Problem
        What to minimise.
    start : torch.Tensor, shape (N, C, sH, sW)
        First guess.
    iterations : int
        Number of steps.

    Returns
    -------
    torch.Tensor, shape (N, C, sH, sW)

    Notes
    -----
    Accelerated proximal gradient (FISTA: Beck & Teboulle 2009, SIAM J. Imaging Sci. 2, 183), the momentum taken
    away whenever it points uphill (O'Donoghue & Candès 2015, Found. Comput. Math. 15, 715). The proximal step of
    penalty and floor together has no closed form: it takes one step on its dual per iteration, from where the
    last one stopped.
    """
    grid, steps = problem.grid, problem.steps
    sky = torch.maximum(F.pad(start, grid.margins, mode="replicate"), problem.floor)
    ahead, momentum = sky, torch.ones_like(sky[..., :1, :1])
    duals = [torch.zeros_like(sky) for _ in problem.penalties]
    pull = torch.zeros_like(sky)
    for _ in range(iterations):
        residual = grid.predict(ahead) - problem.data
        target = ahead - steps * grid.back(problem.weights * residual)
        details = analyse(torch.maximum(target - pull, problem.floor), len(duals))[0]
        duals = [
            torch.clamp(dual + pace * detail, -limit, limit)
            for dual, pace, detail, limit in zip(
                duals, problem.paces, details, problem.penalties, strict=True
            )
        ]
        if duals:
            pull = steps * adjoint(duals)
        new = torch.maximum(target - pull, problem.floor)
        change = new - sky
        uphill = ((ahead - new) * change / steps).sum((-2, -1), keepdim=True) > 0
        following = 0.5 + (0.25 + momentum**2).sqrt()
        gain = torch.where(uphill, torch.zeros_like(momentum), (momentum - 1.0) / following)
        momentum = torch.where(uphill, torch.ones_like(momentum), following)
        sky, ahead = new, new + gain * change
    return grid.restore(sky)
