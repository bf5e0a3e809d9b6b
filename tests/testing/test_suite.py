from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from lensproc.enhanced import Value
from lensproc.errors import PluginError, UsageError
from lensproc.testing import CHECKS, check_stage, parametrize_with_checks
from lensproc.testing.scenes import STAR_FLUX, single_star
from lensproc.testing.star_checks import measure
from lensproc.testing.suite import run_check, subject_of
from tests.testing.bad_stages import BAD, GOOD, variant

MUTANTS = [(check, manifest) for check, manifests in BAD.items() for manifest in manifests]


@pytest.mark.parametrize(
    ("check", "manifest"), MUTANTS, ids=[f"{check}-{manifest.summary}" for check, manifest in MUTANTS]
)
def test_a_broken_promise_is_caught_by_the_check_that_is_named_after_it(check, manifest):
    result = run_check(subject_of(manifest), check)
    assert result.status == "failed"
    assert result.message
    assert not result.ok


@pytest.mark.parametrize(("source", "message"), [("import torch", "torch"), ("import nowhere", "nowhere")])
def test_a_package_whose_import_costs_torch_is_caught(tmp_path, monkeypatch, source, message):
    (tmp_path / "heavy_package.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    manifest = dataclasses.replace(GOOD, factory="heavy_package:Stage")
    result = run_check(subject_of(manifest), "manifest_imports_without_torch")
    assert result.status == "failed"
    assert message in result.message


def test_every_check_has_a_stage_that_it_catches():
    assert {*BAD, "manifest_imports_without_torch"} == set(CHECKS)


def test_a_good_stage_passes_all_but_what_does_not_apply():
    results = {result.name: result for result in check_stage(GOOD)}
    assert list(results) == list(CHECKS)
    assert [name for name, result in results.items() if not result.ok] == []
    skipped = {name for name, result in results.items() if result.status == "not applicable"}
    assert skipped == {"wrong_weights_are_refused", "findings_are_well_formed"}
    assert results["wrong_weights_are_refused"].message == "the stage has no weights"


@parametrize_with_checks([GOOD])
def test_parametrised_checks_of_a_good_stage(check):
    check()


def test_an_expected_failure_is_no_error_and_keeps_its_reason():
    manifest = variant("LosesFlux")
    result = run_check(subject_of(manifest), "star_keeps_flux", "it is a demonstration")
    assert result.ok
    assert result.status == "expected failure"
    assert result.message.startswith("it is a demonstration (the flux of a star changes by -5 %")


def test_an_expected_failure_that_passes_is_an_error():
    result = run_check(subject_of(GOOD), "star_keeps_flux", "it was bad once")
    assert not result.ok
    assert result.status == "unexpected pass"
    assert "it was bad once" in result.message


@pytest.mark.parametrize("failures", [{"no_such_check": "reason"}, {"star_keeps_flux": " "}])
def test_expected_failures_need_a_known_check_and_a_reason(failures):
    with pytest.raises(UsageError):
        check_stage(GOOD, failures)


def test_messages_say_what_was_seen_and_what_was_expected():
    shape = run_check(subject_of(variant("Good", scale=2)), "output_shape")
    assert shape.message == (
        "the stage gave images of shape (1, 1, 40, 56), expected (1, 1, 80, 112) (2 × the input)"
    )
    moved = run_check(subject_of(variant("HalfPixel")), "star_keeps_centroid")
    assert "moves by (+0.5" in moved.message
    assert "expected at most 0.05" in moved.message


def test_a_stage_that_raises_is_a_failure_with_its_traceback():
    result = run_check(subject_of(variant("NeedsThePSF")), "without_psf")
    assert result.message.startswith("the stage raised AttributeError")
    assert "bad_stages.py" in result.traceback


def test_values_are_compared_and_well_formed_for_a_classifier():
    manifest = variant("Classifier", kind="classify", provides=("MEANSB",))
    results = {result.name: result for result in check_stage(manifest)}
    assert [name for name, result in results.items() if not result.ok] == []
    assert results["findings_are_well_formed"].status == "passed"
    assert results["star_keeps_flux"].message == "the stage gives no image"


def test_several_bands_arrive_as_channels():
    manifest = variant("Good", bands=("g", "r", "i"))
    assert all(result.ok for result in check_stage(manifest))
    batch, _ = subject_of(manifest).batch([single_star((40, 40), 20.0, 20.0, bands=3)])
    assert batch.images.shape == (1, 3, 40, 40)
    assert batch.items[0].bands == ("g", "r", "i")
    assert len(batch.items[0].noise) == 3


def test_products_are_handed_in_and_missed_by_name():
    manifest = variant("WantsProduct", kind="physics", requires=("MEANSB",))

    def products(scene):
        return {"MEANSB": Value(float(scene.data.mean()))}

    assert all(result.ok for result in check_stage(manifest, products=products))
    with pytest.raises(UsageError, match="requires MEANSB"):
        check_stage(manifest)


def test_an_unknown_stage_is_named():
    with pytest.raises(PluginError, match="no-such-stage"):
        check_stage("no-such-stage")


def test_both_images_reach_a_stage_that_sees_both():
    manifest = variant("Good", sees="both")
    batch, _ = subject_of(manifest).batch([single_star((40, 40), 20.0, 20.0)])
    assert batch.original is not None
    assert batch.original.shape == (1, 1, 40, 40)


@pytest.mark.parametrize("normalisation", ["none", "noise", "peak", "range"])
@pytest.mark.parametrize("amplitude", ["flux", "surface brightness"])
def test_normalisation_is_undone(normalisation, amplitude):
    scene = single_star((40, 44), 20.0, 20.0)
    subject = subject_of(variant("Good", normalisation=normalisation, amplitude=amplitude))
    image = subject.run([scene])[0].image
    np.testing.assert_allclose(image, scene.data, atol=1e-5 * scene.data.max())


def test_the_measured_star_is_the_one_that_was_drawn():
    scene = single_star((48, 48), 23.3, 24.8)
    flux, x, y = measure(scene.data[0], 23.3, 24.8, 1)
    assert flux == pytest.approx(STAR_FLUX, rel=2e-3)
    assert (x, y) == pytest.approx((23.3, 24.8), abs=2e-3)
