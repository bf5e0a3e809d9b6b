"""The stage sis-class: what its classifier sees, and what of it learns."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from lensproc.contract.registry import load_registry
from lensproc.contract.stage import Batch, Item
from lensproc.contract.training import TrainingRecipe
from lensproc.cutout import PSF
from lensproc.errors import UsageError, WeightsError
from lensproc.nn.weights import read_weights, save_weights
from lensproc.testing import check_stage
from lensproc_sis import class_training
from lensproc_sis.lens_classifier import SEEN, LensClassifier
from lensproc_sis.measure import Cutouts, measure
from lensproc_sis.sis_class import build, stage
from lensproc_sis.starts import begun
from tests.lensproc_sis.known_lenses import LENS, SPEC, known, sis_weights
from tests.lensproc_sis.sis_scenes import drawn, noise

SMALL = {"lens": SPEC, "width": 4, "blocks": 1, "side": 48}


def made(**spec):
    """A network at random, by which every image is like the training."""
    torch.manual_seed(1)
    network = build({**SMALL, **spec}).eval()
    network.class_means, network.whitening = torch.zeros(64), torch.eye(64).flatten()
    for scale in (network.one_view, network.all_views):
        scale.threshold.fill_(0.5)
        scale.reference = torch.linspace(0.0, 1e6, 1000)
    return network


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("class") / "sis-class.safetensors"
    save_weights(path, made().state_dict(), {"stage": "sis-class", "network": SMALL})
    return path


@pytest.fixture(scope="module")
def running(weights):
    manifest = load_registry().manifest("sis-class")
    found = stage(manifest, manifest.resolve_options({"weights": str(weights)}))
    found.load(torch.device("cpu"), torch.float32)
    return found


def cutouts(*images) -> Cutouts:
    stack = torch.stack([torch.as_tensor(image).float() for image in images])[:, None]
    height, width = stack.shape[-2:]
    ones = torch.ones(len(images))
    places = ones * (width - 1) / 2, ones * (height - 1) / 2
    return Cutouts(stack, torch.ones_like(stack), 2.0 * ones, *places, ones * max(height, width) / 2)


def batch_of(*images) -> Batch:
    stack = torch.stack([torch.as_tensor(image).float() for image in images])[:, None]
    items = tuple(Item(0.1, PSF(2.0), (1.0,)) for _ in images)
    return Batch(stack, None, torch.zeros_like(stack, dtype=torch.bool), items)


def test_it_is_a_classifier_like_substructure():
    manifest, other = (load_registry().manifest(name) for name in ("sis-class", "substructure"))
    for name in ("kind", "sees", "normalisation", "options", "scale"):
        assert getattr(manifest, name) == getattr(other, name)


def test_it_conforms(weights):
    found = check_stage(
        load_registry().manifest("sis-class"), options={"weights": str(weights), "views": "1"}
    )
    assert {result.name: result.message for result in found if not result.ok} == {}


@pytest.mark.parametrize("shape", [(40, 40), (51, 51), (40, 67), (90, 33)])
def test_cutouts_of_any_side_are_classified(running, shape):
    middle = (9.0, shape[1] / 2, shape[0] / 2, 0.1, 0.0, 0.0, 0.0)
    with torch.inference_mode():
        output = running.apply(batch_of(drawn(middle, shape)[0] + noise(shape)))
    chances = [output.values[0][name].value for name in ("LPPNO", "LPPSPH", "LPPVOR")]
    assert sum(chances) == pytest.approx(1.0, abs=1e-5)


def test_neighbours_make_no_difference(running):
    images = [drawn((8.0 + 4 * i, *LENS[1:]))[0] + noise((60, 64), i) for i in range(3)]
    with torch.inference_mode():
        together = running.answers(batch_of(*images)).probabilities
        alone = np.concatenate([running.answers(batch_of(image)).probabilities for image in images])
    assert together == pytest.approx(alone, abs=1e-5)
    assert np.ptp(together, axis=0).max() > 1e-3


def test_a_known_centre_counts_where_the_lens_is_surer_there(running):
    image = drawn((9.0, 40.0, 28.0, 0.0, 0.0, 0.0, 0.0))[0] + noise((60, 64))
    batch = batch_of(image, image, image)
    centres = ((40.0, 28.0), None, (5.0, 5.0))
    items = tuple(dataclasses.replace(batch.items[0], lens_center=centre) for centre in centres)
    batch = dataclasses.replace(batch, items=items)
    lens = running.network.backbone.lens
    good = torch.ones_like(batch.images)
    with torch.no_grad():
        found = begun(lens, batch.images, good, batch)
        for i, centre in enumerate(centres):
            at = [dataclasses.replace(found, x=0 * found.x + x, y=0 * found.y + y)
                  for x, y in ((31.5, 29.5), centre or (31.5, 29.5))]  # fmt: skip
            error = [float(m.sigma[i, 0] / m.lens[i, 0]) for m in (measure(lens, a, views=1) for a in at)]
            best = at[int(error[1] < error[0])]
            assert (float(found.x[i]), float(found.y[i])) == (float(best.x[i]), float(best.y[i]))


def test_a_subhalo_shows_in_the_plane_of_the_residual():
    network = LensClassifier(**SMALL).eval()
    place = (45.3, 30.1)
    grain, soft = noise((60, 64)), {"peak": 60.0, "source": (0.6, -0.9, 4.0)}
    both = cutouts(drawn(LENS, **soft)[0] + grain, drawn(LENS, **soft, subhalo=(*place, 1.0))[0] + grain)
    planes, context = network.planes(both, known(LENS, LENS))
    assert planes.shape == (2, SEEN, 48, 48)
    power = torch.sinh(planes[:, 4]) ** 2
    y, x = np.indices((48, 48))
    scale = 48 / (4 * LENS[0])  # the side is four θ_E
    at = [(p - c) * scale + 23.5 for p, c in zip(place, LENS[1:3], strict=True)]
    near = torch.from_numpy(np.hypot(x - at[0], y - at[1]) < 6 * scale)
    assert power[1][near].mean() > 2.5 * power[0][near].mean()
    assert float(context[0, 1]) == pytest.approx(np.log10(LENS[0]) - 1.3)


def test_light_of_the_lens_is_no_residual_where_it_is_taken_off():
    lens = (16.0, 31.3, 29.1, 0.05, 0.0, 0.0, 0.0)
    arcs = drawn(lens, source=(1.0, 0.5, 2.0), peak=40.0)[0]
    both = cutouts(drawn(lens, source=(1.0, 0.5, 2.0), peak=40.0, light=(100.0, 3.0))[0])
    measured = known(lens)
    frames = measured.frames.to_pixels(
        torch.stack(torch.meshgrid(*(2 * [(torch.arange(64) + 0.5) / 32 - 1]), indexing="xy"))[None]
    )
    there = frames.round().long()
    inside = (there >= 0).all(1) & (there[:, 0] < 64) & (there[:, 1] < 60)
    lit = (arcs[there[0, 1].clamp(0, 59), there[0, 0].clamp(0, 63)] > 0.3) & inside[0]
    measured = dataclasses.replace(measured, arcs=lit.float()[None, None])
    with_it, without = (
        LensClassifier(**SMALL, light=light).eval().planes(both, measured)[0][0, 4] for light in (False, True)
    )
    assert (without**2).mean() < 0.5 * (with_it**2).mean()


def recipe(sis, loss="", network="") -> TrainingRecipe:
    return TrainingRecipe.from_toml(
        f"""
summary = "for tests"
[data]
train = [{{ recipe = "common-test", number = 8 }}]
val = [{{ recipe = "common-test", number = 4 }}]
[network]
sis = "{sis}"
width = 4
blocks = 1
side = 48
{network}
[loss]
{loss}
""",
        "small",
    )


@pytest.fixture(scope="module")
def sis(tmp_path_factory):
    return sis_weights(tmp_path_factory.mktemp("sis") / "sis.safetensors")


@pytest.fixture(scope="module")
def raw():
    """Two lenses, one with a subhalo, as raw pixels."""
    soft = {"peak": 60.0, "source": (0.6, -0.9, 4.0)}
    images = [
        3.0 + 0.1 * (drawn(LENS, **soft, subhalo=sub)[0] + noise((60, 64), i))
        for i, sub in enumerate((None, (45.3, 30.1, 1.5)) * 2)
    ]
    return {
        "image": torch.stack(images).float(),
        "label": torch.tensor([0, 1, 0, 1]),
        "sky": torch.full((4,), 3.0),
        "sigma": torch.full((4,), 0.1),
        "fwhm": torch.full((4,), 2.0),
    }


def task_of(sis, **tables):
    return class_training.training(load_registry().manifest("sis-class"), recipe(sis, **tables))


def test_the_weights_of_sis_are_in_the_file_and_known_by_their_hash(sis):
    task = task_of(sis)
    weights = read_weights(sis)
    assert task.network_spec["sis"] == weights.sha256
    assert task.network_spec["lens"] == SPEC
    state = build(task.network_spec).state_dict()
    assert set(state) == set(task.network.state_dict())
    for name, value in weights.state.items():
        assert torch.equal(task.network.state_dict()[f"backbone.lens.{name}"], value)


@pytest.mark.parametrize("joint", [0.0, 0.4])
def test_only_what_may_learn_learns(sis, raw, joint):
    task = task_of(sis, loss=f"joint = {joint}")
    assert [phase.share for phase in task.phases] == ([1.0] if joint == 0 else [0.6, 0.4])
    batch = task.prepare(raw, torch.Generator().manual_seed(0))
    network = task.network.train()
    assert not network.backbone.lens.training
    task.phases[-1].loss(network, batch)["loss"].backward()
    for name, parameter in network.backbone.network.named_parameters():
        assert parameter.grad is not None, name
    grads = {name: p.grad for name, p in network.backbone.lens.named_parameters()}
    if joint == 0:
        assert all(grad is None for grad in grads.values())
    else:
        assert (grads["mean.weight"] != 0).all(dim=1).all()  # every parameter of the lens
        assert torch.isfinite(grads["stem.weight"]).all()


def test_the_loss_falls(sis, raw):
    torch.manual_seed(0)
    task = task_of(sis, network="dropout = 0.0")
    network = task.network.train()
    fields = class_training.seen(network, task.prepare_validation(raw, torch.Generator()))
    optimiser = torch.optim.Adam(network.backbone.network.parameters(), 3e-3)
    losses = []
    for _ in range(30):
        found = task.loss.told(network, fields)["loss"]
        optimiser.zero_grad()
        found.backward()
        optimiser.step()
        losses.append(float(found.detach()))
    assert losses[-1] < 0.5 * losses[0]


def test_training_and_stage_see_the_same(sis, raw, running):
    fields = class_training.prepare_plain(raw, torch.Generator())
    one = class_training.seen(running.network, fields)
    with torch.no_grad():
        planes, context = running.inputs(batch_of(*fields["cutout"][:, 0]))
    assert torch.allclose(one["images"], planes, atol=1e-4)
    assert torch.allclose(one["context"], context, atol=1e-5)


def test_probabilities_are_calibrated_when_training_ends(sis, raw):
    task = task_of(sis)
    network = task.network.eval()
    fields = task.prepare_validation(raw, torch.Generator())
    fitted = task.finish(network, [fields, fields])
    assert network.fitted
    assert fitted["images_held"] == 4


def test_saliency_is_that_of_what_is_seen(running):
    batch = batch_of(drawn(LENS)[0] + noise((60, 64)))
    inputs, frame = running.looks(batch)
    images = batch.images.clone().requires_grad_()
    assert torch.equal(inputs(images)[0].detach(), running.inputs(batch)[0])
    inputs(images)[0][:, 4].pow(2).sum().backward()  # the residual leads back to pixels
    assert (images.grad != 0).float().mean() > 0.3
    assert frame(images).shape == (1, 1, 48, 48)


def test_what_a_recipe_cannot_say(sis, tmp_path):
    with pytest.raises(UsageError, match="joint"):
        task_of(sis, loss="joint = 1.0")
    with pytest.raises(UsageError, match="no twist"):
        task_of(sis, loss="twist = 1.0")
    with pytest.raises(UsageError, match="lens"):
        task_of(sis, network="lens = {}")
    other = sis_weights(tmp_path / "other.safetensors", "substructure")
    with pytest.raises(WeightsError, match="substructure"):
        task_of(other)
