from __future__ import annotations

import dataclasses
from importlib.resources import files

import numpy as np
import pytest
import torch

from lensproc.contract.stage import Batch, Item
from lensproc.contract.training import TrainingRecipe
from lensproc.cutout import PSF
from lensproc.errors import UsageError
from lensproc.nn.psf import gaussian_psf
from lensproc_denoise import LENS_DENOISE
from lensproc_denoise.lens_denoise import noise_level, stage, training

SIDE, FWHM = 64, 3.0


def noise(correlated: bool = False, n: int = 24) -> np.ndarray:
    """White noise of 1σ, or with neighbours correlated by .4 as in a coadd."""
    rng = np.random.default_rng(11)
    white = rng.normal(size=(n, SIDE + 2, SIDE + 2))
    if not correlated:
        return white[:, 1:-1, 1:-1]
    a = 0.2192  # 2a / (1 + 2a²) = .4
    rows = a * white[:, :-2] + white[:, 1:-1] + a * white[:, 2:]
    return (a * rows[..., :-2] + rows[..., 1:-1] + a * rows[..., 2:]) / (1.0 + 2.0 * a * a)


def star(x: float = 30.3, y: float = 33.6) -> np.ndarray:
    """Gaussian star of flux 1."""
    sigma = FWHM / 2.3548
    axis = np.arange(SIDE)
    column, row = (np.exp(-0.5 * ((axis - place) / sigma) ** 2) for place in (y, x))
    return np.outer(column, row) / (2.0 * np.pi * sigma**2)


def batch(images: np.ndarray, variance: np.ndarray | None, level: float) -> Batch:
    planes = torch.from_numpy(images.astype(np.float32))[:, None]
    stated = None if variance is None else torch.from_numpy(variance.astype(np.float32))[:, None]
    item = Item(psf=PSF(FWHM, gaussian_psf(FWHM)), noise=(level,))
    return Batch(planes, stated, torch.zeros_like(planes, dtype=torch.bool), (item,) * len(images))


@pytest.fixture(scope="module")
def enhance():
    """The stage with the weights that ship."""
    loaded = stage(LENS_DENOISE, LENS_DENOISE.defaults)
    loaded.load(torch.device("cpu"), torch.float32)

    def run(images, variance=None, level=1.0):
        with torch.inference_mode():
            found = loaded.apply(batch(images, variance, level))
        return found.images[:, 0].double().numpy(), found.uncertainty[:, 0].double().numpy()

    yield run
    loaded.close()


def test_another_unit_gives_the_same_image_in_that_unit(enhance):
    images = 10.0 * star() * 30.0 + noise(n=2)
    variance = 1.0 + 0.1 * np.maximum(images, 0.0)
    for factor in (2.0**-30, 64.0):
        here = enhance(images, variance, 1.0)
        there = enhance(factor * images, factor**2 * variance, factor)
        for one, other in zip(here, there, strict=True):
            np.testing.assert_array_equal(factor * one, other)


@pytest.mark.parametrize(("snr", "allowed"), [(5.0, 0.05), (10.0, 0.02), (20.0, 0.01), (50.0, 0.01)])
@pytest.mark.parametrize("correlated", [False, True])
def test_a_star_keeps_its_flux(enhance, snr, allowed, correlated):
    """Paired injection, E(x + star) - E(x), on 24 noisy skies; the SNR is that of a matched filter."""
    sky, template = noise(correlated), star()
    error = ((sky * template).sum((1, 2)) / (template**2).sum()).std()
    difference = enhance(sky + snr * error * template)[0] - enhance(sky)[0]
    flux = (difference * template).sum((1, 2)) / (template**2).sum() / (snr * error)
    spread = flux.std() / np.sqrt(len(flux))
    assert abs(flux.mean() - 1.0) < allowed + 2.0 * spread


def test_most_of_the_noise_of_an_empty_sky_goes(enhance):
    for correlated, left, chi2 in ((False, 0.2, (0.85, 1.15)), (True, 0.3, (0.8, 1.2))):
        sky = noise(correlated)
        image = enhance(sky)[0]
        assert image.std() < left
        assert chi2[0] < np.mean((sky - image) ** 2) < chi2[1]
        assert abs(image.mean() - sky.mean()) < 0.02


def test_what_is_taken_off_is_as_white_as_the_noise(enhance):
    for correlated in (False, True):
        sky = noise(correlated)
        removed = sky - enhance(sky)[0]
        lag = np.mean(removed[:, 1:] * removed[:, :-1]) / np.mean(removed**2)
        assert lag < np.mean(sky[:, 1:] * sky[:, :-1]) + 0.1


def test_more_stated_noise_means_more_is_taken_off(enhance):
    images = 30.0 * star() * 20.0 + noise(n=4)
    half = np.ones_like(images)
    half[..., SIDE // 2 :] = 0.05**2
    removed = np.abs(images - enhance(images, half)[0])
    assert removed[..., 40:].mean() < 0.2 * removed[..., :24].mean()


def test_its_own_errors_are_of_the_size_of_the_errors(enhance):
    sky = noise(True)
    truth = 40.0 * star() * 10.0
    image, uncertainty = enhance(sky + truth)
    inside = np.abs(image - truth) <= 1.645 * uncertainty
    assert 0.7 < inside.mean() < 0.98


def test_without_variance_the_noise_of_the_sky_stands_for_it():
    images = np.zeros((3, 16, 16))
    images[1, 5, 5] = 2.0
    assert noise_level(batch(images, None, 0.0)).flatten().tolist() == pytest.approx([1.0, 2e-4, 1.0])
    assert noise_level(batch(images, None, 3.0)).flatten().tolist() == [3.0, 3.0, 3.0]


def test_a_pixel_without_stated_variance_takes_the_typical_noise(enhance):
    images, variance = noise(n=1), np.ones((1, SIDE, SIDE))
    variance[0, 10:12, 10:12] = 0.0
    assert np.isfinite(enhance(images, variance)[0]).all()
    np.testing.assert_array_equal(enhance(images, variance)[0], enhance(images)[0])


def recipe(name: str = "lens-denoise") -> TrainingRecipe:
    text = (files("lensproc_denoise") / "recipes" / f"{name}.toml").read_text("utf-8")
    return TrainingRecipe.from_toml(text, name)


@pytest.mark.parametrize("name", ["lens-denoise", "lens-denoise-long"])
def test_its_recipes_train_it_within_the_halo(name):
    task = training(LENS_DENOISE, recipe(name))
    assert task.network.reach <= LENS_DENOISE.halo
    assert task.scales == {"truth": 1, "psf": 0}


@pytest.mark.parametrize("change", [{"loss": {"point": 1.0}}, {"network": {"exposures": {"deep": 1}}}])
def test_an_unknown_word_of_a_recipe_is_named(change):
    with pytest.raises(UsageError, match=r"point|deep"):
        training(LENS_DENOISE, dataclasses.replace(recipe(), **change))
