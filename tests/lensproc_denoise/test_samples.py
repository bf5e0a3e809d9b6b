from __future__ import annotations

import numpy as np
import pytest

from lensproc.errors import UsageError
from lensproc.simulate.image import simulate
from lensproc.simulate.recipe import load_recipe
from lensproc_denoise.samples import SIDE, exposure_parts, unit_range


def test_noise_drawn_anew_has_the_variance_of_the_simulated_exposure():
    sim = simulate(load_recipe("quasars"), seed=3, split="val", index=1)
    parts = exposure_parts(sim)
    sigma = sim.exposure.conditions.background_sigma
    variance = sigma**2 * (1.0 + parts["photon"] * np.maximum(parts["truth"], 0.0))
    expected = sim.exposure.expected_variance
    assert variance.shape == (SIDE, SIDE)
    inner = (slice(2, -2), slice(2, -2))  # the simulator smooths the variance over neighbours
    assert np.median(np.abs(variance / expected - 1.0)[inner]) < 1e-3
    assert np.abs(variance / expected - 1.0)[inner].max() < 0.05
    noise = (sim.exposure.data - sigma * parts["truth"]) / np.sqrt(expected)
    assert noise.std() == pytest.approx(1.0, abs=0.1)


def test_recipes_that_cannot_teach_are_refused():
    with pytest.raises(UsageError, match="not as a camera's"):
        exposure_parts(simulate(load_recipe("sr-a"), seed=3, split="val", index=1))
    with pytest.raises(UsageError, match="not of range"):
        unit_range(simulate(load_recipe("hsc"), seed=3, split="val", index=1))


def test_windows_of_unit_range_images():
    image = unit_range(simulate(load_recipe("common-test"), seed=3, split="val", index=1))["image"]
    assert image.shape == (SIDE, SIDE)
    assert 0.0 <= image.min() < image.max() <= 1.0
