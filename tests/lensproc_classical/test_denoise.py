from __future__ import annotations

import numpy as np
import pytest

from lensproc.testing.scenes import Scene, draw, field
from lensproc.testing.suite import subject_of
from lensproc_classical.denoise import non_local_means, wavelet_shrinkage

SCENE = draw((64, 64), [(20.0, 40.0, 3000.0)])


def noisy(seed: int = 0) -> np.ndarray:
    return SCENE + np.random.default_rng(seed).normal(size=SCENE.shape)


@pytest.mark.parametrize(
    ("smooth", "left"),
    [
        (lambda image: non_local_means(image, 1.0, 0.8, 5, 6), 0.2),
        (lambda image: wavelet_shrinkage(image, 1.0, 1.0, "BayesShrink"), 0.8),
        (lambda image: wavelet_shrinkage(image, 1.0, 1.0, "VisuShrink"), 0.2),
    ],
    ids=["nlm", "bayes", "visu"],
)
def test_noise_of_the_sky_falls_and_the_star_stays(smooth, left):
    image = smooth(noisy())
    assert image[:, 40:].std() < left
    near = (slice(30, 51), slice(10, 31))
    assert image[near].sum() == pytest.approx(SCENE[near].sum(), rel=0.02)


@pytest.mark.parametrize("unit", [1e-11, 1e6])
def test_the_unit_does_not_matter(unit):
    for smooth in (
        lambda image, sigma: non_local_means(image, sigma, 0.8, 5, 6),
        lambda image, sigma: wavelet_shrinkage(image, sigma, 1.0, "BayesShrink"),
    ):
        expected = smooth(noisy(), 1.0)
        np.testing.assert_allclose(smooth(unit * noisy(), unit) / unit, expected, atol=1e-4)


def test_wavelet_shrinkage_does_not_prefer_pixels():
    image = np.pad(noisy(), 8, mode="symmetric")
    here = wavelet_shrinkage(image, 1.0, 1.0, "VisuShrink")
    there = wavelet_shrinkage(np.roll(image, 1, axis=1), 1.0, 1.0, "VisuShrink")
    inner = (slice(32, -24), slice(32, -24))
    np.testing.assert_allclose(np.roll(there, -1, axis=1)[inner], here[inner], atol=1e-3)


@pytest.mark.parametrize("stage", ["nlm", "wavelet"])
def test_an_image_without_noise_comes_back_as_it_was(stage):
    scene = Scene.of(SCENE[None])
    image = subject_of(stage).run([scene])[0].image
    np.testing.assert_allclose(image, scene.data, atol=1e-3)


@pytest.mark.parametrize("stage", ["nlm", "wavelet"])
def test_the_noise_comes_from_the_variance_plane(stage):
    scene = field((48, 48), variance=1.0)
    doubted = field((48, 48), variance=9.0)
    subject = subject_of(stage)
    trusting, careful = (subject.run([s])[0].image - s.data for s in (scene, doubted))
    assert careful.std() > 1.1 * trusting.std()
