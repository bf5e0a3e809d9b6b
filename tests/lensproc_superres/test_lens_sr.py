"""lens-sr: its recipe, and what the stage does with odd input."""

from __future__ import annotations

import pytest
import torch

from lensproc.contract.lens_sr_stage import allowance
from lensproc.contract.registry import load_registry
from lensproc.contract.stage import Batch, Item
from lensproc.contract.training import TrainingRecipe
from lensproc.cutout import PSF
from lensproc.errors import UsageError
from lensproc.nn.lens_sr import LensSR
from lensproc.nn.psf import gaussian_psf
from lensproc.nn.weights import save_weights
from lensproc_superres.lens_sr import lens_sr, task

SMALL = {"width": 8, "blocks": 1, "fine": 4}
SHORT = "[data]\ntrain = [{ recipe = 'hsc', number = 1 }]\nval = [{ recipe = 'hsc', number = 1 }]\n"


def test_recipe_makes_a_small_network():
    manifest = load_registry().manifest("lens-sr")
    made = task(manifest, TrainingRecipe.from_toml(SHORT, "short"))
    weights = sum(parameter.numel() for parameter in made.network.parameters())
    assert weights == 265_618
    assert LensSR(**made.network_spec).state_dict().keys() == made.network.state_dict().keys()


def test_a_misspelt_entry_of_the_loss_is_named():
    manifest = load_registry().manifest("lens-sr")
    text = f"{SHORT}[loss]\npoint = 2\n"
    with pytest.raises(UsageError, match=r"\[loss\] has no point; it has: points, flux, .*, apertures"):
        task(manifest, TrainingRecipe.from_toml(text, "short"))


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
