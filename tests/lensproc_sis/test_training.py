"""How informed classifiers are trained: three phases of one command, on the images that all classifiers share."""

from __future__ import annotations

import importlib
import json
import pickle
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from lensproc.cli import cli
from lensproc.contract.classifier_training import CrossEntropy, lens_sample
from lensproc.contract.phases import PhasedTask
from lensproc.contract.registry import load_registry
from lensproc.contract.training import TrainingRecipe
from lensproc.errors import UsageError
from lensproc.simulate.image import simulate
from lensproc.simulate.recipe import load_recipe
from lensproc.train import run as training_run
from lensproc.train.cache import describe
from lensproc.train.phased import only
from lensproc_sis import informed
from lensproc_sis.scaled import scaled_sample
from lensproc_sis.training import in_range_with_scale

STAGES = ("sis-1", "sis-2", "sis-full")
FOLDER = Path(importlib.import_module("lensproc_sis").__file__).parent / "recipes"
RECIPES = sorted(path.stem for path in FOLDER.glob("sis-*.toml") if path.stem.startswith(STAGES))
OTHERS = Path(importlib.import_module("lensproc_substructure").__file__).parent / "recipes"
SHORT = """
summary = "a few steps"
[data]
seed = 3
train = [{ recipe = "deeplense-2", number = 8 }]
val = [{ recipe = "deeplense-2", number = 9 }]
[training]
batch_size = 4
epochs = 4
steps_per_epoch = 2
learning_rate = 0.002
average = 0.5
"""


def recipe_of(folder, name):
    return TrainingRecipe.from_toml((folder / f"{name}.toml").read_text("utf-8"), name)


def task_of(stage, recipe) -> PhasedTask:
    torch.manual_seed(0)
    return informed.training(load_registry().manifest(stage), recipe)


def short(more=""):
    return TrainingRecipe.from_toml(SHORT + more, "short")


def batch(number=2, side=64):
    images = torch.rand(number, 1, side, side, generator=torch.Generator().manual_seed(1))
    return {"images": images, "label": torch.arange(number) % 3}


def stage_of(recipe):
    return next(stage for stage in sorted(STAGES, key=len, reverse=True) if recipe.startswith(stage))


def test_each_stage_has_its_variants():
    for stage in STAGES:
        assert {stage, f"{stage}-report", f"{stage}-transformer", f"{stage}-1000"} <= set(RECIPES)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_builds_its_network_and_takes_the_images_of_the_others(name):
    recipe, stage = recipe_of(FOLDER, name), stage_of(name)
    task = task_of(stage, recipe)
    assert recipe.summary
    assert task.network_spec.items() >= {**recipe.network, **informed.PHYSICS[stage]}.items()
    variant = "-report" if name.endswith("-report") else "-1000" if name.endswith("-1000") else ""
    other = recipe_of(OTHERS, f"resnet-simple{variant}")
    assert (recipe.data_seed, recipe.train, recipe.val) == (other.data_seed, other.train, other.val)
    if task.network_spec["k_unit"] == "pixel":
        assert describe(task.sample) == describe(lens_sample)
    if variant != "-report":
        assert recipe.settings.batch_size == other.settings.batch_size
        assert recipe.settings.budget == other.settings.budget == (10 if variant == "-1000" else 20)


@pytest.mark.parametrize("name", ["resnet-simple-1000", "resnet-18-1000"])
def test_the_networks_to_compare_with_get_the_same_thousand_images(name):
    recipe, informed_one = recipe_of(OTHERS, name), recipe_of(FOLDER, "sis-2-1000")
    assert (recipe.data_seed, recipe.train, recipe.val) == (
        informed_one.data_seed,
        informed_one.train,
        informed_one.val,
    )
    assert sum(share.number for share in recipe.train) == 1000


@pytest.mark.parametrize("classifier", ["resnet-simple", "resnet-18", "substructure"])
@pytest.mark.parametrize("k_network", ["autoencoder", "transformer"])
def test_the_class_teaches_the_k_network_through_the_informer(classifier, k_network):
    tables = f'[network]\nk_network = "{k_network}"\nclassifier = "{classifier}"\n'
    task = task_of("sis-full", short(tables))
    task.phases[2].loss(task.network, batch(4))["loss"].backward()
    for part in ("k_network.encoder", "k_network.decoder", "classifier"):
        gradients = [p.grad for p in task.network.backbone.get_submodule(part).parameters()]
        assert any(gradient is not None and float(gradient.abs().max()) > 0 for gradient in gradients), part


@pytest.mark.parametrize("stage", STAGES)
def test_the_second_phase_leaves_the_encoder_as_it_is(stage):
    task = task_of(stage, short())
    network, phase = task.network.train(), task.phases[1]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    optimiser = torch.optim.AdamW(network.parameters(), 1e-2, weight_decay=0.1)
    with only(network, phase.learns):
        phase.loss(network, batch())["loss"].backward()
    optimiser.step()
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert not {name for name in changed if name.startswith("backbone.k_network.encoder.")}
    for part in ("backbone.k_network.decoder.", "backbone.classifier."):
        parameters = [name for name, _ in network.named_parameters() if name.startswith(part)]
        assert set(parameters) <= changed


def test_the_phases_are_as_long_as_the_recipe_says_and_pickle():
    assert [phase.share for phase in task_of("sis-2", short()).phases] == [0.15, 0.35, 0.5]
    task = task_of("sis-2", short("[loss]\nphases = [100, 20, 180]\nlabel_smoothing = 0.1\n"))
    assert [phase.share for phase in task.phases] == pytest.approx([1 / 3, 1 / 15, 0.6])
    assert task.phases[2].loss == CrossEntropy(0.1)
    assert task.metrics == CrossEntropy()
    assert pickle.loads(pickle.dumps(task.sample)).keywords == lens_sample.keywords


@pytest.mark.parametrize("lengths", ["[1, 2]", "[1, 0, 1]", '"all"', "[1, 1, true]"])
def test_phases_that_do_not_fit_are_refused(lengths):
    with pytest.raises(UsageError, match=r"\[loss\] phases .* does not fit"):
        task_of("sis-2", short(f"[loss]\nphases = {lengths}\n"))


def test_what_the_stage_is_no_recipe_changes():
    with pytest.raises(UsageError, match=r"\[network\] mode, slope is what stage sis-1 is"):
        task_of("sis-1", short('[network]\nmode = "sum"\nslope = true\n'))


def test_in_arcsec_the_samples_know_their_scale():
    task = task_of("sis-2", short('[network]\nk_unit = "arcsec"\n'))
    assert task.sample is scaled_sample
    sim = simulate(load_recipe("deeplense-2"), seed=5, split="val", index=0)
    fields = task.sample(sim)
    assert fields["pixel_scale"] == sim.exposure.frame.pixel_scale
    raw = {name: torch.as_tensor(value)[None] for name, value in fields.items()}
    prepared = task.prepare_validation(raw, torch.Generator())
    assert task.prepare_validation is in_range_with_scale
    assert prepared["context"].shape == (1, 1)
    assert float(prepared["context"]) == pytest.approx(sim.exposure.frame.pixel_scale)
    assert prepared["images"].amax() == 1.0
    task.network.eval()
    with torch.no_grad():
        assert task.metrics(task.network, prepared)["loss"].isfinite()


def test_one_command_trains_all_three_phases_and_the_stage_loads_what_it_wrote(tmp_path, monkeypatch):
    monkeypatch.setattr(training_run, "draw_curve", lambda record, path: False)
    (tmp_path / "short.toml").write_text(SHORT)
    command = ["train", "sis-2", "--recipe", str(tmp_path / "short.toml"), "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(cli, [*command, "--device", "cpu", "--jobs", "1"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    path = tmp_path / "out" / "sis-2.safetensors"
    record = json.loads((tmp_path / "out" / "sis-2.training.json").read_text("utf-8"))
    assert [entry["train"]["phase"] for entry in record["curve"]] == [1.0, 2.0, 3.0, 3.0]
    assert ["accuracy" in entry["train"] for entry in record["curve"]] == [False, True, True, True]
    manifest = load_registry().manifest("sis-2")
    stage = informed.stage(manifest, manifest.resolve_options({"weights": str(path)}))
    stage.load(torch.device("cpu"), torch.float32)
    assert stage.network.fitted
    assert float(stage.network.all_views.temperature) == pytest.approx(
        record["fitted"]["all_views_temperature"], rel=1e-6
    )
