"""The stage sis-sr: sources lensed again on finer pixels, and what they learn from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d

from lensproc.contract.registry import load_registry
from lensproc.contract.stage import Batch, Item
from lensproc.contract.training import TrainingRecipe
from lensproc.cutout import PSF
from lensproc.errors import UsageError
from lensproc.nn.forward import forward
from lensproc.nn.psf import sampling_kernel
from lensproc.nn.weights import read_weights, save_weights
from lensproc.simulate.image import simulate
from lensproc.simulate.recipe import load_recipe
from lensproc.testing import check_stage
from lensproc_sis import sr_training
from lensproc_sis.relensed import Relensed
from lensproc_sis.sis_sr import build, completed, explained_share, stage
from lensproc_sis.source_network import SourceNetwork, pull_push
from lensproc_sis.sr_training import FIELDS, Shares, prepare, told
from tests.lensproc_sis.known_lenses import LENS, SPEC, known, sis_weights
from tests.lensproc_sis.sis_scenes import drawn, noise

SMALL = {"lens": SPEC, "width": 6, "blocks": 1}
SOURCE = (0.6, -0.9, 3.0)
SEEING = PSF(3.0)


def finer(lens):
    """The same lens on pixels half as large."""
    return (2 * lens[0], 2 * (lens[1] + 0.5) - 0.5, 2 * (lens[2] + 0.5) - 0.5, *lens[3:])


def truth_of(lens, shape, peak=100.0):
    """The true source through the true lens at twice the sampling."""
    x, y, sigma = SOURCE
    return drawn(finer(lens), (2 * shape[0], 2 * shape[1]), (2 * x, 2 * y, 2 * sigma), peak)[0]


def relensed(image, lens):
    images = torch.as_tensor(image).float()[None, None]
    with torch.no_grad():
        return Relensed(**SMALL).eval()(images, torch.ones_like(images), known(lens), torch.full((1,), 3.0))[
            0
        ]


@pytest.mark.parametrize(
    ("shape", "lens"), [((60, 64), LENS), ((61, 47), (12.0, 22.6, 30.2, -0.1, 0.05, 0.02, -0.03))]
)
def test_the_source_lensed_again_is_the_sky_at_twice_the_sampling(shape, lens):
    truth = truth_of(lens, shape)
    made = relensed(drawn(lens, shape, SOURCE)[0], lens)[0, 0]
    arc = truth > 5
    assert arc.sum() > 500
    assert float((made - truth)[arc].pow(2).mean().sqrt()) < 2.5  # of 100
    assert float((made - truth)[arc].mean()) == pytest.approx(0.0, abs=1.0)


def test_with_noise_it_is_within_the_noise_and_has_less_of_it():
    image = drawn(LENS, (60, 64), SOURCE)[0] + 4.0 * noise((60, 64))
    error = relensed(image / 4.0, LENS)[0, 0] * 4.0 - truth_of(LENS, (60, 64))
    arc = truth_of(LENS, (60, 64)) > 5
    assert float(error[arc].pow(2).mean().sqrt()) < 4.0


def test_binned_it_is_the_image_and_no_place_is_left_without_light():
    image = drawn(LENS, (60, 64), SOURCE)[0].float()
    made = relensed(image, LENS)
    kernel = torch.tensor(sampling_kernel(2))[None]
    again = forward(made, kernel, 2, "surface brightness")[0, 0]
    bright = image > 20
    assert float((again - image)[bright].abs().max()) < 8.0
    ratio = made[0, 0] / truth_of(LENS, (60, 64))
    assert float(ratio[truth_of(LENS, (60, 64)) > 50].min()) > 0.8


@pytest.mark.parametrize("explains", [True, False])
def test_the_whole_output_agrees_with_its_input_and_keeps_its_flux(explains):
    """With the true lens, and with one that explains nothing: a galaxy beside the arc is there either way."""
    shape = (64, 64)
    y, x = np.indices(shape)
    galaxy = torch.from_numpy(40.0 * np.exp(-0.5 * ((x - 12) ** 2 + (y - 50) ** 2) / 2.0**2))
    clean = (drawn(LENS, shape, SOURCE)[0] + galaxy).float()
    image = clean + noise(shape).float()
    start = relensed(image, LENS) if explains else torch.zeros(1, 1, 128, 128)
    observed = image[None, None]
    made = completed(start, observed, torch.ones_like(observed), PSF(3.0))
    again = forward(made, torch.tensor(sampling_kernel(2))[None], 2, "surface brightness")[0, 0]
    inner = slice(8, -8)
    rest = (image - again)[inner, inner]
    assert float(rest.std()) < 1.3
    assert float(made.sum() / 4) == pytest.approx(float(image.sum()), rel=0.005)
    fine = avg_pool2d(made, 2)[0, 0]
    assert float(fine[46:55, 8:17].sum()) == pytest.approx(float(clean[46:55, 8:17].sum()), rel=0.03)


def share_of(image, lens):
    arcs = image.float()[None, None]
    ones = torch.ones_like(arcs)
    said, saying = Relensed(**SMALL).eval().across(arcs, ones, known(lens))
    return explained_share(arcs, ones, said, saying, SEEING)


def test_a_lens_counts_by_the_light_that_its_other_images_explain():
    image = drawn(LENS, (60, 64), SOURCE)[0] + noise((60, 64))
    assert share_of(image, LENS) > 0.95
    assert share_of(image, (20.0, *LENS[1:])) < 0.5
    y, x = np.indices((60, 64))
    stars = sum(
        100.0 * np.exp(-0.5 * ((x - a) ** 2 + (y - b) ** 2) / 1.3**2)
        for a, b in ((40, 20), (22, 41), (31, 12))
    )
    assert share_of(torch.from_numpy(stars) + noise((60, 64)), LENS) < 0.3
    assert share_of(noise((60, 64)), LENS) < 0.5


def test_noise_is_not_copied_where_nothing_is():
    observed = noise((64, 64)).float()[None, None]
    made = completed(torch.zeros(1, 1, 128, 128), observed, torch.ones_like(observed), PSF(3.0))
    assert float(made[..., 16:-16, 16:-16].std()) < 0.35


def test_holes_of_the_source_plane_are_filled_and_what_is_told_stays():
    y, x = np.indices((32, 32))
    truth = torch.from_numpy(np.exp(-0.5 * ((x - 14) ** 2 + (y - 17) ** 2) / 5.0**2)).float()[None, None]
    weight = (torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0)) < 0.4).float()
    filled = pull_push(truth * weight, weight)
    assert (filled - truth).abs().max() < 0.25
    assert (filled - truth)[weight == 0].pow(2).mean().sqrt() < 0.05
    assert pull_push(50.0 * truth, torch.full_like(truth, 50.0)) == pytest.approx(truth, abs=2e-3)


def test_before_it_learns_a_source_stays_as_it_is():
    source = torch.rand(2, 1, 16, 16)
    assert torch.equal(SourceNetwork(6, 1)(source, torch.ones_like(source), torch.full((2,), 6.0)), source)


# --- the stage


@pytest.fixture(scope="module")
def sis(tmp_path_factory):
    return sis_weights(tmp_path_factory.mktemp("sis") / "sis.safetensors")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(4)
    network = build(SMALL)
    torch.nn.init.normal_(network.source.leave.weight, std=0.01)
    path = tmp_path_factory.mktemp("sr") / "sis-sr.safetensors"
    save_weights(path, network.state_dict(), {"stage": "sis-sr", "network": SMALL})
    return path


@pytest.fixture(scope="module")
def running(weights):
    manifest = load_registry().manifest("sis-sr")
    found = stage(manifest, manifest.resolve_options({"weights": str(weights)}))
    found.load(torch.device("cpu"), torch.float32)
    return found


def batch_of(*images, psf=SEEING) -> Batch:
    stack = torch.stack([torch.as_tensor(image).float() for image in images])[:, None]
    items = tuple(Item(0.1, psf, (1.0,)) for _ in images)
    return Batch(stack, None, torch.zeros_like(stack, dtype=torch.bool), items)


def test_it_conforms(weights):
    found = check_stage(load_registry().manifest("sis-sr"), options={"weights": str(weights)})
    assert {result.name: result.message for result in found if not result.ok} == {}


def test_it_draws_nothing_and_says_the_psf_that_it_has():
    manifest = load_registry().manifest("sis-sr")
    assert (manifest.kind, manifest.scale, manifest.output_psf, manifest.generative) == (
        "enhance", 2, "same", False,
    )  # fmt: skip


@pytest.mark.parametrize("shape", [(50, 50), (51, 51), (40, 67)])
def test_a_lens_that_is_measured_wrongly_costs_no_flux(running, shape):
    """The network is at random: what its lens does not explain comes from the input."""
    middle = (12.0, shape[1] / 2, shape[0] / 2, 0.1, 0.0, 0.0, 0.0)
    image = drawn(middle, shape, SOURCE)[0] + noise(shape)
    with torch.inference_mode():
        made = running.apply(batch_of(image)).images
    assert made.shape == (1, 1, 2 * shape[0], 2 * shape[1])
    assert float(made.sum() / 4) == pytest.approx(float(image.sum()), rel=0.02)
    again = forward(made, torch.tensor(sampling_kernel(2))[None], 2, "surface brightness")[0, 0]
    assert float((image - again)[8:-8, 8:-8].std()) < 2.0


def test_neighbours_make_no_difference(running):
    images = [drawn((8.0 + 4 * i, *LENS[1:]), (60, 64), SOURCE)[0] + noise((60, 64), i) for i in range(2)]
    with torch.inference_mode():
        together = running.apply(batch_of(*images)).images
        for i, image in enumerate(images):
            assert torch.equal(running.apply(batch_of(image)).images[0], together[i])


def test_without_a_psf_a_cutout_fails_with_a_remedy(running):
    with torch.inference_mode():
        output = running.apply(batch_of(drawn(LENS)[0], psf=None))
    assert "--psf" in output.failed[0]


# --- learning


def recipe(sis, loss="") -> TrainingRecipe:
    return TrainingRecipe.from_toml(
        f"""
summary = "for tests"
[data]
train = [{{ recipe = "common-test", number = 8 }}]
val = [{{ recipe = "common-test", number = 4 }}]
[network]
sis = "{sis}"
width = 6
blocks = 1
[loss]
{loss}
""",
        "small",
    )


def task_of(sis, loss=""):
    return sr_training.training(load_registry().manifest("sis-sr"), recipe(sis, loss))


class KnownLens(Relensed):
    """Measures the lens that is put in."""

    lenses = (LENS, LENS)

    def measured(self, cutouts, views=8):
        return known(*self.lenses)


def raw(level=5.0):
    images = [
        3.0 + 0.1 * (drawn(LENS, (60, 64), SOURCE, peak=level)[0] + noise((60, 64), i)) for i in range(2)
    ]
    return {
        "image": torch.stack(images).float(),
        "variance": torch.full((2, 60, 64), 0.01),
        "fwhm": torch.full((2,), 3.0),
        "sky": torch.full((2,), 3.0),
        "noise": torch.full((2,), 0.1),
    }


def test_no_sharp_and_no_noise_free_image_is_asked_for(sis):
    task = task_of(sis)
    row = task.sample(simulate(load_recipe("common-test"), 5, "val", 0))
    assert set(row) == set(FIELDS) == {"image", "variance", "fwhm", "sky", "noise"}
    prepared = task.prepare(raw(), torch.Generator().manual_seed(0))
    assert set(prepared) == {"image", "variance", "used", "fwhm"}


def test_pixels_that_are_asked_made_no_source():
    """What they hold changes χ² and not the source that tells them."""
    network = KnownLens(**SMALL).eval()
    batch = prepare(raw(), torch.Generator().manual_seed(0), Shares())
    assert 0.3 < batch["used"].mean() < 0.97
    assert float(batch["image"].flatten(1).std(1).mean()) > 1.0
    other = {**batch, "image": torch.where(batch["used"] > 0, batch["image"], batch["image"] + 3.0)}
    one, same = (told(network, b, Shares()) for b in (batch, other))
    assert torch.equal(one[1], same[1])
    assert (same[0] > one[0]).all()


def test_the_true_source_leaves_the_noise_of_the_pixels_that_are_asked():
    network = KnownLens(**SMALL).eval()
    batch = prepare(raw(50.0), torch.Generator().manual_seed(0), Shares())
    chi2, extent = told(network, batch, Shares())
    # 1 is the noise of the pixels asked, the rest that of the source they are told by
    assert ((chi2 > 0.95) & (chi2 < 1.8)).all()
    loud = prepare(raw(5000.0), torch.Generator().manual_seed(0), Shares())
    _, extent = told(network, loud, Shares())
    assert extent.tolist() == pytest.approx([2 * (3.0 / 14.0) ** 2] * 2, rel=0.15)
    wrong = KnownLens(**SMALL).eval()
    wrong.lenses = ((16.0, *LENS[1:]),) * 2
    assert (told(wrong, batch, Shares())[0] > 1.5 * chi2).all()


def test_only_the_source_learns_and_the_loss_falls(sis):
    torch.manual_seed(0)
    network, shares = KnownLens(**SMALL).train(), Shares()
    assert not network.lens.training
    optimiser = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], 3e-3)
    batch = prepare(raw(), torch.Generator().manual_seed(0), shares)
    losses = []
    for _ in range(15):
        found = sr_training.loss(network, batch, shares)["loss"]
        optimiser.zero_grad()
        found.backward()
        optimiser.step()
        losses.append(float(found.detach()))
    assert losses[-1] < losses[0] - 0.03
    assert all(p.grad is None for p in network.lens.parameters())
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.source.parameters())
    plain = sr_training.metrics(network, batch, shares)
    assert plain["log_chi2"] < plain["log_chi2_unlearnt"]


def test_the_weights_of_sis_are_in_the_file_and_known_by_their_hash(sis):
    task, weights = task_of(sis), read_weights(sis)
    assert task.network_spec["sis"] == weights.sha256
    for name, value in weights.state.items():
        assert torch.equal(task.network.state_dict()[f"lens.{name}"], value)
    assert set(build(task.network_spec).state_dict()) == set(task.network.state_dict())


def test_what_a_recipe_cannot_say(sis):
    with pytest.raises(UsageError, match="fewest"):
        task_of(sis, "fewest = 0.9\nmost = 0.5")
    with pytest.raises(UsageError, match="no truth"):
        task_of(sis, "truth = 1.0")
