"""Stages, the baselines beside them, and what declares a sharper PSF."""

from __future__ import annotations

import numpy as np
import pytest

from lensproc.contract.manifest import Manifest
from lensproc.contract.registry import Registry, load_registry
from lensproc.cutout import PSF
from lensproc.errors import UsageError
from lensproc.evaluate.scoring.methods import ITERATIONS, methods_for, yardstick
from lensproc.evaluate.scoring.score import matching
from lensproc.nn.psf import fwhm_of, gaussian_psf


def test_the_three_baselines_stand_beside_a_stage_that_doubles():
    methods, scale = methods_for(["starlet"], {}, "cpu")
    assert scale == 2
    assert [m.name for m in methods] == ["starlet", "bicubic", "lanczos", "richardson-lucy"]
    assert [m.baseline for m in methods] == [False, True, True, True]


def test_a_denoiser_stands_beside_its_input_and_a_deconvolution_at_its_scale():
    methods, scale = methods_for(["nlm"], {}, "cpu", extra=("starlet",))
    assert scale == 1
    assert [m.name for m in methods] == ["nlm", "raw", "richardson-lucy", "starlet"]
    assert [dict(m.options).get("scale") for m in methods[2:]] == [1, 1]
    assert yardstick(methods) == "raw"


def test_richardson_lucy_is_scored_with_several_numbers_of_iterations():
    methods, _ = methods_for(["lanczos"], {}, "cpu", best_iterations=True)
    several = [dict(m.options)["iterations"] for m in methods if m.stage == "richardson-lucy"]
    assert several == list(ITERATIONS)


def test_options_reach_a_stage_and_a_baseline():
    given = {"starlet": {"threshold": "3"}, "richardson-lucy": {"iterations": "7"}}
    methods, _ = methods_for(["starlet"], given, "cpu")
    assert dict(methods[0].options)["threshold"] == 3.0
    assert dict(methods[-1].options)["iterations"] == 7


def test_stages_of_different_scales_are_refused():
    with pytest.raises(UsageError, match="different scales"):
        methods_for(["bicubic", "nlm"], {}, "cpu")


def test_a_kind_without_scores_is_refused_by_name(monkeypatch):
    manifest = Manifest(id="finder", kind="classify", factory="nowhere:nothing", summary="finds lenses")
    real = load_registry()
    monkeypatch.setattr(
        Registry,
        "manifest",
        lambda self, stage: manifest if stage == "finder" else real.manifests[stage],
    )
    with pytest.raises(UsageError, match="finder is of the kind classify"):
        methods_for(["finder"], {}, "cpu")


def test_a_sharper_output_is_convolved_to_the_reference_and_no_other():
    reference = gaussian_psf(6.0)
    assert matching(reference, PSF(6.0, reference)) is None
    assert matching(reference, PSF(8.0)) is None
    assert matching(None, PSF(1.0)) is None
    assert matching(reference, None) is None
    assert matching(reference, PSF(0.0)) is reference
    kernel = matching(reference, PSF(3.0))
    assert kernel is not None
    # widths of Gaussians add in squares
    assert fwhm_of(kernel) == pytest.approx(np.sqrt(6.0**2 - 3.0**2), rel=0.03)
