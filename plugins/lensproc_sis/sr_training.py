"""How ``sis-sr`` learns: a source made of some pixels of an image has to tell the others.

No sharper and no noise-free image is shown, and no lens is told: pixels that were left out when the source was
made have noise of their own, so that a source which tells them best is one without noise (Batson & Royer 2019,
ICML (arXiv:1901.11365), proposition 1).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch

from lensproc.contract.training import Fields, TrainingTask, require_known
from lensproc.errors import UsageError
from lensproc.nn.forward import forward
from lensproc.nn.lensing import Grid
from lensproc.nn.psf import sampling_kernel
from lensproc.nn.spec import full_spec
from lensproc.simulate.samples import sample
from lensproc_sis.explained import behind, bent
from lensproc_sis.lens_weights import SIS, lens_weights
from lensproc_sis.measure import Cutouts
from lensproc_sis.relensed import SCALE, Relensed
from lensproc_sis.sis_sr import build

if TYPE_CHECKING:
    from lensproc.contract.manifest import Manifest
    from lensproc.contract.training import TrainingRecipe

FIELDS = ("image", "variance", "fwhm", "sky", "noise")
"""All that is asked of a sample: what a survey delivers."""


@dataclass(frozen=True)
class Shares:
    """How pixels are dealt, and what compactness weighs.

    Parameters
    ----------
    fewest, most : float
        Part of the pixels that a source is made of, drawn evenly between; the others have to be told by it.
    compact : float
        Weight of the second moment of the source about its centroid [θ_E²].
    known : float
        Error of a pixel as a share of its light, so that bright pixels do not decide alone.
    """

    fewest: float = 0.5
    most: float = 0.95
    compact: float = 0.05
    known: float = 0.02

    def __post_init__(self) -> None:
        values = [getattr(self, field.name) for field in dataclasses.fields(self)]
        fits = all(isinstance(v, int | float) and not isinstance(v, bool) and v >= 0 for v in values)
        if not fits or not 0 < self.fewest <= self.most < 1:
            raise UsageError(
                f"[loss] {dataclasses.asdict(self)} does not fit",
                remedy="numbers from 0, and 0 < fewest <= most < 1",
            )


def prepare(batch: Fields, generator: torch.Generator, shares: Shares) -> Fields:
    """Bring images to units of their noise, and deal their pixels.

    Returns
    -------
    dict of torch.Tensor
        ``image`` and ``variance`` (N, 1, H, W) in σ of the sky, ``used`` (N, 1, H, W): 1 for pixels that make the
        source; ``fwhm`` (N,) [px].
    """
    noise = batch["noise"].float()[:, None, None, None]
    image = (batch["image"].float()[:, None] - batch["sky"].float()[:, None, None, None]) / noise
    part = torch.rand(len(image), generator=generator, device=image.device)
    part = (shares.fewest + (shares.most - shares.fewest) * part)[:, None, None, None]
    used = torch.rand(image.shape, generator=generator, device=image.device) < part
    variance = (batch["variance"].float()[:, None] / noise**2).clamp(min=1e-4)
    return {"image": image, "variance": variance, "used": used.float(), "fwhm": batch["fwhm"].float()}


def told(
    network: Relensed, batch: Fields, shares: Shares, *, learnt: bool = True
) -> tuple[torch.Tensor, torch.Tensor]:
    """How well sources tell the pixels that they were not made of, and how compact they are.

    Returns
    -------
    chi2 : torch.Tensor, shape (N,)
        Mean square of (image − relensed source) over its error at these pixels, about 1 at best.
    extent : torch.Tensor, shape (N,)
        Second moment of the source about its centroid [θ_E²].
    """
    image, used = batch["image"], batch["used"]
    height, width = image.shape[-2:]
    number = image.new_ones(len(image))
    middle = number * (width - 1) / 2, number * (height - 1) / 2
    cutouts = Cutouts(image, torch.ones_like(image), batch["fwhm"], *middle, number * max(height, width) / 2)
    with torch.no_grad():
        measured = network.measured(cutouts, views=1)
    with torch.autocast(image.device.type, enabled=False):
        weights = used / batch["variance"]
        fine, source, plane = network(image, weights, measured, batch["fwhm"], learnt=learnt)
        kernel = torch.tensor(sampling_kernel(SCALE), dtype=image.dtype, device=image.device)[None]
        again = forward(fine, kernel, SCALE, "surface brightness")
        _, beta = bent(measured, height, width)
        asked = (1.0 - used) * behind(beta, measured.lens[:, 0])
        error = batch["variance"] + (shares.known * image.clamp(min=0.0)) ** 2
        square = asked * (image - again) ** 2 / error
        chi2 = square.sum((1, 2, 3)) / asked.sum((1, 2, 3)).clamp_min(1.0)
        return chi2, extent_of(source, plane, measured.lens[:, 0])


def extent_of(source: torch.Tensor, plane: Grid, radius: torch.Tensor) -> torch.Tensor:
    """Second moment (N,) of the light of source planes (N, 1, S, S) about its centroid [θ_E²]."""
    at = plane.positions() / radius.detach()[:, None, None, None]
    light = source.clamp_min(0.0)
    light = light / light.sum((1, 2, 3), keepdim=True).clamp_min(1e-6)
    centroid = (light * at).sum((2, 3), keepdim=True)
    return (light * (at - centroid) ** 2).sum((1, 2, 3))


def loss(network: torch.nn.Module, batch: Fields, shares: Shares) -> dict[str, torch.Tensor]:
    """Loss of a batch of `prepare`: the mean of ln χ², so that no bright image decides alone, and compactness."""
    assert isinstance(network, Relensed)
    chi2, extent = told(network, batch, shares)
    logarithm = torch.log(chi2.clamp_min(1e-3)).mean()
    return {
        "loss": logarithm + shares.compact * extent.mean(),
        "log_chi2": logarithm,
        "extent": extent.mean(),
    }


def metrics(network: torch.nn.Module, batch: Fields, shares: Shares) -> dict[str, torch.Tensor]:
    """Return ``loss``, and the mean ln χ² of what was learnt and of sources as they are without it."""
    assert isinstance(network, Relensed)
    parts = loss(network, batch, shares)
    plain, _ = told(network, batch, shares, learnt=False)
    return {**parts, "log_chi2_unlearnt": torch.log(plain.clamp_min(1e-3)).mean()}


def training(manifest: Manifest, recipe: TrainingRecipe) -> TrainingTask:
    """Describe the training.

    Parameters
    ----------
    recipe : TrainingRecipe
        ``[network]``: ``sis``, a file of weights of the stage ``sis``, by default those that ship; parameters of
        `Relensed`. ``[loss]``: fields of `Shares`.

    Raises
    ------
    UsageError
        For entries that there are not, or values that do not fit.
    WeightsError
        Where the weights of ``sis`` are missing or another stage's.
    """
    require_known(recipe.loss, [field.name for field in dataclasses.fields(Shares)])
    shares = Shares(**recipe.loss)
    rest = {name: value for name, value in recipe.network.items() if name != SIS}
    if "lens" in rest:
        raise UsageError(
            f"training recipe {recipe.name}: [network] lens is what the weights of {SIS} say",
            remedy=f"name other weights: [network] {SIS} = FILE",
        )
    weights = lens_weights(recipe)
    spec = full_spec(Relensed, {**rest, "lens": weights.metadata["network"], SIS: weights.sha256})
    network = build(spec)
    network.lens.load_state_dict(weights.state)
    return TrainingTask(
        network=network,
        network_spec=spec,
        sample=partial(sample, fields=FIELDS),
        scales={"image": 1, "variance": 1},
        prepare=partial(prepare, shares=shares),
        loss=partial(loss, shares=shares),
        metrics=partial(metrics, shares=shares),
        scales_with_light=True,
    )
