"""The card says what the files say, and refuses scores that are not of these weights or not on unseen images."""

from __future__ import annotations

import dataclasses
import json

import pytest
from click.testing import CliRunner

from lensproc.cli import cli
from lensproc.contract import registry
from lensproc.contract.datafiles import verified_path
from lensproc.errors import UsageError
from lensproc.nn.weights import half_of, read_weights
from lensproc.qc.calibration import BlankLevel, Calibration
from lensproc.qc.conformal import Conformal
from lensproc.train.card import card_of, check_evaluation
from tests.train.tiny import MANIFEST, tiny_run, trained


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    return trained(tiny_run(tmp_path_factory.mktemp("card"), epochs=20)).record


def row(method, value, region="all", variant="direct"):
    found = {"reference": "truth", "method": method, "variant": variant, "region": region, "images": 7}
    for name in ("psnr_mean", "psnr_of_mean", "gain_of_mean", "ssim", "flux"):
        found |= {name: value, f"{name}_low": value - 1.0, f"{name}_high": value + 1.0}
    return found


def evaluation(record, **data):
    """What ``lensproc evaluate`` writes, with made-up scores."""
    method = {"baseline": False, "quoted": {"truth": "direct"}}
    return {
        "data": {"name": "sealed-sr-a", "images": 7, "sealed": True, "split_sha256": "f00d", **data},
        "scale": 2, "data_range": 1.0, "yardstick": "bicubic", "references": {"truth": "the sky without noise"},
        "samples": {"all": "every point source"}, "places": {"output": "on the output"},
        "methods": [
            {"name": "tiny", "stage": "tiny", "weights_sha256": record["weights"]["sha256"], **method},
            {"name": "bicubic", "stage": "bicubic", "weights_sha256": "", **method},
        ],
        "scores": [
            row("tiny", 41.25), row("bicubic", 40.5), row("tiny", 33.0, region="arc"),
            row("tiny", 44.0, variant="affine"),
        ],
        "points": [{
            "sample": "all", "place": "output", "method": "tiny", "snr_low": 20, "snr_high": 50, "sources": 9,
            "ratio": 0.98, "ratio_low": 0.95, "ratio_high": 1.01,
            "scatter": 1.2, "scatter_low": None, "scatter_high": None,
        }],
    }  # fmt: skip


def test_it_says_what_the_record_says(record):
    card = card_of(MANIFEST, record, [], None, "Only for tests.\n")
    assert card.startswith("# tiny\n\nFor tests.\n")
    for share in (*record["data"]["train"], *record["data"]["val"]):
        assert f"| {share['recipe']} | {share['number']} | 5 | `{share['split_sha256']}` |" in card
    assert record["weights"]["sha256"] in card
    assert f"loss {record['best']['value']:.6g} in validation, epoch {record['best']['epoch']} |" in card
    assert "60 steps; all epochs were done" in card
    assert f"| machine | cpu ({record['machine']['processor']}), 1 thread; " in card
    assert "None of `lensproc evaluate` were given to this card." in card
    assert "None ships with it" in card
    assert card.endswith("## Limits\n\nOnly for tests.\n")
    curve = [line for line in card.splitlines() if line.count("|") == 6 and line[2].isdigit()]
    assert len(curve) in (11, 12)
    assert curve[-1].startswith("| 20 | 60 |")


def test_scores_stand_beside_the_baselines_by_the_variant_that_is_quoted(record):
    card = card_of(MANIFEST, record, [evaluation(record)], None, "none")
    assert "## Scores on sealed-sr-a\n\n7 images, a sealed set; data range 1; ×2;" in card
    assert "Against the sky without noise:" in card
    assert "| **tiny** | direct | 41.25 [40.25, 42.25] |" in card
    assert "| bicubic | direct | 40.50 [39.50, 41.50] |" in card
    assert "44.00" not in card
    assert "33.00" not in card
    assert "| every point source | on the output | 20–50 | 9 | 0.980 [0.950, 1.010] | 1.20 |" in card


def classified(record):
    """What ``lensproc evaluate`` writes of classifiers, with made-up scores."""

    def figure(stage, measure, value, of_class=""):
        ends = {"value_low": value - 0.01, "value_high": value + 0.01}
        return {"stage": stage, "measure": measure, "class": of_class, "images": 9, "value": value, **ends}

    three = {"classes": ["no", "sphere", "vortex"], "confusion": [[3, 0, 1], [0, 2, 0], [0, 1, 2]]}
    two = {"classes": ["no", "substructure"], "confusion": [[3, 1], [0, 5]]}
    return {
        "kind": "classify", "left_out": 2,
        "data": {"name": "sealed-common-test", "images": 9, "sealed": True, "split_sha256": "f00d"},
        "methods": [
            {"name": "tiny", "stage": "tiny", "parameters": 1234, **three,
             "weights_sha256": record["weights"]["sha256"]},
            {"name": "any", "stage": "any", "weights_sha256": "", "parameters": None, **two},
        ],
        "scores": [
            figure("tiny", "auc", 0.95, "sphere"), figure("tiny", "auc_macro", 0.97),
            figure("any", "auc_macro", 0.94), figure("tiny", "auc_merged", 0.96),
            figure("any", "auc_merged", 0.94), figure("tiny", "ece", 0.0123),
            figure("tiny", "accuracy", 7 / 9), figure("tiny", "brier", 0.25), figure("tiny", "coverage", 0.9),
        ],
    }  # fmt: skip


def test_a_classifier_has_its_own_figures(record):
    evaluation = classified(record)
    check_evaluation(MANIFEST, record, evaluation, "e.json")
    card = card_of(MANIFEST, record, [evaluation], None, "none")
    assert "## Scores on sealed-common-test\n\n9 images, a sealed set; split SHA-256 `f00d`." in card
    assert "2 images, on which a stage failed, are left out." in card
    assert "| | **tiny** | any |\n|---|---|---|\n" in card
    assert "| AUC sphere | 0.9500 [0.9400, 0.9600] | – |" in card
    assert "| AUC macro | 0.9700 [0.9600, 0.9800] | – |" in card
    assert "| AUC of any substructure | 0.9600 [0.9500, 0.9700] | 0.9400 [0.9300, 0.9500] |" in card
    for words in (
        "accuracy | 0.7778",
        "ECE | 0.0123",
        "Brier | 0.2500",
        "coverage of the 90 % sets | 0.9000",
    ):
        assert f"| {words} [" in card
    assert "| parameters | 1,234 | – |" in card
    assert "| | no | sphere | vortex |\n|---|---|---|---|\n| no | 3 | 0 | 1 |" in card
    assert "PSNR" not in card


def test_the_calibration_stands_in_it(record):
    level = BlankLevel(3.0, 0.25, 0.625, 4.5, 3.0, 0.1)
    calibration = Calibration("", (level,), 16, Conformal("stage", {"arc": 1.75}, 40))
    card = card_of(MANIFEST, record, [], calibration, "none")
    assert "| 3 | 0.25 | 0.625 | 4.50 |" in card
    assert "(stage; 40 scenes): arc 1.75." in card


def test_of_a_classifier_stands_there_what_was_fitted(record):
    classifier = dataclasses.replace(MANIFEST, kind="classify")
    card = card_of(classifier, {**record, "fitted": {"all_views_temperature": 0.94072}}, [], None, "none")
    assert "| all views temperature | 0.9407 |" in card
    assert "a run measures" not in card
    other = {"images": ["hsc=300", "rings=200"], "split": "val", "seed": 8}
    again = card_of(classifier, {**record, "fitted": {"scale": 0.4}, "fitted_to": other}, [], None, "none")
    assert "to these images of the `val` streams of seed 8: `hsc=300`, `rings=200`.\n" in again
    assert "Fitted to the validation images" not in again
    plain = card_of(classifier, {**record, "fitted": None}, [], None, "none")
    assert "Nothing was fitted to validation images." in plain


def test_halved_weights_that_ship_are_named_beside_those_of_the_record(record):
    manifest = registry.load_registry().manifest("srresnet")
    (shipped,) = manifest.weights
    origin = half_of(read_weights(verified_path(manifest, shipped)))
    named = {**record, "weights": {"file": "srresnet.safetensors", "sha256": origin}}
    row = f"| ships | with kernels as float16: `{shipped.file}`, SHA-256 `{shipped.sha256}` |"
    assert row in card_of(manifest, named, [], None, "none")
    assert "| ships |" not in card_of(manifest, record, [], None, "none")


def test_scores_of_other_weights_are_refused(record):
    other = evaluation(record)
    other["methods"][0]["weights_sha256"] = "0" * 64
    with pytest.raises(UsageError, match=r"e\.json: the evaluation is of other weights \(000000000000…\)"):
        check_evaluation(MANIFEST, record, other, "e.json")
    del other["methods"][0]
    with pytest.raises(UsageError, match="the evaluation does not score tiny"):
        check_evaluation(MANIFEST, record, other, "e.json")


@pytest.mark.parametrize("split", ["train", "val"])
def test_scores_on_images_of_the_training_are_refused(record, split):
    seen = record["data"][split][0]["split_sha256"]
    with pytest.raises(UsageError, match="on images that training or validation has seen"):
        check_evaluation(MANIFEST, record, evaluation(record, split_sha256=seen), "e.json")
    check_evaluation(MANIFEST, record, evaluation(record), "e.json")


def test_the_command_joins_the_files(record, tmp_path, monkeypatch):
    class OneStage:
        def manifest(self, stage):
            return dataclasses.replace(MANIFEST, id=stage)

    monkeypatch.setattr(registry, "load_registry", OneStage)
    (tmp_path / "r.json").write_text(json.dumps(record))
    (tmp_path / "e.json").write_text(json.dumps(evaluation(record)))
    (tmp_path / "limits.md").write_text("Knows nothing of lenses.")
    monkeypatch.chdir(tmp_path)
    command = ["card", "tiny", "--record", "r.json", "--evaluation", "e.json"]
    refused = CliRunner().invoke(cli, command)
    assert "nothing says what tiny cannot do" in str(refused.exception)
    done = CliRunner().invoke(cli, [*command, "--limits", "limits.md"])
    assert done.exit_code == 0, done.output
    assert done.output == "tiny.md\n"
    assert (tmp_path / "tiny.md").read_text().endswith("Knows nothing of lenses.\n")
    wrong = CliRunner().invoke(cli, ["card", "other", "--record", "r.json", "--limits", "limits.md"])
    assert "the record is of 'tiny', not of other" in str(wrong.exception)
