"""Intervals calibrated on some scenes cover the truth of others; unlike images are told."""

import numpy as np
import pytest

from lensproc.enhanced import Enhanced
from lensproc.qc.calibration_scenes import make_scene
from lensproc.qc.conformal import conformal_factor
from lensproc.qc.error_calibration import error_trial, measure_conformal
from lensproc.qc.groups import GROUPS
from lensproc.qc.uncertainty import coverage, half_widths
from tests.qc.scenes import bicubic


def results(cutouts):
    return [bicubic(cutout) for cutout in cutouts]


def shrunk(cutouts):
    """Denoise by taking 1.5 σ off all detail below 4 px: stars and the core come out too faint."""
    from scipy.ndimage import gaussian_filter

    images = []
    for cutout in cutouts:
        smooth = gaussian_filter(cutout.data.astype(float), 1.5, mode="nearest")
        detail = cutout.data - smooth
        image = smooth + np.sign(detail) * np.maximum(np.abs(detail) - 1.5, 0.0)
        image = cutout.replace(data=image.astype(np.float32), variance=None)
        images.append(Enhanced(original=cutout, image=image, scale=1.0, output_psf="same"))
    return images


def covered(trials, conformal):
    """Share of the pixels of each group, over all trials, whose interval holds the truth."""
    inside, pixels = dict.fromkeys(GROUPS, 0.0), dict.fromkeys(GROUPS, 0)
    for trial in trials:
        widths = half_widths(trial.error, trial.groups, conformal)
        for name, found in coverage(trial.image, trial.truth, widths, trial.groups).items():
            if found.pixels:
                inside[name] += found.fraction * found.pixels
                pixels[name] += found.pixels
    assert min(pixels.values()) > 1000
    return {name: inside[name] / pixels[name] for name in GROUPS}


def test_a_denoiser_that_shrinks_stars_is_covered_in_every_group_once_it_is_calibrated():
    rng = np.random.default_rng(77)
    scenes = [make_scene(rng, 48) for _ in range(48)]
    trials = [error_trial(scene, shrunk([scene.cutout])[0], shrunk) for scene in scenes]
    bare = covered(trials, None)
    assert bare["point"] < 0.6, "its scatter knows nothing of its bias"
    assert bare["core"] < 0.6
    assert 0.88 <= bare["sky"] <= 0.94
    conformal = measure_conformal(shrunk, scenes=64)
    assert conformal.factors["point"] > 1.5 * conformal.factors["sky"]
    for name, share in covered(trials, conformal).items():
        assert 0.88 <= share <= 0.92, name


def test_the_factor_of_normal_scores_is_that_of_a_gaussian():
    scores = np.abs(np.random.default_rng(0).normal(size=20000))
    assert conformal_factor(scores) == pytest.approx(1.645, abs=0.03)


def test_ninety_percent_intervals_cover_ninety_percent_of_the_sky_and_arcs_held_out():
    conformal = measure_conformal(results, scenes=12)
    rng, shares = np.random.default_rng(77), {"sky": [], "arc": []}
    for _ in range(10):
        scene = make_scene(rng, 48)
        trial = error_trial(scene, results([scene.cutout])[0], results)
        widths = half_widths(trial.error, trial.groups, conformal)
        found = coverage(trial.image, trial.truth, widths, trial.groups)
        for name, values in shares.items():
            values.append(found[name].fraction)
    assert all(0.88 <= np.mean(values) <= 0.92 for values in shares.values())
