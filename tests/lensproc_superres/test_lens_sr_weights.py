"""lens-sr with the weights that ship: stars and sky whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lensproc.contract.registry import load_registry
from lensproc.contract.stage import Batch, Item
from lensproc.cutout import PSF
from lensproc.nn.forward import forward
from lensproc.nn.psf import gaussian_psf, matching_kernel
from lensproc.simulate.image import simulate
from lensproc.simulate.psf import PSFModel
from lensproc.simulate.recipe import load_recipe
from lensproc.simulate.samples import sample
from lensproc_superres.lens_sr import lens_sr

FWHM, SIDE = 3.4, 49


@pytest.fixture(scope="module")
def stage():
    manifest = load_registry().manifest("lens-sr")
    made = lens_sr(manifest, manifest.defaults)
    made.load(torch.device("cpu"), torch.float32)
    yield made
    made.close()


def run(stage, image: np.ndarray, psf: PSF, variance: np.ndarray | None = None):
    pixels = torch.from_numpy(np.array(image, np.float32))[None, None]
    plane = None if variance is None else torch.from_numpy(np.array(variance, np.float32))[None, None]
    batch = Batch(pixels, plane, torch.zeros_like(pixels, dtype=torch.bool), (Item(psf=psf, noise=(1.0,)),))
    with torch.inference_mode():
        result = stage.apply(batch)
    return result.images[0, 0].numpy(), result.uncertainty[0, 0].numpy()


def stamp(profile: str) -> np.ndarray:
    if profile == "gaussian":
        return gaussian_psf(FWHM, SIDE).astype(np.float64)
    image = PSFModel("moffat", FWHM, 3.0).kernel(1.0, 4)
    half = image.shape[0] // 2
    return np.pad(image, SIDE)[half + SIDE - SIDE // 2 :, half + SIDE - SIDE // 2 :][:SIDE, :SIDE]


@pytest.mark.parametrize("profile", ["gaussian", "moffat"])
@pytest.mark.parametrize("peak", [20.0, 300.0, 3000.0])
def test_a_star_of_any_brightness_keeps_its_flux_and_leaves_no_hole(stage, profile, peak):
    psf = stamp(profile)
    light = psf * peak / psf.max()
    variance = 1.0 + 0.1 * light
    noise = np.random.default_rng(3).normal(size=light.shape) * np.sqrt(variance)
    image, _ = run(stage, light + noise, PSF(FWHM, psf.astype(np.float32)), variance)
    y, x = np.indices(image.shape)
    near = np.hypot(y - image.shape[0] / 2 + 0.5, x - image.shape[1] / 2 + 0.5) < 2 * 2.5 * FWHM
    expected = float((light + noise)[near[::2, ::2]].sum())
    error = float(np.sqrt(variance[near[::2, ::2]].sum()))
    assert float(image[near].sum()) / 4 == pytest.approx(expected, abs=3.0 * error + 0.02 * expected)
    # light is not negative; its noise is that of the pixels around
    assert float(image.min()) > -0.03 * peak - 6.0


def test_the_sky_is_smooth_and_its_residual_is_the_noise(stage):
    noise = np.random.default_rng(5).normal(size=(64, 64))
    psf = PSF(FWHM, gaussian_psf(FWHM))
    image, sigma = run(stage, noise, psf, np.ones_like(noise))
    kernel = torch.from_numpy(np.array(matching_kernel(psf, 0.5, 2)))[None]
    again = forward(torch.from_numpy(image)[None, None], kernel, 2, "surface brightness")[0, 0].numpy()
    chi2 = float(((noise - again) ** 2).mean())
    assert image.std() < 0.3
    assert 0.8 < chi2 < 1.1
    assert 0.02 < float(np.median(sigma)) < 0.5


def test_a_lens_comes_out_nearer_to_the_truth_than_an_interpolation_by_ten_decibels(stage):
    """HSC lenses of the split that no training saw, against the sky behind half the width."""
    gains = []
    for index in range(4):
        sim = simulate(load_recipe("quasars"), 4321, "test", index)
        fields = sample(sim, ("image", "variance", "sharp2", "psf", "fwhm", "sky", "noise"))
        noise, sky = fields["noise"], fields["sky"]
        seen = (fields["image"] - sky) / noise
        image, _ = run(
            stage, seen, PSF(fields["fwhm"], fields["psf"]), np.asarray(fields["variance"]) / noise**2
        )
        truth = (fields["sharp2"] - sky) / noise
        plain = torch.nn.functional.interpolate(
            torch.from_numpy(seen)[None, None], scale_factor=2, mode="bicubic"
        )
        errors = (float(((other - truth) ** 2).mean()) for other in (plain[0, 0].numpy(), image))
        before, after = errors
        gains.append(10.0 * np.log10(before / after))
    assert np.mean(gains) > 10.0
