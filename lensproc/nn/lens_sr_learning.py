"""What teaches the network of `lensproc.nn.lens_sr`: batches in units of their noise, and what it has to lose.

Each image is brought to units of its sky's noise. On the way it may get more noise, another pedestal, or lose its
variance plane, so that the network meets the whole range of what surveys deliver, and files without a plane.

A Gaussian likelihood sees point sources, light must not be lost, and the response of point sources to a matched
filter and their fluxes may count too.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from lensproc.nn.bright_stars import bright_stars
from lensproc.nn.lens_sr import NARROWER, SCALE, local_scale
from lensproc.nn.point_losses import aperture_loss, gaussian_stamps, response_loss

Fields = dict[str, Tensor]

FIELDS = ("image", "variance", "sharp2", "points2", "fwhm", "sky", "noise")
"""What a sample has to have."""
SCALES = {"image": 1, "variance": 1, "sharp2": SCALE, "points2": SCALE}

EXTRA_NOISE = 2.0
"""Half of the samples get white noise of up to this many times the noise they have."""
PSF_SIDE = 25
"""Side of the output's PSF in the loss of the matched response [output px]."""
PEDESTAL = 0.5
"""Standard deviation of the error of the sky's level [σ]."""
SQUARE = 8
"""Side of the squares in which light is summed [output px]."""
UNKNOWN_VARIANCE = 0.25
"""Share of samples whose variance is replaced by its median, as of a file without a variance plane."""


def prepare(batch: Fields, generator: torch.Generator, stars: float = 0.0) -> Fields:
    """Bring a batch to units of its noise, and vary noise, pedestal and what is known of the variance.

    `stars` is the share of samples that get one very bright star (`lensproc.nn.bright_stars`).
    """
    image, stated, truth, points = (
        batch[name][:, None].float() for name in ("image", "variance", "sharp2", "points2")
    )
    n, device = image.shape[0], image.device
    noise = _column(batch["noise"])
    sky = _column(batch["sky"])

    def uniform() -> Tensor:
        return torch.rand((n, 1, 1, 1), generator=generator, device=device)

    pedestal = PEDESTAL * torch.randn((n, 1, 1, 1), generator=generator, device=device)
    extra = EXTRA_NOISE * (uniform() - 0.5).clamp(min=0.0) * 2.0
    grown = torch.sqrt(1.0 + extra**2)
    white = torch.randn(image.shape, generator=generator, device=device)
    variance = stated / noise**2
    noisy = (image - sky) / noise + extra * torch.sqrt(variance) * white
    middle = variance.flatten(1).median(dim=1).values[:, None, None, None]
    unknown = uniform() < UNKNOWN_VARIANCE
    variance = torch.where(unknown, middle.expand_as(variance), variance)
    made = {
        "image": noisy / grown + pedestal,
        "variance": variance,
        "truth": (truth - sky) / noise / grown + pedestal,
        "points": points,
        "fwhm": _column(batch["fwhm"]),
    }
    if stars > 0.0:
        star, photons, sharp = bright_stars(made["fwhm"], image.shape[-1], SCALE, stars, generator)
        white = torch.randn(image.shape, generator=generator, device=device)
        made["image"] = made["image"] + star + torch.sqrt(photons) * white
        made["truth"] = made["truth"] + sharp
        made["variance"] = variance + torch.where(unknown, torch.zeros_like(photons), photons)
    made["variance"] = made["variance"].clamp(min=1e-4)
    return made


def _column(values: Tensor) -> Tensor:
    return values.float()[:, None, None, None]


def loss(network: torch.nn.Module, batch: Fields, **weights: float) -> dict[str, Tensor]:
    """Return ``loss`` of a batch and its parts; `weights` as of `image_loss`."""
    image, sigma = network(batch["image"], batch["variance"], batch["fwhm"])
    return image_loss(image, sigma, batch, **weights)


def image_loss(
    image: Tensor,
    sigma: Tensor,
    batch: Fields,
    points: float,
    flux: float,
    square: float,
    beta: float,
    response: float = 0.0,
    apertures: float = 0.0,
) -> dict[str, Tensor]:
    """Likelihood of the truth, squared error in units of the local scale, light in squares, and point sources.

    Parameters
    ----------
    image, sigma : Tensor, shape (N, 1, 2H, 2W)
        What the network made.
    batch : mapping of str to Tensor
        Of `prepare`.
    points : float
        Weight of the pixels of point sources over the rest.
    flux, square, beta, response, apertures : float
        Weights of the light in squares and of the squared error; power of the likelihood's weight; weights of the
        matched response and of the fluxes of known point sources (`lensproc.nn.point_losses`), not computed at 0.

    Notes
    -----
    The likelihood is weighted by (σ/L)^2β with no gradient through the weight (β-NLL; Seitzer et al. 2022,
    arXiv:2203.09168): else pixels that are hard from the start are given up.
    """
    scale = fine_scale(batch)
    error = image - batch["truth"]
    weight = 1.0 + points * batch["points"]
    likelihood = 0.5 * (error / sigma) ** 2 + torch.log(sigma / scale)
    likelihood = likelihood * (sigma / scale).detach() ** (2.0 * beta)
    squared = (error / scale) ** 2
    light = functional.avg_pool2d(error, SQUARE) ** 2 / functional.avg_pool2d(scale**2, SQUARE)
    light = functional.avg_pool2d(weight, SQUARE) * light * (SQUARE / SCALE) ** 2
    parts = {
        "likelihood": (weight * likelihood).mean(),
        "square": (weight * squared).mean(),
        "light": light.mean(),
    }
    total = parts["likelihood"] + square * parts["square"] + flux * parts["light"]
    if response:
        fwhm, noise = _fine(batch)
        parts["response"] = response_loss(image, batch["truth"], gaussian_stamps(fwhm, PSF_SIDE), noise)
        total = total + response * parts["response"]
    if apertures:
        fwhm, noise = _fine(batch)
        parts["apertures"] = aperture_loss(image, batch["truth"], batch["points"], fwhm, noise)
        total = total + apertures * parts["apertures"]
    return {"loss": total, **parts}


def _fine(batch: Fields) -> tuple[Tensor, Tensor]:
    """FWHM [output px] and noise [noise of the input] on the pixels of the output, each of shape (N,)."""
    fwhm = SCALE * NARROWER * batch["fwhm"].flatten()
    return fwhm, torch.full_like(fwhm, float(SCALE))


def metrics(network: torch.nn.Module, batch: Fields) -> dict[str, Tensor]:
    """Give the squared error against the truth and against what bicubic makes, both in units of L."""
    image, sigma = network(batch["image"], batch["variance"], batch["fwhm"])
    scale = fine_scale(batch)
    error = image - batch["truth"]
    squared = (error / scale) ** 2
    spread = (error / sigma).flatten(1).std(dim=1).mean()
    near = batch["points"] > 0.5
    point = squared[near].mean() if bool(near.any()) else squared.new_zeros(())
    log_error = torch.log10(squared.flatten(1).mean(1) + 1e-9).mean()
    nll = (0.5 * (error / sigma) ** 2 + torch.log(sigma / scale)).mean()
    return {"score": nll, "log_error": log_error, "point": point, "spread": spread}


def fine_scale(batch: Fields) -> Tensor:
    """Local scale on the pixels of the output."""
    return functional.interpolate(local_scale(batch["image"], batch["variance"]), scale_factor=SCALE)
