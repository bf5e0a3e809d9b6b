"""Limits, verdicts and the order of QASTAT."""

import math

import pytest

from lensproc.qc import thresholds
from lensproc.qc.verdict import (
    is_lost,
    judge,
    judge_chance,
    judge_chi2,
    judge_flux,
    overall,
    verdict_of_new,
)

LIMIT = thresholds.Limit(0.05, 0.1)


def test_a_limit_is_broken_only_beyond_the_photon_error():
    assert judge(0.04, 0.0, LIMIT) == "PASS"
    assert judge(0.07, 0.0, LIMIT) == "WARN"
    assert judge(0.2, 0.01, LIMIT) == "FAIL"
    assert judge(0.2, 0.04, LIMIT) == "WARN"
    assert judge(0.2, 0.1, LIMIT) == "PASS"


def test_flux_counts_its_limits_from_zero():
    assert judge_flux(-0.9, 0.0) == "PASS"
    assert judge_flux(5.0, 3.0) == "PASS"
    assert judge_flux(-2.0, 0.1) == "WARN"
    assert judge_flux(-4.0, 1.0) == "FAIL"


def test_chi2_is_two_sided_and_copied_noise_is_a_warning():
    assert [judge_chi2(v, 0.02) for v in (0.05, 0.6, 1.0, 1.4, 1.8)] == [
        "WARN",
        "WARN",
        "PASS",
        "WARN",
        "FAIL",
    ]
    assert judge_chi2(1.6, 0.5) == "PASS"


def test_chance():
    assert [judge_chance(p) for p in (0.5, 1e-3, 1e-6)] == ["PASS", "WARN", "FAIL"]


@pytest.mark.parametrize(
    ("snr", "flux_out", "claims", "dchi2", "image", "expected"),
    [
        (8.0, 9.0, False, math.nan, False, "RESOLVED"),
        (4.0, 9.0, False, math.nan, True, "AMBIG"),
        (1.0, 9.0, False, math.nan, True, "HALLUC"),
        (1.0, 2.0, False, math.nan, True, "AMBIG"),
        (8.0, 9.0, True, 40.0, True, "RESOLVED"),
        (8.0, 9.0, True, 10.0, True, "AMBIG"),
        (8.0, 9.0, True, 400.0, False, "AMBIG"),
        (math.nan, 9.0, False, math.nan, True, "AMBIG"),
    ],
)
def test_new_candidates(snr, flux_out, claims, dchi2, image, expected):
    assert verdict_of_new(snr, snr, flux_out, 1.0, claims, dchi2, image) == expected


@pytest.mark.parametrize(
    ("flux_in", "flux_out", "expected"),
    [
        # the wing of a bright star: PSF and constant do not describe it, neither in x nor in H y
        (-260.0, -262.0, "AMBIG"),
        (-260.0, -200.0, "AMBIG"),
        # a source drawn into it, brighter than what the model misses
        (-260.0, 40.0, "HALLUC"),
        (-4.0, 6.0, "HALLUC"),
        # the output shows nothing significant either
        (-2.0, 2.0, "AMBIG"),
    ],
)
def test_what_the_model_does_not_describe_is_not_denied(flux_in, flux_out, expected):
    assert verdict_of_new(flux_in, flux_in, flux_out, 1.0, False, math.nan, True) == expected


@pytest.mark.parametrize(
    ("flux_out", "error", "expected"),
    [
        (10.0, 1.0, "RESOLVED"),
        (7.5, 1.0, "RESOLVED"),
        (20.0, 1.0, "AMBIG"),
        (0.3, 1.0, "AMBIG"),
        (20.0, 4.0, "RESOLVED"),
    ],
)
def test_a_source_is_resolved_where_its_flux_is_that_of_the_input(flux_out, error, expected):
    assert verdict_of_new(10.0, 10.0, flux_out, error, False, math.nan, True) == expected


def test_a_source_is_lost_where_its_flux_is():
    assert is_lost(10.0, 10.0, 1.0, 1.0)
    assert not is_lost(10.0, 10.0, 8.0, 1.0)
    assert not is_lost(6.0, 6.0, 0.0, 1.0)


def test_the_first_that_applies():
    assert overall(["PASS", "WARN", "FAIL"], 2) == "FAIL"
    assert overall(["PASS", "WARN"], None) == "WARN"
    assert overall(["PASS"], None) == "UNKNOWN"
    assert overall(["PASS", "NONE"], 0) == "NOSRC"
    assert overall(["PASS", "NONE"], 3) == "PASS"
