"""Exposures drawn anew for every training step: depth, stars, noise, what the file says of it, bad pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from lensproc.contract.training import Fields


@dataclass(frozen=True)
class Drawing:
    """What exposures are like.

    Parameters
    ----------
    depth : (float, float)
        Range of the signal-to-noise relative to the simulated one; the exposure time goes as its square.
    stars : int
        Stars put into every window.
    star_snr : (float, float)
        Range of their flux over the error of a matched filter.
    correlation : float
        Largest correlation of the noise of neighbouring pixels.
    """

    depth: tuple[float, float] = (0.2, 5.0)
    stars: int = 3
    star_snr: tuple[float, float] = (2.0, 80.0)
    correlation: float = 0.5


def draw_exposures(batch: Fields, generator: torch.Generator, drawing: Drawing) -> Fields:
    """Take every sky of a batch twice, with noise that has nothing in common.

    Parameters
    ----------
    batch : dict of torch.Tensor
        Fields of `lensproc_denoise.samples.exposure_parts`.
    generator : torch.Generator
        On the device of the batch.
    drawing : Drawing
        What exposures are like.

    Returns
    -------
    dict of torch.Tensor
        ``image`` (2N, 1, H, W): first takes, then second ones; ``truth``, ``sigma`` (true noise), ``stated`` (the
        noise map of the file), ``mask`` (N, 1, H, W); ``level`` (N, 1, 1, 1); ``star`` (N, K, H, W): each star
        with flux 1; ``star_error`` (N, K): error of its flux.

    Notes
    -----
    As `lensproc.simulate.noise.observe`, with Gaussians in place of Poisson numbers: the variance grows with the
    light, and deviations are convolved with (a, 1, a)/√(1 + 2a²) along each axis.
    """
    draw = Drawer(generator, batch["truth"].device)
    n, height, width = batch["truth"].shape[0], *batch["truth"].shape[-2:]
    factor = draw.between(*drawing.depth, (n, 1, 1, 1))
    truth = batch["truth"].reshape(n, 1, height, width) * factor
    photon = batch["photon"].reshape(n, 1, 1, 1).to(truth) / factor
    weights = coadd_weights(draw.chosen(0.7, n) * drawing.correlation * draw.uniform((n,)))
    sky = draw.uneven_sky(n, height, width)

    star, error = place_stars(
        batch["psf"].reshape(n, -1, *batch["psf"].shape[-2:]), weights, height, width, drawing, draw
    )
    snr = draw.between(*drawing.star_snr, error.shape)
    local = (sky + photon * truth.clamp_min(0.0)).sqrt()
    at_star = (star * local).sum((2, 3)) / star.sum((2, 3)).clamp_min(1e-6)
    error = error * at_star
    truth = truth + (star * (snr * error)[..., None, None]).sum(1, keepdim=True)

    variance = sky + photon * truth.clamp_min(0.0)
    wide = F.pad(variance.sqrt(), (1, 1, 1, 1), mode="replicate")
    takes = [truth + separable(wide * draw.normal(wide.shape), weights) for _ in range(2)]
    image = torch.cat(takes)
    kind = draw.uniform((n, 1, 1, 1)).repeat(2, 1, 1, 1)
    total = torch.cat([torch.maximum(sky + photon * take, 0.2 * sky) for take in takes])
    level = sky.flatten(1).median(1).values.reshape(n, 1, 1, 1)
    both = {name: plane.repeat(2, 1, 1, 1) for name, plane in {"sky": sky, "level": level}.items()}
    stated = torch.where(
        kind < 0.5, total, torch.where(kind < 0.85, both["sky"], both["level"].expand_as(total))
    )
    wrong = torch.exp(2.0 * 0.05 * draw.normal((n, 1, 1, 1))).repeat(2, 1, 1, 1)
    stated = stated * wrong
    pedestal = 0.1 * level.sqrt() * draw.normal((n, 1, 1, 1))
    mask = draw.bad_pixels(n, height, width)
    return {
        "image": image + pedestal.repeat(2, 1, 1, 1),
        "truth": truth + pedestal,
        "sigma": variance.sqrt(),
        "stated": stated.sqrt(),
        "level": (both["level"] * wrong).sqrt(),
        "mask": mask,
        "star": star,
        "star_error": error,
    }


@dataclass(frozen=True)
class Drawer:
    """Random numbers of one generator, on one device."""

    generator: torch.Generator
    device: torch.device

    def uniform(self, shape: tuple[int, ...]) -> torch.Tensor:
        """Numbers from 0 to 1."""
        return torch.rand(shape, generator=self.generator, device=self.device)

    def normal(self, shape: tuple[int, ...]) -> torch.Tensor:
        """Gaussian numbers."""
        return torch.randn(shape, generator=self.generator, device=self.device)

    def between(self, low: float, high: float, shape: tuple[int, ...]) -> torch.Tensor:
        """Numbers from `low` to `high`, even in their logarithm."""
        return low * torch.exp(math.log(high / low) * self.uniform(shape))

    def chosen(self, share: float, n: int) -> torch.Tensor:
        """1 for a `share` of items, else 0."""
        return (self.uniform((n,)) < share).float()

    def uneven_sky(self, n: int, height: int, width: int) -> torch.Tensor:
        """Variance of the sky: 1, and in one image of four another value beyond an edge, as between dithers."""
        angle = 2.0 * math.pi * self.uniform((n, 1, 1))
        y = torch.arange(height, device=self.device).view(1, -1, 1) / height - 0.5
        x = torch.arange(width, device=self.device).view(1, 1, -1) / width - 0.5
        beyond = torch.cos(angle) * x + torch.sin(angle) * y > 0.6 * (self.uniform((n, 1, 1)) - 0.5)
        step = self.between(0.25, 4.0, (n, 1, 1)) ** self.chosen(0.25, n).view(n, 1, 1)
        return torch.where(beyond, step, torch.ones_like(step))[:, None]

    def bad_pixels(self, n: int, height: int, width: int) -> torch.Tensor:
        """1 at bad pixels: in one image of three, spots of 1 to 3 px in a thousandth of the places."""
        seeds = (self.uniform((n, 1, height, width)) < 1e-3).float() * self.chosen(0.33, n).view(n, 1, 1, 1)
        return F.max_pool2d(seeds, 3, stride=1, padding=1) if float(self.uniform((1,))) < 0.5 else seeds


def coadd_weights(correlation: torch.Tensor) -> torch.Tensor:
    """Kernels (a, 1, a)/√(1 + 2a²), shape (N, 3), which give neighbours of white noise the `correlation` (N,)."""
    safe = correlation.clamp_min(1e-3)
    a = torch.where(
        correlation > 1e-3, (1.0 - torch.sqrt(1.0 - 2.0 * safe**2)) / (2.0 * safe), torch.zeros_like(safe)
    )
    return torch.stack([a, torch.ones_like(a), a], 1) / torch.sqrt(1.0 + 2.0 * a * a)[:, None]


def separable(images: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Convolve images (N, C, H, W) along both axes with kernels (N, 3); shape (N, C, H - 2, W - 2)."""
    before, middle, after = weights.T[..., None, None, None]
    rows = before * images[..., :-2, :] + middle * images[..., 1:-1, :] + after * images[..., 2:, :]
    result: torch.Tensor = before * rows[..., :-2] + middle * rows[..., 1:-1] + after * rows[..., 2:]
    return result


def place_stars(
    psf: torch.Tensor, weights: torch.Tensor, height: int, width: int, drawing: Drawing, draw: Drawer
) -> tuple[torch.Tensor, torch.Tensor]:
    """Stars of flux 1 at random places, and the errors of their fluxes where the noise of a pixel is 1.

    Parameters
    ----------
    psf : torch.Tensor, shape (N, 1, k, k)
        Effective PSFs.
    weights : torch.Tensor, shape (N, 3)
        What correlates the noise.

    Returns
    -------
    star : torch.Tensor, shape (N, K, height, width)
        One star each.
    error : torch.Tensor, shape (N, K)
        1σ of the flux Σ S x / Σ S² that a matched filter gives.
    """
    n, count, half = len(psf), drawing.stars, psf.shape[-1] // 2
    shift = (draw.uniform((n, count, 2)) - 0.5).reshape(-1, 2)
    stamps = shifted(psf.repeat_interleave(count, 0), shift)
    noise = separable(F.pad(stamps, (2, 2, 2, 2)), weights.repeat_interleave(count, 0))
    error = noise.pow(2).sum((1, 2, 3)).sqrt() / stamps.pow(2).sum((1, 2, 3))
    margin = 4
    extent = torch.tensor([height - 2 * margin, width - 2 * margin], device=psf.device)
    places = (margin + draw.uniform((n * count, 2)) * extent).long().tolist()
    canvas = psf.new_zeros((n * count, height + 2 * half, width + 2 * half))
    for i, (row, column) in enumerate(places):
        canvas[i, row : row + 2 * half + 1, column : column + 2 * half + 1] = stamps[i, 0]
    star = canvas[:, half : half + height, half : half + width]
    return star.reshape(n, count, height, width), error.reshape(n, count)


def shifted(stamps: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """PSF stamps (N, 1, k, k) moved by (x, y) [px], by bicubic interpolation."""
    side = stamps.shape[-1]
    theta = torch.zeros((len(stamps), 2, 3), device=stamps.device)
    theta[:, 0, 0] = theta[:, 1, 1] = 1.0
    theta[:, :, 2] = -2.0 * shift / side
    grid = F.affine_grid(theta, list(stamps.shape), align_corners=False)
    moved: torch.Tensor = F.grid_sample(stamps, grid, mode="bicubic", align_corners=False)
    return moved
