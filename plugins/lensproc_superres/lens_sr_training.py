"""How ``lens-sr`` learns: a Gaussian likelihood that sees point sources, and light that must not be lost.

Each image is brought to units of its sky's noise. On the way it may get more noise, another pedestal, or lose its
variance plane, so that the network meets the whole range of what surveys deliver, and files without a plane.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from lensproc.contract.training import Fields, TrainingRecipe, TrainingTask
from lensproc.simulate.samples import sample
from lensproc_superres.lens_sr import SCALE, LensSR, local_scale
from lensproc_superres.lens_sr_stars import bright_stars

if TYPE_CHECKING:
    from lensproc.contract.manifest import Manifest

FIELDS = ("image", "variance", "sharp2", "points2", "fwhm", "sky", "noise")
SCALES = {"image": 1, "variance": 1, "sharp2": SCALE, "points2": SCALE}

EXTRA_NOISE = 2.0
"""Half of the samples get white noise of up to this many times the noise they have."""
PEDESTAL = 0.5
"""Standard deviation of the error of the sky's level [σ]."""
SQUARE = 8
"""Side of the squares in which light is summed [output px]."""
UNKNOWN_VARIANCE = 0.25
"""Share of samples whose variance is replaced by its median, as of a file without a variance plane."""


def task(manifest: Manifest, recipe: TrainingRecipe) -> TrainingTask:
    """Return the training task of ``lens-sr``.

    Parameters
    ----------
    manifest : Manifest
        Of the stage.
    recipe : TrainingRecipe
        ``[network]``: ``width``, ``blocks``, ``fine``. ``[loss]``: ``points`` (weight of point sources over the
        rest), ``flux`` (weight of the light in squares), ``square`` (weight of the squared error), ``beta``,
        ``stars`` (share of samples that get a very bright star).
    """
    spec = {"width": 48, "blocks": 6, "fine": 8} | dict(recipe.network)
    weights = {"points": 4.0, "flux": 0.1, "square": 0.5, "beta": 0.5, "stars": 0.0} | dict(recipe.loss)
    stars = float(weights.pop("stars"))
    return TrainingTask(
        network=LensSR(**spec),
        network_spec=spec,
        sample=functools.partial(sample, fields=FIELDS),
        scales=SCALES,
        prepare=functools.partial(prepare, stars=stars),
        loss=functools.partial(loss, **weights),
        metrics=metrics,
        monitor="score",
        scales_with_light=True,  # the network works in units of `local_scale`, its other inputs end at `BRIGHTEST`
    )


def prepare(batch: Fields, generator: torch.Generator, stars: float = 0.0) -> Fields:
    """Bring a batch to units of its noise, and vary noise, pedestal and what is known of the variance.

    `stars` is the share of samples that get one very bright star (`lens_sr_stars`).
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


def loss(
    network: torch.nn.Module, batch: Fields, points: float, flux: float, square: float, beta: float
) -> dict[str, Tensor]:
    """Likelihood of the truth, squared error in units of the local scale, and light in squares.

    Notes
    -----
    The likelihood is weighted by (σ/L)^2β with no gradient through the weight (β-NLL; Seitzer et al. 2022,
    arXiv:2203.09168): else pixels that are hard from the start are given up.
    """
    image, sigma = network(batch["image"], batch["variance"], batch["fwhm"])
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
    return {"loss": total, **parts}


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
