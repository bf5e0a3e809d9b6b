"""The last step of trained enhancers: lost light comes back, invented light goes, noise is not copied."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from lensproc.cutout import PSF
from lensproc.nn.consistency import Consistency, consistent, matched_significance
from lensproc.nn.forward import forward
from lensproc.nn.psf import gaussian_psf, matching_kernel, psf_image

SIDE, FWHM, SCALE = 48, 3.6, 2
STAR = PSF(FWHM)
KERNEL = torch.from_numpy(np.array(matching_kernel(STAR, 0.5, SCALE)))[None]
STAMP = torch.from_numpy(np.array(psf_image(STAR, 33)))[None]
ERROR = float(1.0 / torch.sqrt((STAMP**2).sum()))
"""Photon error of a star's flux on a sky of noise 1."""


def star(x: float, y: float, flux: float) -> Tensor:
    """Star on the fine grid behind half the PSF's width, as surface brightness; x and y in input pixels."""
    from scipy.ndimage import shift

    image = np.zeros((SCALE * SIDE, SCALE * SIDE))
    stamp = gaussian_psf(FWHM * SCALE * 0.5)
    half = stamp.shape[0] // 2
    middle = SCALE * SIDE // 2
    image[middle - half : middle + half + 1, middle - half : middle + half + 1] = stamp
    moved = shift(image, (SCALE * (y + 0.5) - 0.5 - middle, SCALE * (x + 0.5) - 0.5 - middle), order=5)
    return torch.from_numpy(flux * SCALE**2 * moved).float()[None, None]


def observe(truth: Tensor, seed: int = 0) -> Tensor:
    noise = torch.randn((1, 1, SIDE, SIDE), generator=torch.Generator().manual_seed(seed))
    return forward(truth, KERNEL, SCALE, "surface brightness") + noise


def corrected(image: Tensor, observed: Tensor, settings: Consistency | None = None) -> Tensor:
    ones, fwhm = torch.ones_like(observed), torch.tensor([FWHM])
    return consistent(image, observed, ones, KERNEL, STAMP, fwhm, SCALE, settings or Consistency())


def forced_flux(image: Tensor, x: int, y: int) -> float:
    """Flux of a star by a fit of the PSF, on the input's pixels."""
    patch = image[0, 0, y - 16 : y + 17, x - 16 : x + 17]
    return float((patch * STAMP[0]).sum() / (STAMP**2).sum())


@pytest.mark.parametrize("snr", [10.0, 20.0, 50.0])
def test_an_erased_source_comes_back(snr: float) -> None:
    flux = snr * ERROR
    observed = observe(star(24, 22, flux))
    result = corrected(torch.zeros(1, 1, 2 * SIDE, 2 * SIDE), observed)
    found = forced_flux(forward(result, KERNEL, SCALE, "surface brightness"), 24, 22)
    assert found == pytest.approx(forced_flux(observed, 24, 22), rel=0.1)


def test_an_invented_source_goes() -> None:
    flux = 20.0 * ERROR
    observed = observe(torch.zeros(1, 1, 2 * SIDE, 2 * SIDE))
    result = corrected(star(20, 27, flux), observed)
    left = forced_flux(forward(result, KERNEL, SCALE, "surface brightness"), 20, 27)
    assert abs(left) < 3.0 * ERROR  # what is less cannot be told from noise


def test_total_flux_becomes_that_of_the_input() -> None:
    truth = star(24, 24, 200.0 * ERROR)
    observed = observe(truth)
    result = corrected(0.92 * truth + 0.1, observed)
    difference = forward(result, KERNEL, SCALE, "surface brightness").sum() - observed.sum()
    assert abs(float(difference)) < SIDE  # the photon error of the sum is SIDE


def test_truth_stays_and_no_noise_is_copied() -> None:
    truth = star(24, 24, 50.0 * ERROR)
    changes, chi2 = [], []
    for seed in range(8):
        observed = observe(truth, seed)
        result = corrected(truth, observed)
        residual = observed - forward(result, KERNEL, SCALE, "surface brightness")
        changes.append(float((result - truth)[..., :24, :].std()))
        chi2.append(float((residual**2).mean()))
    assert np.mean(changes) < 0.1  # σ of an input pixel; an interpolation copies about .8
    assert 0.9 < np.mean(chi2) < 1.02


def test_with_light_it_follows_the_input_at_every_source() -> None:
    """The flux of H y is the input's then, noise and all."""
    settings = Consistency(light=(3.0, 5.0))
    truth = star(24, 24, 30.0 * ERROR)
    fluxes = []
    for seed in range(6):
        observed = observe(truth, seed)
        result = forward(corrected(0.9 * truth, observed, settings), KERNEL, SCALE, "surface brightness")
        fluxes.append(forced_flux(result, 24, 24) - forced_flux(observed, 24, 24))
    assert abs(np.mean(fluxes)) < 0.1 * ERROR


def test_gradients_reach_the_image() -> None:
    observed = observe(star(24, 24, 30.0 * ERROR))
    image = torch.zeros(1, 1, 2 * SIDE, 2 * SIDE, requires_grad=True)
    corrected(image, observed).sum().backward()
    assert image.grad is not None
    assert torch.isfinite(image.grad).all()
    # what the image lacks in flux is put back, so its own flux no longer matters
    assert abs(float(image.grad.mean())) < 0.05


def test_significance_is_flux_over_its_error() -> None:
    observed = forward(star(24, 24, 12.0 * ERROR), KERNEL, SCALE, "surface brightness")
    found = matched_significance(observed, torch.ones_like(observed), STAMP)
    assert float(found[0, 0, 24, 24]) == pytest.approx(12.0, rel=0.02)
    halved = matched_significance(observed, 4.0 * torch.ones_like(observed), STAMP)
    assert float(halved[0, 0, 24, 24]) == pytest.approx(6.0, rel=0.02)
