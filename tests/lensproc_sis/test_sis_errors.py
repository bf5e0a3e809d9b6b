"""Weights calibrated anew: nothing but the calibration changes, and the file says where it comes from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.sis_errors import Errors, held_out, network_of, record_with, refitted
from lensproc.nn.weights import read_weights, save_weights
from lensproc.train.cache import CachedShare
from lensproc_sis.error_calibration import ENOUGH, calibrate_to
from lensproc_sis.error_features import FEATURES
from tests.lensproc_sis.known_lenses import sis_weights

SHARES = (CachedShare(Path(), "hsc", ENOUGH, 8, "val", {}, "split", "data"),)


def errors(number: int = ENOUGH) -> Errors:
    """Lenses that are the more wrong the larger their first feature is; of two recipes by its sign."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(number, 7, len(FEATURES)))
    wrong = features[:, :, 0] > 0
    ratio = np.abs(rng.normal(size=(number, 7))) * np.exp(0.7 * features[:, :, 0])
    made = (torch.from_numpy(part).float() for part in (features, ratio, 0.02 * rng.normal(size=number)))
    return Errors(*made, tuple("hsc" if odd else "rings" for odd in wrong[:, 0]))


@pytest.fixture
def weights(tmp_path):
    return read_weights(sis_weights(tmp_path / "sis.safetensors"))


def test_only_the_calibration_changes(weights, tmp_path):
    after, fitted = refitted(weights, errors(), SHARES)
    for name, values in weights.state.items():
        same = torch.equal(values, after.state[name])
        assert (
            same == (name not in ("calibration",) and not name.startswith("errors.")) or not values.any()
        ), name
    assert after.state["errors.offset"].abs().min() > 0
    assert fitted["images"] == ENOUGH
    assert fitted["scale_radius_5_percent"] < fitted["scale_radius"] < fitted["scale_radius_95_percent"]
    save_weights(tmp_path / "again.safetensors", after.state, after.metadata)
    read = read_weights(tmp_path / "again.safetensors")
    assert network_of(read).errors.fitted
    assert read.metadata["errors"]["refitted_from"] == [weights.sha256]
    assert read.metadata["errors"]["images"] == [f"hsc={ENOUGH}"]
    twice, _ = refitted(read, errors(), SHARES)
    assert twice.metadata["errors"]["refitted_from"] == [weights.sha256, read.sha256]
    assert {key: read.metadata[key] for key in weights.metadata} == weights.metadata


def test_a_record_keeps_all_but_what_was_fitted():
    record = {"stage": "sis", "weights": {"sha256": "a"}, "fitted": {"scale_radius": 1.0}}
    assert record_with(record, {"seed": 8}, {"images": 3.0}) == {
        "stage": "sis", "weights": {"sha256": "a"}, "fitted": {"images": 3.0}, "fitted_to": {"seed": 8},
    }  # fmt: skip


def test_too_few_lenses_leave_one_factor(weights):
    network = network_of(weights)
    few = errors(ENOUGH - 1)
    fitted = calibrate_to(network, few.features, few.ratio, few.radius)
    assert not network.errors.fitted
    assert "scale_radius_5_percent" not in fitted
    assert float(network.calibration[0]) == pytest.approx(fitted["scale_radius"])


def test_the_table_shows_what_one_factor_holds_and_what_the_fit_holds():
    """By recipe: one factor is too small for the one and too large for the other."""
    rows = {
        row.split(" | ")[0].strip("| "): row.strip("| ").split(" | ")[2] for row in held_out(errors(1000))[2:]
    }
    (wide, told_wide), (narrow, told_narrow) = (
        [int(n) for n in rows[r].split(" → ")] for r in ("hsc", "rings")
    )
    assert wide < 58
    assert narrow > 78
    assert abs(told_wide - 68) < 8
    assert abs(told_narrow - 68) < 8
