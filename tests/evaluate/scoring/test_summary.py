"""Both averages of the PSNR, gains, and what a method is quoted with."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lensproc.evaluate.scoring.metrics import Agreement
from lensproc.evaluate.scoring.score import Score
from lensproc.evaluate.scoring.summary import REGIONS, best_of, quoted, summarise

NOTHING = Agreement(0, math.nan, math.nan, math.nan)


def scores(method: str, mses, variant: str = "direct", sigma: float = 0.1) -> list[Score]:
    return [
        Score(
            index,
            method,
            "truth",
            variant,
            sigma,
            dict.fromkeys(REGIONS, NOTHING) | {"all": Agreement(100, 0.0, float(mse), 0.9)},
            1.0,
            0,
        )
        for index, mse in enumerate(mses)
    ]


def row(rows, method, variant="direct", region="all"):
    return next(r for r in rows if (r.method, r.variant, r.region) == (method, variant, region))


MSES = 10.0 ** np.random.default_rng(2).uniform(-4, -2, 40)


def test_the_psnr_of_the_mean_mse_is_below_the_mean_of_the_psnr():
    found = row(summarise(scores("bicubic", MSES), 1.0, "bicubic"), "bicubic")
    assert found.psnr_of_mean.value == pytest.approx(-10 * np.log10(MSES.mean()))
    assert found.psnr_mean.value == pytest.approx((-10 * np.log10(MSES)).mean())
    assert found.psnr_of_mean.value < found.psnr_mean.value
    for measured in (found.psnr_mean, found.psnr_of_mean, found.rmse_sigma):
        assert measured.low < measured.value < measured.high
    assert found.rmse_sigma.value == pytest.approx(np.sqrt(MSES.mean()) / 0.1)


def test_equal_mses_make_both_averages_equal():
    found = row(summarise(scores("bicubic", [1e-3] * 6), 1.0, "bicubic"), "bicubic")
    assert found.psnr_mean.value == pytest.approx(30.0)
    assert found.psnr_of_mean.value == pytest.approx(30.0)


def test_gains_are_paired_with_the_yardstick():
    rows = summarise([*scores("half", MSES / 2), *scores("bicubic", MSES)], 1.0, "bicubic")
    gain = row(rows, "half")
    # every image gains the same 3.01 dB, so that the interval has no width however much images differ
    for measured in (gain.gain_mean, gain.gain_of_mean):
        assert measured.value == pytest.approx(10 * math.log10(2))
        assert measured.high - measured.low == pytest.approx(0.0, abs=1e-9)
    assert row(rows, "bicubic").gain_of_mean.value == 0.0


def test_an_exact_image_makes_the_mean_infinite_and_is_counted():
    found = row(summarise(scores("bicubic", [0.0, 1e-2]), 1.0, "bicubic"), "bicubic")
    assert found.exact == 1
    assert found.psnr_mean.value == math.inf
    assert math.isnan(found.psnr_mean.low)
    assert found.psnr_of_mean.value == pytest.approx(-10 * math.log10(5e-3))
    assert found.gain_of_mean.value == 0.0


def test_a_region_without_pixels_has_no_figures():
    found = row(summarise(scores("bicubic", MSES), 1.0, "bicubic"), "bicubic", region="point")
    assert found.images == 0
    assert math.isnan(found.psnr_of_mean.value)


def test_a_stage_is_quoted_at_the_psf_it_declares_and_a_baseline_by_the_better_value():
    rows = summarise([*scores("sharp", MSES), *scores("sharp", 2 * MSES, "matched_psf")], 1.0, "bicubic")
    assert quoted(rows, "sharp", "truth", baseline=False).variant == "matched_psf"
    assert quoted(rows, "sharp", "truth", baseline=True).variant == "direct"
    assert quoted(rows, "other", "truth", baseline=True) is None


def test_where_the_reference_has_its_own_scale_the_fitted_image_is_quoted():
    both = [*scores("a", MSES, sigma=math.nan), *scores("a", MSES / 3, "affine", sigma=math.nan)]
    assert quoted(summarise(both, 1.0, "a"), "a", "truth", baseline=False).variant == "affine"


def test_the_best_of_several_settings_is_named():
    rows = summarise(
        [*scores("rl 5", MSES), *scores("rl 10", MSES / 2), *scores("rl 20", MSES)], 1.0, "bicubic"
    )
    assert best_of(rows, ["rl 5", "rl 10", "rl 20"], "truth") == "rl 10"
    assert best_of(rows, ["rl 5"], "noisy") is None
