"""lens-sr: what its network starts from, what its training shows it, and what the stage does with odd input."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lensproc.contract.lens_sr_stage import allowance
from lensproc.contract.registry import load_registry
from lensproc.contract.stage import Batch, Item
from lensproc.contract.training import TrainingRecipe
from lensproc.cutout import PSF
from lensproc.nn.bright_stars import bright_stars
from lensproc.nn.lens_sr import LensSR, bicubic, limits, local_scale
from lensproc.nn.lens_sr_learning import fine_scale, loss, metrics, prepare
from lensproc.nn.psf import gaussian_psf
from lensproc.nn.weights import save_weights
from lensproc_superres.lens_sr import lens_sr, task

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


def test_recipe_makes_a_small_network():
    manifest = load_registry().manifest("lens-sr")
    text = "[data]\ntrain = [{ recipe = 'hsc', number = 1 }]\nval = [{ recipe = 'hsc', number = 1 }]\n"
    made = task(manifest, TrainingRecipe.from_toml(text, "short"))
    weights = sum(parameter.numel() for parameter in made.network.parameters())
    assert weights == 265_618
    assert LensSR(**made.network_spec).state_dict().keys() == made.network.state_dict().keys()


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    """Options with weights that interpolate."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    save_weights(path, LensSR(**SMALL).state_dict(), {"stage": "lens-sr", "network": SMALL})
    return {"weights": str(path), "consistency": True}


def run(options, batch: Batch):
    stage = lens_sr(load_registry().manifest("lens-sr"), options)
    stage.load(torch.device("cpu"), torch.float32)
    with torch.inference_mode():
        result = stage.apply(batch)
    stage.close()
    return result


def star(flux: float, item: Item, variance: float | None = 1.0) -> Batch:
    stamp = torch.from_numpy(gaussian_psf(3.4, 65))
    image = flux * stamp[None, None] + torch.randn((1, 1, 65, 65), generator=torch.Generator().manual_seed(5))
    plane = None if variance is None else torch.full_like(image, variance)
    return Batch(image, plane, torch.zeros_like(image, dtype=torch.bool), (item,))


def test_consistency_undoes_what_an_interpolation_does_not_sharpen(untrained):
    """The bicubic image claims half the PSF's width, which it has not: H makes it too wide, and that is mended."""
    psf = PSF(3.4, gaussian_psf(3.4, 33))
    batch = star(2000.0, Item(psf=psf, noise=(1.0,)))
    mended = run(untrained, batch).images[0, 0].numpy()
    plain = run(untrained | {"consistency": False}, batch).images[0, 0].numpy()
    assert mended.max() > 1.2 * plain.max()
    assert mended.sum() / 4 == pytest.approx(float(batch.images.sum()), abs=65.0)


def test_without_a_psf_it_says_what_to_give(untrained):
    result = run(untrained, star(100.0, Item(noise=(1.0,))))
    assert "--psf" in result.failed[0]


def test_without_a_variance_the_noise_of_the_sky_counts(untrained):
    psf = PSF(3.4)
    known = run(untrained, star(100.0, Item(psf=psf, noise=(1.0,))))
    unknown = run(untrained, star(100.0, Item(psf=psf, noise=(1.0,)), variance=None))
    assert torch.equal(known.images, unknown.images)


def test_another_unit_gives_the_same_image_in_that_unit(untrained):
    psf = PSF(3.4)
    batch = star(300.0, Item(psf=psf, noise=(1.0,)))
    factor = 1e-3
    scaled = Batch(
        batch.images * factor, batch.variance * factor**2, batch.mask, (Item(psf=psf, noise=(factor,)),)
    )
    first, second = run(untrained, batch), run(untrained, scaled)
    assert torch.allclose(second.images, first.images * factor, rtol=1e-4, atol=1e-5 * factor)
    assert torch.allclose(second.uncertainty, first.uncertainty * factor, rtol=1e-4)


def test_allowance_is_a_share_of_the_light_and_reaches_over_its_wings():
    observed = torch.full((2, 1, 21, 21), -5.0)
    observed[..., 10, 10] = 100.0
    errors = allowance(observed, [PSF(3.0, gaussian_psf(3.0)), PSF(3.0)])
    assert errors[:, 0, 10, 10].tolist() == [2.0, 10.0]
    assert errors[:, 0, 10, 14].tolist() == [1.0, 5.0]
    assert errors[:, 0, 10, 15].tolist() == [0.0, 0.0]


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
