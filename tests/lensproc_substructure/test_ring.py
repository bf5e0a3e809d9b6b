"""How the ring is looked at, and what training does to it: known noise, known frames."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from lensproc.errors import UsageError
from lensproc.simulate.image import simulate
from lensproc.simulate.recipe import load_recipe
from lensproc_substructure.padded import padded_sample
from lensproc_substructure.ring_augmentation import RingAugmentation, gaussians
from lensproc_substructure.substructure import inside, look


def annulus(height: int, width: int, x: float, y: float, radius: float) -> torch.Tensor:
    """A ring of 100 σ with a Gaussian profile of σ = 2 px, shape (1, 1, height, width)."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    distance = torch.hypot(columns - x, rows - y)
    return 100.0 * torch.exp(-0.5 * ((distance - radius) / 2.0) ** 2)[None, None]


def test_coarser_pixels_give_nearly_the_same_look() -> None:
    fine = annulus(120, 120, 59.5, 59.5, 24.0)
    coarse = torch.nn.functional.avg_pool2d(fine, 2)
    width = torch.tensor([2.0])
    first, second = (look(image, w, 48)[0][:, 0] for image, w in ((fine, width), (coarse, width / 2)))
    assert (first - second).abs().max().item() < 0.1  # in units of the brightest pixel


def test_blurred_and_noisier_images_are_in_units_of_their_own_noise() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn((64, 1, 60, 60), generator=generator)
    every = RingAugmentation(blur=1.2, noise=2.5, share=1.0, unknown=0.0)
    images, fwhm = every.degrade(noise, torch.full((64,), 2.0), generator)
    inner = images[:, :, 6:-6, 6:-6]
    assert inner.std((1, 2, 3)).numpy() == pytest.approx(np.ones(64), abs=0.06)
    largest = math.hypot(2.0, 1.2 * math.sqrt(8 * math.log(2)))
    assert 2.0 < fwhm.min() < fwhm.max() <= largest + 1e-5


def test_what_is_not_to_be_varied_stays() -> None:
    image = annulus(40, 40, 20.0, 20.0, 9.0)
    images, fwhm = RingAugmentation(share=0.0, unknown=0.0).degrade(
        image, torch.tensor([2.5]), torch.Generator().manual_seed(1)
    )
    assert torch.allclose(images, image, atol=1e-5)
    assert fwhm.item() == pytest.approx(2.5)
    untold = RingAugmentation(share=0.0, unknown=1.0).degrade(
        image, torch.tensor([2.5]), torch.Generator().manual_seed(1)
    )
    assert untold[1].item() == 0.0


def test_a_kernel_without_width_is_a_single_one() -> None:
    kernels = gaussians(torch.tensor([0.0, 1.0]))
    assert kernels[0].tolist() == [0.0] * 4 + [1.0] + [0.0] * 4
    assert kernels.sum(1).tolist() == pytest.approx([1.0, 1.0])


def test_a_frame_is_sky_around_the_image_and_says_where_the_image_is() -> None:
    sim = simulate(load_recipe("deeplense-2"), seed=5, split="val", index=0)
    fields = padded_sample(sim, side=91)
    assert fields["image"].shape == (91, 91)
    assert fields["inside"] == 64
    np.testing.assert_array_equal(fields["image"][13:77, 13:77], sim.exposure.data)
    mask = inside({"image": torch.from_numpy(fields["image"])[None], "inside": torch.tensor([64])})[0, 0] > 0
    assert mask.sum() == 64 * 64
    assert mask[13:77, 13:77].all()
    beyond = fields["image"][~mask.numpy()]
    assert (beyond == np.float32(fields["sky"])).all()


def test_an_image_larger_than_the_frame_is_refused() -> None:
    sim = simulate(load_recipe("deeplense-2"), seed=5, split="val", index=0)
    with pytest.raises(UsageError, match="64 px do not fit a frame of 60 px"):
        padded_sample(sim, side=60)
