"""From simulated images through stages to files, by the command."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint

import numpy as np
import pytest
from click.testing import CliRunner

from lensproc.cli.evaluate import command
from lensproc.errors import PluginError, UsageError
from lensproc.evaluate.classification.markdown import report_of
from lensproc.evaluate.classification.output import to_json, write
from lensproc.evaluate.classification.run import evaluate
from lensproc.evaluate.classification.stages import are_classifiers, classifiers
from lensproc.evaluate.scoring.dataset import open_dataset

pytest.importorskip("lenstronomy")

IMAGES = 48


@pytest.fixture(scope="module", autouse=True)
def guessing():
    """The stages of `guessing` beside the classical ones."""
    points = [
        EntryPoint("guessing", "tests.evaluate.classification.guessing", "lensproc.plugins"),
        EntryPoint("classical", "lensproc_classical", "lensproc.plugins"),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lensproc.contract.registry.entry_points", lambda group: points)
        yield


@pytest.fixture(scope="module")
def found():
    methods = classifiers(["guess", "guess-any"], {}, "cpu")
    return evaluate(open_dataset("deeplense-2", IMAGES), methods)


def test_the_truth_is_that_of_the_simulation(found):
    from lensproc.simulate.image import simulate
    from lensproc.simulate.recipe import load_recipe

    recipe = load_recipe("deeplense-2")
    for i in (0, 7):
        sim = simulate(recipe, 0, "test", i)
        truth = found.truths[i]
        assert truth.class_name == sim.scene.class_name
        assert truth.mass == pytest.approx(float(sim.scene.parameters["subhalo_mass"]))
        assert truth.einstein_radius == sim.scene.einstein_radius
        light = sim.exposure.noise_free.astype(float)
        signal = (light - light.min()) / np.sqrt(sim.exposure.expected_variance.astype(float))
        assert truth.snr == pytest.approx(float(np.linalg.norm(signal)))
    assert {one.class_name for one in found.truths} == {"no", "sphere", "vortex"}


def test_answers_are_those_of_a_run_of_the_stage_alone(found):
    from lensproc import Pipeline
    from lensproc.evaluate.classification.truth import labelled

    cutout, _ = labelled(found.dataset, [5])[0]
    with Pipeline(["guess"], checks="none", device="cpu") as pipeline:
        result = next(iter(pipeline.run([cutout])))
    expected = result.tables["CLASS"].columns["PROB"]
    np.testing.assert_allclose(found.answers["guess"].probabilities[5], expected, rtol=1e-5)


def test_two_classes_stand_beside_three(found):
    assert found.answers["guess-any"].classes == ("no", "substructure")
    assert found.score("guess-any", "auc_merged").difference is not None
    assert found.score("guess-any", "auc_macro").difference is None
    assert found.parameters == {"guess": 9, "guess-any": 6}
    report = report_of(found)
    assert "| AUC no " in report
    assert "AUC substructure" not in report
    row = next(line for line in report.splitlines() if line.startswith("| guess-any"))
    assert row.split("|")[2].strip() == "–"
    assert "guess: images by true class (rows)" in report


def test_a_second_run_gives_the_same_bytes(found):
    again = evaluate(found.dataset, found.methods)
    assert to_json(again, {}) == to_json(found, {})


def test_files_hold_the_same_numbers(found, tmp_path):
    pytest.importorskip("matplotlib")
    from astropy.table import Table

    names = [path.name for path in write(found, {"lensproc": "1"}, tmp_path)]
    pictures = ["roc.png", "reliability.png", "risk_coverage.png", "confusion.png", "bins.png"]
    assert names == [
        "evaluate.json", "scores.ecsv", "images.ecsv", "bins.ecsv", "speed.json", *pictures, "evaluate.md"
    ]  # fmt: skip
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in pictures)
    record = json.loads((tmp_path / "evaluate.json").read_text())
    assert record["kind"] == "classify"
    mine = next(one for one in record["methods"] if one["name"] == "guess")
    images = Table.read(tmp_path / "images.ecsv")
    columns = [images[f"guess_{name}"] for name in mine["classes"]]
    predicted = np.array(mine["classes"])[np.argmax(columns, axis=0)]
    counts = [
        [int(np.sum((images["class"] == row) & (predicted == column))) for column in mine["classes"]]
        for row in mine["classes"]
    ]
    assert mine["confusion"] == counts
    assert sum(mine["ood_histogram"]) == IMAGES
    accuracy = next(s for s in record["scores"] if s["stage"] == "guess" and s["measure"] == "accuracy")
    assert accuracy["value"] == pytest.approx(float(np.mean(predicted == images["class"])))
    assert str(images["mass"].unit) == "solMass"
    assert images["index"].tolist() == list(range(IMAGES))


def test_a_folder_gives_the_classes_of_the_simulation_that_wrote_it(found, tmp_path):
    from astropy.io import fits

    from lensproc.simulate.folder import plan_for, run_plan
    from lensproc.simulate.recipe import load_recipe

    run_plan(plan_for(load_recipe("deeplense-2"), 3, 0, "test", tmp_path))
    with fits.open(tmp_path / "truth" / "deeplense-2-000001.fits", mode="update") as truth:
        truth[0].header["CLASS"] = "vortex"
    there = evaluate(open_dataset(str(tmp_path)), classifiers(["guess"], {}, "cpu"))
    assert there.truths[1].class_name == "vortex"
    for i in (0, 2):
        assert there.truths[i].class_name == found.truths[i].class_name
        assert there.truths[i].mass == pytest.approx(found.truths[i].mass)
        assert there.truths[i].snr == pytest.approx(found.truths[i].snr, rel=1e-4)
        mine, theirs = (one.answers["guess"].probabilities[i] for one in (found, there))
        np.testing.assert_allclose(mine, theirs, rtol=1e-4)


def test_images_that_a_stage_fails_on_are_left_out_for_all_and_counted(found):
    methods = classifiers(["guess", "guess-any"], {"guess": {"stumble": True}}, "cpu")
    part = evaluate(open_dataset("deeplense-2", 16), methods)
    assert 0 < part.left_out < 16
    assert len(part.failures["guess"]) == part.left_out
    assert "too dim" in part.failures["guess"][0]
    assert part.answers["guess-any"].label.size == 16 - part.left_out
    assert (
        f"{part.left_out} images are left out for all stages: guess on {part.left_out} failed"
        in report_of(part)
    )
    assert json.loads(to_json(part, {}))["left_out"] == part.left_out


def test_what_cannot_be_scored_is_told_in_a_line():
    few = open_dataset("deeplense-2", 2)
    with pytest.raises(PluginError, match="speechless writes no table CLASS"):
        evaluate(few, classifiers(["speechless"], {}, "cpu"))
    with pytest.raises(PluginError, match="odd names the classes lens, galaxy; the set has"):
        evaluate(few, classifiers(["odd"], {}, "cpu"))
    with pytest.raises(UsageError, match=r"several kinds: guess is of the kind classify, bicubic .* enhance"):
        are_classifiers(["guess", "bicubic"])
    assert are_classifiers(["guess", "odd"])
    assert not are_classifiers(["bicubic"])


def test_the_command_decides_by_the_kind_of_the_stages(tmp_path):
    pytest.importorskip("matplotlib")
    given = [
        "guess",
        "--data",
        "deeplense-2",
        "-n",
        "12",
        "-j",
        "1",
        "--device",
        "cpu",
        "-o",
        str(tmp_path / "a"),
    ]
    result = CliRunner().invoke(command, given, catch_exceptions=False)
    assert result.exit_code == 0
    assert "| stage " in result.output
    assert "bicubic" not in result.output
    assert json.loads((tmp_path / "a" / "evaluate.json").read_text())["dists"] == {
        "guess": "tests.evaluate.classification.guessing"
    }
    refused = CliRunner().invoke(command, [*given, "--with", "starlet"])
    assert isinstance(refused.exception, UsageError)
    assert "--with: for stages that make images; guess classify" in str(refused.exception)
