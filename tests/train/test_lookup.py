"""From a stage to its recipe, and what is said where that fails."""

from __future__ import annotations

import dataclasses
import importlib.util
import subprocess
import sys

import pytest
from click.testing import CliRunner

from lensproc.cli import cli
from lensproc.cli.train import with_settings
from lensproc.contract import registry
from lensproc.contract.training import TrainingRecipe
from lensproc.errors import PluginError, UsageError
from lensproc.train import lookup
from lensproc.train.lookup import make_task, recipe_names, recipe_path, recipe_sha256, require_libraries
from tests.train.tiny import MANIFEST, RECIPE


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A package with recipes of two stages."""
    recipes = tmp_path / "recipes"
    recipes.mkdir()
    for name in ("tiny", "tiny-report", "tiny-wide", "tiny-wide-report", "other"):
        (recipes / f"{name}.toml").write_text(RECIPE)
    monkeypatch.setattr(lookup, "package_folder", lambda manifest: tmp_path)
    return recipes


def test_a_recipe_is_found_by_its_name_its_end_or_its_file(shipped, tmp_path):
    assert recipe_path(MANIFEST) == shipped / "tiny.toml"
    assert (
        recipe_path(MANIFEST, "tiny-report")
        == recipe_path(MANIFEST, "report")
        == shipped / "tiny-report.toml"
    )
    own = tmp_path / "mine.toml"
    own.write_text(RECIPE)
    assert recipe_path(MANIFEST, str(own)) == own
    with pytest.raises(
        UsageError, match="stage tiny has no training recipe 'short'; it ships tiny, tiny-report"
    ):
        recipe_path(MANIFEST, "short")
    with pytest.raises(UsageError, match=r"gone\.toml: no such training recipe"):
        recipe_path(MANIFEST, "gone.toml")


def test_recipes_of_a_longer_name_are_another_stages(shipped):
    assert recipe_names(MANIFEST, ["tiny", "tiny-wide", "other"]) == ["tiny", "tiny-report"]
    wide = dataclasses.replace(MANIFEST, id="tiny-wide")
    assert recipe_names(wide, ["tiny", "tiny-wide", "other"]) == ["tiny-wide", "tiny-wide-report"]


def test_a_stage_without_recipes_says_how_to_give_one(tmp_path, monkeypatch):
    monkeypatch.setattr(lookup, "package_folder", lambda manifest: tmp_path)
    with pytest.raises(
        UsageError, match=r"has no training recipe of its own; give one with --recipe FILE\.toml"
    ):
        recipe_path(MANIFEST)


def test_the_hash_of_a_recipe_leaves_its_prose_out():
    recipe = TrainingRecipe.from_toml(RECIPE, "a")
    told = dataclasses.replace(recipe, name="b", summary="in other words")
    assert recipe_sha256(recipe) == recipe_sha256(told)
    settings = dataclasses.replace(recipe.settings, seed=9)
    assert recipe_sha256(recipe) != recipe_sha256(dataclasses.replace(recipe, settings=settings))


@pytest.mark.parametrize(("library", "extra"), [("lightning", "train"), ("lenstronomy", "simulate")])
def test_a_library_that_is_missing_is_named_with_its_extra(monkeypatch, library, extra):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == library else found(name, *rest)
    )
    with pytest.raises(UsageError, match=rf"training needs {library}; pip install 'lensproc\[{extra}\]'"):
        require_libraries()


def test_a_task_that_cannot_be_made_names_its_plugin():
    recipe = TrainingRecipe.from_toml(RECIPE, "a")
    broken = dataclasses.replace(MANIFEST, training="tests.train.tiny:gone")
    with pytest.raises(PluginError, match=r"stage tiny could not be made: AttributeError: .* \[mine==1\]"):
        make_task(broken, recipe, "mine==1")


def test_the_command_changes_the_recipe(shipped, tmp_path, monkeypatch):
    from lensproc.train import run

    class OneStage:
        manifests = {"tiny": MANIFEST}  # noqa: RUF012

        def manifest(self, stage):
            return self.manifests[stage]

        def package(self, stage):
            return ""

    seen = []
    monkeypatch.setattr(registry, "load_registry", OneStage)
    monkeypatch.setattr(run, "train", lambda run, watcher: seen.append(run))
    monkeypatch.chdir(tmp_path)
    arguments = [
        "--budget",
        "2.5",
        "--seed",
        "7",
        "--precision",
        "bf16-mixed",
        "--epochs",
        "9",
        "--checkpoint",
        "0.5",
    ]
    done = CliRunner().invoke(cli, ["train", "tiny", *arguments, "--no-resume", "--data", "d"])
    assert done.exit_code == 0, done.output
    settings = seen[0].recipe.settings
    assert (settings.budget, settings.seed, settings.precision, settings.epochs) == (2.5, 7, "bf16-mixed", 9)
    assert settings.learning_rate == 0.01
    assert (seen[0].every, seen[0].resume, str(seen[0].data)) == (30.0, False, "d")
    assert str(seen[0].output) == "train-tiny"
    assert seen[0].beside == shipped


def test_recipes_are_listed_without_torch(tmp_path):
    code = (
        "import sys\n"
        "from lensproc.cli import cli\n"
        "cli(['train', 'srresnet', '--list'], standalone_mode=False)\n"
        "print(*{'torch', 'numpy', 'lightning'} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("srresnet ")
    assert lines[-1] == ""


def test_a_budget_that_only_repeats_the_recipe_leaves_its_hash():
    """The command line gives 35.0 where the recipe says 35: the same training, the same SHA-256."""
    text = (
        "[data]\ntrain = [{ recipe = 'hsc', number = 1 }]\nval = [{ recipe = 'hsc', number = 1 }]\n"
        "[training]\nbudget = 35\n"
    )
    recipe = TrainingRecipe.from_toml(text, "short")
    assert recipe_sha256(with_settings(recipe, budget=35.0, seed=None)) == recipe_sha256(recipe)
    assert recipe_sha256(with_settings(recipe, budget=36.0)) != recipe_sha256(recipe)
