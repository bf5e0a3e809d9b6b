from __future__ import annotations

import pytest
import torch

from lensproc_denoise.exposures import Drawer, Drawing, coadd_weights, draw_exposures, place_stars, separable
from lensproc_denoise.losses import Weights, denoising_loss
from tests.lensproc_denoise.exposures import skies

EMPTY = Drawing(depth=(1.0, 1.0), stars=1, star_snr=(1e-3, 1.1e-3))


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_two_exposures_have_independent_noise_of_the_true_size():
    batch = draw_exposures(skies(64), generator(), EMPTY)
    first, second = ((half - batch["truth"]) / batch["sigma"] for half in batch["image"].chunk(2))
    assert float(first.square().mean()) == pytest.approx(1.0, abs=0.02)
    assert abs(float((first * second).mean())) < 0.01


@pytest.mark.parametrize("correlation", [0.0, 0.2, 0.5])
def test_noise_has_the_correlation_that_is_asked_for(correlation):
    weights = coadd_weights(torch.full((8,), correlation))
    noise = separable(torch.randn(8, 1, 130, 130, generator=generator()), weights)
    assert float(noise.square().mean()) == pytest.approx(1.0, abs=0.02)
    assert float((noise[..., 1:] * noise[..., :-1]).mean()) == pytest.approx(correlation, abs=0.02)


def test_deeper_exposures_have_less_photon_noise_for_the_same_signal_to_noise():
    """Light of 100σ whose photons add 1 σ² per σ: at four times the time it has 200σ and adds half as much."""
    fields = skies(1)
    fields["truth"] += 100.0
    fields["photon"] += 0.99
    once, later = (
        draw_exposures(fields, generator(), Drawing((f, f), 1, (1e-3, 1.1e-3))) for f in (1.0, 2.0)
    )
    inner = (slice(None), slice(None), slice(20, 28), slice(20, 28))
    added = [exposure["sigma"][inner].square().median() - 1.0 for exposure in (once, later)]
    assert float(added[1] / added[0]) == pytest.approx(1.0, abs=0.1)
    light = [float(exposure["truth"][inner].median()) for exposure in (once, later)]
    assert light[1] / light[0] == pytest.approx(2.0, abs=0.02)


def test_the_error_of_a_star_is_that_of_a_matched_filter():
    n = 256
    weights = coadd_weights(torch.full((n,), 0.4))
    psf = skies(n)["psf"][:, None]
    star, error = place_stars(psf, weights, 48, 48, Drawing(stars=1), Drawer(generator(), psf.device))
    noise = separable(torch.randn(n, 1, 50, 50, generator=generator(2)), weights)
    flux = (noise * star).sum((1, 2, 3)) / star.square().sum((1, 2, 3))
    inside = star.sum((1, 2, 3)) > 0.95
    assert float((flux / error[:, 0])[inside].std()) == pytest.approx(1.0, abs=0.12)
    assert float(star[inside].sum((1, 2, 3)).mean()) == pytest.approx(1.0, abs=0.01)


class Shrinks(torch.nn.Module):
    """The truth, with a part of the light missing, plus noise."""

    def __init__(self, lost: float, noise: float) -> None:
        super().__init__()
        self.lost, self.noise = lost, noise

    def forward(self, image, sigma, level, mask):
        self_noise = self.noise * torch.randn(image.shape, generator=generator(7))
        return (1.0 - self.lost) * self.truth.repeat(2, 1, 1, 1) + self_noise, torch.ones_like(image)


def losses(lost: float, noise: float) -> dict[str, float]:
    batch = draw_exposures(skies(32), generator(), Drawing((1.0, 1.0), 3, (10.0, 10.1)))
    network = Shrinks(lost, noise)
    network.truth = batch["truth"]
    return {name: float(value) for name, value in denoising_loss(network, batch, Weights()).items()}


def test_light_that_is_lost_on_average_costs_more_than_noise_of_the_same_error():
    truth, faint, noisy = losses(0.0, 0.0), losses(0.2, 0.0), losses(0.0, 0.3)
    assert truth["error"] == truth["stars"] == truth["light"] == 0.0
    assert faint["stars"] == pytest.approx(4.0 / (1.0 + 0.25 * 4.0), rel=0.1)  # 20 % of SNR 10 is 2σ
    assert abs(noisy["stars"]) < 0.05 * faint["stars"]
    assert abs(noisy["light"]) < 0.01


def test_the_likelihood_trains_the_uncertainty_and_leaves_the_image_alone():
    batch = draw_exposures(skies(2), generator(), Drawing())
    image = batch["image"].clone().requires_grad_()
    spread = torch.ones_like(image).requires_grad_()
    result = denoising_loss(lambda *_: (image, spread), batch, Weights(stars=0.0, light=0.0))
    given = torch.autograd.grad(result["likelihood"], (image, spread), allow_unused=True)
    assert given[0] is None
    assert given[1] is not None


def test_the_same_generator_gives_the_same_exposures():
    one, other = (draw_exposures(skies(2), generator(9), Drawing()) for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)
