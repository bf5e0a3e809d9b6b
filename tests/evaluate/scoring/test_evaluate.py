"""Sets are scored in the right convention, and the same whatever the number of processes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from lensproc.errors import InputError, UsageError
from lensproc.evaluate.scoring import dataset
from lensproc.evaluate.scoring.dataset import open_dataset
from lensproc.evaluate.scoring.methods import DECONVOLVER, methods_for
from lensproc.evaluate.scoring.output import to_json, write
from lensproc.evaluate.scoring.run import evaluate

pytest.importorskip("lenstronomy")


@pytest.fixture(scope="module", autouse=True)
def few_images_for_the_range():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "RANGE_IMAGES", 4)
        yield


def interpolations():
    """Lanczos as the stage, with bicubic, without the slow baseline."""
    methods, scale = methods_for(["lanczos"], {}, "cpu")
    return [method for method in methods if method.stage != DECONVOLVER], scale


def run(data: str, number: int, **options):
    methods, scale = interpolations()
    return evaluate(open_dataset(data, number), methods, scale, **options)


def of(evaluation, method, reference, variant="direct", region="all"):
    return next(
        s
        for s in evaluation.summaries
        if (s.method, s.reference, s.variant, s.region) == (method, reference, variant, region)
    )


@pytest.fixture(scope="module")
def sr_a():
    return run("sr-a", 10, against=("noisy", "truth"))


@pytest.fixture(scope="module")
def hsc():
    return run("hsc", 3, against=("truth", "sharp"))


def test_bicubic_scores_on_sr_a_what_is_known_of_it(sr_a):
    assert sr_a.data_range == 1.0
    noisy = of(sr_a, "bicubic", "noisy")
    assert noisy.psnr_mean.value == pytest.approx(42.2, abs=0.5)
    assert noisy.psnr_of_mean.value < noisy.psnr_mean.value
    # the noise of the partner, which the input shares in part, is the ceiling there
    assert of(sr_a, "bicubic", "truth").psnr_mean.value > noisy.psnr_mean.value + 2.0
    assert noisy.flux.value == pytest.approx(1.0, abs=2e-3)


def test_the_stage_stands_before_the_baselines_and_bicubic_is_the_yardstick(sr_a):
    assert [(m.name, m.baseline) for m in sr_a.methods] == [("lanczos", False), ("bicubic", True)]
    assert sr_a.yardstick == "bicubic"
    assert of(sr_a, "bicubic", "noisy").gain_mean.value == 0.0
    gain = of(sr_a, "lanczos", "noisy").gain_mean
    assert gain.value == pytest.approx(
        of(sr_a, "lanczos", "noisy").psnr_mean.value - of(sr_a, "bicubic", "noisy").psnr_mean.value
    )
    assert gain.low <= gain.value <= gain.high < 0.0


def test_an_affine_fit_never_makes_the_error_larger(sr_a):
    for method in ("bicubic", "lanczos"):
        direct, fitted = (of(sr_a, method, "noisy", variant) for variant in ("direct", "affine"))
        assert fitted.mse.value <= direct.mse.value


def test_two_processes_give_the_bytes_of_one(sr_a):
    two = run("sr-a", 10, against=("noisy", "truth"), jobs=2)
    assert to_json(two, {}) == to_json(sr_a, {})


def test_flux_per_pixel_is_compared_as_surface_brightness(hsc):
    truth = of(hsc, "bicubic", "truth")
    assert truth.flux.value == pytest.approx(1.0, abs=0.01)
    # the noise of the input rules the error: 1 σ for a copy, a little less for an interpolation
    assert 0.6 < truth.rmse_sigma.value < 1.4
    assert abs(truth.bias_sigma.value) < 0.1


def test_the_data_range_is_the_peak_of_the_truths_and_does_not_depend_on_the_number_of_images(hsc):
    from lensproc.evaluate.scoring.run import data_range_of

    peaks = []
    for example in hsc.dataset.examples(range(4), 2, ("truth",)):
        peaks.append(float(np.ptp(example.references["truth"].image)))
    assert hsc.data_range == pytest.approx(float(np.median(peaks)))
    assert data_range_of(open_dataset("hsc", 1), 2) == hsc.data_range


def test_point_sources_are_measured_with_their_hosts_taken_off():
    found = run("quasars", 8, against=("truth",))
    for method in ("input", "bicubic"):
        rows = [p for p in found.points if (p.sample, p.place, p.method) == ("all", "H(output)", method)]
        bright = [p for p in rows if p.low >= 10.0 and p.ratio.n >= 5]
        assert bright
        for one in bright:
            assert one.ratio.value == pytest.approx(1.0, abs=0.15)
            assert one.scatter.value < 2.0


def test_a_folder_gives_the_scores_of_the_simulation_that_wrote_it(tmp_path, sr_a):
    from lensproc.simulate.folder import plan_for, run_plan
    from lensproc.simulate.recipe import load_recipe

    run_plan(plan_for(load_recipe("sr-a"), 2, 0, "test", tmp_path))
    found = run(str(tmp_path), 2, against=("noisy", "truth"))
    assert found.data_range == 1.0
    known = {s.index: s.regions["all"].mse for s in sr_a.scores if _is_direct(s)}
    for one in (s for s in found.scores if _is_direct(s)):
        assert one.regions["all"].mse == pytest.approx(known[one.index], rel=1e-5)
    assert found.dataset.describe()["split_sha256"] == sr_a.dataset.describe()["split_sha256"]


def _is_direct(score) -> bool:
    return (score.method, score.reference, score.variant) == ("bicubic", "noisy", "direct")


def test_a_sharper_output_is_convolved_and_a_partner_on_its_own_scale_is_fitted():
    given = {DECONVOLVER: {"iterations": 5}}
    methods, scale = methods_for([DECONVOLVER], given, "cpu")
    found = evaluate(open_dataset("sr-b", 2), methods, scale, against=("partner", "truth", "gaussian"))
    # five iterations are far from a point: convolved once more the image is nearer to the truth behind the PSF
    assert of(found, DECONVOLVER, "truth", "matched_psf").mse.value < of(found, "bicubic", "truth").mse.value
    stage, bicubic = found.methods[0], found.methods[1]
    assert found.quoted(stage, "truth").variant == "matched_psf"
    assert found.quoted(bicubic, "truth").variant == "direct"
    assert found.quoted(bicubic, "partner").variant == "affine"
    assert np.isnan(of(found, "bicubic", "partner").flux.value)
    assert found.panels[0].held_against == {
        DECONVOLVER: "gaussian",
        "bicubic": "truth",
        "lanczos": "truth",
    }
    assert "matched_psf" not in {s.variant for s in found.summaries if s.method == "bicubic"}


def test_files_are_written_and_the_same_numbers_stand_in_them(tmp_path, sr_a):
    pytest.importorskip("matplotlib")
    from astropy.table import Table

    names = [path.name for path in write(sr_a, {"lensproc": "1"}, tmp_path)]
    assert names == [
        "evaluate.json",
        "scores.ecsv",
        "images.ecsv",
        "speed.json",
        "examples.png",
        "evaluate.md",
    ]
    record = json.loads((tmp_path / "evaluate.json").read_text())
    first = next(r for r in record["scores"] if r["method"] == "bicubic" and r["reference"] == "noisy")
    assert first["psnr_mean"] == of(sr_a, "bicubic", "noisy").psnr_mean.value
    assert record["data"]["images"] == 10
    images = Table.read(tmp_path / "images.ecsv")
    mine = images[(images["method"] == "bicubic") & (images["reference"] == "noisy")]
    mine = mine[mine["variant"] == "direct"]
    assert float(np.mean(mine["psnr"])) == pytest.approx(first["psnr_mean"])
    assert "| bicubic" in (tmp_path / "evaluate.md").read_text()


def test_a_sealed_set_keeps_its_seed_and_says_which_part_was_scored():
    part = open_dataset("sealed-sr-a", 5)
    assert (part.seed, part.split, part.number, part.whole) == (20260105, "test", 5, 1000)
    assert "first 5 of 1000" in part.words
    assert open_dataset("sealed-sr-b").number == 300
    with pytest.raises(UsageError, match="300 images"):
        open_dataset("sealed-sr-b", 301)
    with pytest.raises(UsageError, match="sealed"):
        open_dataset("sealed-sr-b", seed=1)


def test_a_folder_without_a_catalogue_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"catalog\.ecsv"):
        open_dataset(str(tmp_path))


def test_a_set_without_the_reference_is_refused():
    with pytest.raises(UsageError, match="none of the references partner"):
        run("hsc", 1, against=("partner",))


def test_point_sources_are_refused_where_there_are_none():
    with pytest.raises(UsageError, match="no point sources"):
        run("sr-a", 1, points=True)


def test_the_command_prints_the_tables_and_says_what_a_stage_lacks(tmp_path):
    pytest.importorskip("matplotlib")
    from click.testing import CliRunner

    from lensproc.cli.evaluate import command

    given = ["lanczos", "--data", "sr-b", "-n", "1", "--against", "truth", "-j", "1", "--device", "cpu"]
    given += ["--set", "richardson-lucy.iterations=2", "-o", str(tmp_path / "scores")]
    result = CliRunner().invoke(command, given, catch_exceptions=False)
    assert result.exit_code == 0
    assert "| richardson-lucy" in result.output
    assert "**noisy**" not in result.output
    record = json.loads((tmp_path / "scores" / "evaluate.json").read_text())
    assert {m["name"]: m["options"].get("iterations") for m in record["methods"]}[DECONVOLVER] == 2
    assert record["dists"]["lanczos"].startswith("lensproc")
    failed = CliRunner().invoke(command, ["lanczos", "--data", "nowhere", "-o", str(tmp_path / "none")])
    assert isinstance(failed.exception, UsageError)
    assert "no recipe 'nowhere'" in str(failed.exception)
