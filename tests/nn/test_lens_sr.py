"""The network of lens-sr: what it starts from, what its training shows it, and what it has to lose."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lensproc.nn.bright_stars import bright_stars
from lensproc.nn.lens_sr import LensSR, bicubic, limits, local_scale
from lensproc.nn.lens_sr_learning import fine_scale, loss, metrics, prepare
from lensproc.nn.psf import gaussian_psf

SMALL = {"width": 8, "blocks": 1, "fine": 4}
WEIGHTS = {"points": 4.0, "flux": 0.1, "square": 0.5, "beta": 0.5}


def samples(n: int = 4, side: int = 24, variance: float = 4.0) -> dict[str, torch.Tensor]:
    """Blank sky of level 7, noise 2 per pixel, without light."""
    generator = torch.Generator().manual_seed(3)
    return {
        "image": 7.0 + 2.0 * torch.randn((n, side, side), generator=generator),
        "variance": torch.full((n, side, side), variance),
        "sharp2": torch.full((n, 2 * side, 2 * side), 7.0),
        "points2": torch.zeros((n, 2 * side, 2 * side)),
        "fwhm": torch.full((n,), 3.0),
        "sky": torch.full((n,), 7.0),
        "noise": torch.full((n,), 2.0),
    }


def test_an_untrained_network_interpolates():
    torch.manual_seed(0)
    network = LensSR(**SMALL)
    image = torch.randn(2, 1, 17, 20)
    result, sigma = network(image, torch.ones_like(image), torch.full((2, 1, 1, 1), 3.0))
    assert torch.equal(result, bicubic(image))
    assert bool((sigma > 0.0).all())


def test_the_correction_scales_with_bright_light():
    """Above what training shows, twice the light gets twice the correction."""
    torch.manual_seed(0)
    network = LensSR(**SMALL)
    torch.nn.init.normal_(network.leave.weight, std=0.1)
    image = torch.zeros(1, 1, 24, 24)
    image[..., 10:14, 10:14] = 5.0e4
    variance, fwhm = torch.ones_like(image), torch.full((1, 1, 1, 1), 3.0)
    with torch.inference_mode():
        once, _ = network(image, variance, fwhm)
        twice, _ = network(2.0 * image, variance, fwhm)
    change, doubled = (once - bicubic(image))[0, 0], (twice - 2.0 * bicubic(image))[0, 0]
    middle = np.s_[20:28, 20:28]
    assert float(change[middle].abs().max()) > 100.0
    assert torch.allclose(doubled[middle], 2.0 * change[middle], rtol=1e-3)


def test_prepared_noise_is_what_the_variance_says():
    batch = prepare(samples(64), torch.Generator().manual_seed(1))
    spread = (batch["image"] - batch["image"].mean((-2, -1), keepdim=True)).flatten(1).std(1)
    expected = batch["variance"].flatten(1).mean(1).sqrt()
    assert float((spread / expected).mean()) == pytest.approx(1.0, abs=0.02)
    assert float(expected.max()) == pytest.approx(1.0, rel=1e-5)


def test_truth_gets_the_pedestal_of_its_image_and_the_fainter_light():
    plain = samples(32)
    plain["sharp2"] += 40.0
    plain["image"] += 40.0
    batch = prepare(plain, torch.Generator().manual_seed(1))
    assert torch.allclose(
        batch["truth"].mean((1, 2, 3)), batch["image"].mean((1, 2, 3)), atol=5.0 / 24
    )  # 5σ of a mean of 24² pixels
    assert float(batch["truth"].std()) > 1.0  # some were made fainter against their noise, some not


def test_validation_noise_repeats():
    first = prepare(samples(), torch.Generator().manual_seed(9))
    second = prepare(samples(), torch.Generator().manual_seed(9))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_bright_stars_keep_their_flux_from_input_to_truth():
    fwhm = torch.tensor([2.0, 3.5, 5.0]).repeat(20)[:, None, None, None]
    star, variance, sharp = bright_stars(fwhm, 64, 2, 1.0, torch.Generator().manual_seed(3))
    brightest = star.flatten(1).max(1).values
    assert 20.0 < float(brightest.min()) < float(brightest.max()) < 5001.0
    row, column = (star.flatten(1).argmax(1) // 64), (star.flatten(1).argmax(1) % 64)
    inner = (row > 20) & (row < 43) & (column > 20) & (column < 43)
    assert int(inner.sum()) >= 5
    ratio = (sharp.sum((1, 2, 3)) / 4 / star.sum((1, 2, 3)))[inner]
    # a Moffat profile of exponent 2.2 leaves a tenth of its light beyond the frame
    assert float(ratio.min()) > 0.99
    assert float(ratio.median()) == pytest.approx(1.0, abs=0.04)
    assert torch.equal(variance > 0, star > 0)


def test_stars_are_drawn_onto_their_share_of_samples():
    plain = prepare(samples(64), torch.Generator().manual_seed(1))
    starred = prepare(samples(64), torch.Generator().manual_seed(1), stars=0.3)
    bright = starred["truth"].flatten(1).max(1).values > plain["truth"].flatten(1).max(1).values + 20.0
    assert 0.15 < float(bright.float().mean()) < 0.45


class Known(torch.nn.Module):
    """Gives an image and an error that are known."""

    def __init__(self, image: torch.Tensor, sigma: torch.Tensor) -> None:
        super().__init__()
        self.image, self.sigma = image, sigma

    def forward(self, *_: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.image, self.sigma


def test_the_loss_is_lowest_at_the_truth_and_at_the_true_error():
    batch = prepare(samples(), torch.Generator().manual_seed(2))
    noise = torch.randn(batch["truth"].shape, generator=torch.Generator().manual_seed(4))
    scale = fine_scale(batch)

    def score(error: float, sigma: float) -> float:
        network = Known(batch["truth"] + error * scale * noise, sigma * scale)
        return float(metrics(network, batch)["score"])

    assert score(0.2, 0.2) < min(score(0.2, 0.1), score(0.2, 0.4), score(0.4, 0.4))
    # ½ (error/σ)² + ln σ/L with error = σ = .2 L
    assert score(0.2, 0.2) == pytest.approx(0.5 + np.log(0.2), abs=0.02)


def test_light_that_is_lost_costs_more_than_noise_of_the_same_size():
    batch = prepare(samples(), torch.Generator().manual_seed(2))
    noise = torch.randn(batch["truth"].shape, generator=torch.Generator().manual_seed(4))
    sigma = 0.3 * torch.ones_like(noise)
    lost = loss(Known(batch["truth"] - 0.3, sigma), batch, **WEIGHTS)
    noisy = loss(Known(batch["truth"] + 0.3 * noise, sigma), batch, **WEIGHTS)
    assert float(lost["light"]) > 10.0 * float(noisy["light"])


def test_limits_hold_what_the_sky_can_be():
    """A star four times as high as in the input is within them; a hole of a thousand σ is not."""
    generator = torch.Generator().manual_seed(1)
    stamp = torch.from_numpy(gaussian_psf(3.4, 33))[None, None]
    observed = 2.0e4 * stamp + torch.randn((1, 1, 33, 33), generator=generator)
    sharp = torch.nn.functional.pad(torch.from_numpy(gaussian_psf(3.4, 33))[None, None], (16, 17, 16, 17))
    truth = 4.0 * 2.0e4 * sharp
    variance = torch.ones_like(observed)
    low, high = limits(observed, variance)
    assert bool(((truth >= low) & (truth <= high)).all())
    assert -12.0 < float(low.min()) < float(low.max()) <= -5.0
    assert float(high.max()) < 5.5 * float(observed.max())


def test_local_scale_is_the_noise_in_the_dark_and_a_quarter_of_bright_light():
    dark = local_scale(torch.zeros(1, 1, 5, 5), torch.full((1, 1, 5, 5), 9.0))
    assert torch.allclose(dark, torch.full_like(dark, 3.0))
    bright = local_scale(torch.full((1, 1, 5, 5), 400.0), torch.ones(1, 1, 5, 5))
    assert float(bright[0, 0, 2, 2]) == pytest.approx(100.0, rel=1e-3)
