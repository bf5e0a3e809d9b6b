"""Several devices share each batch; here they are processes on a CPU."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lensproc.errors import UsageError
from lensproc.nn.weights import read_weights
from tests.train.tiny import tiny_run, trained

ROOT = Path(__file__).parents[2]


def test_two_devices_learn_as_one(tmp_path):
    """But for the noise, which each draws for itself, and the statistics of its half of a batch."""
    command = [sys.executable, "-m", "tests.train.tiny", str(tmp_path), "0", "1000", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "out" / "tiny.training.json").read_text())
    assert record["machine"]["devices"] == 2
    alone = trained(tiny_run(tmp_path, "alone")).record
    assert record["steps"] == alone["steps"] == 12
    for entry, other in zip(record["curve"], alone["curve"], strict=True):
        assert entry["rate"] == pytest.approx(other["rate"])
        assert entry["val"]["loss"] == pytest.approx(other["val"]["loss"], rel=0.5)
    state = read_weights(tmp_path / "out" / "tiny.safetensors").state
    assert all(bool(torch.isfinite(tensor).all()) for tensor in state.values())


def test_a_batch_must_be_shared_evenly(tmp_path):
    with pytest.raises(UsageError, match="batch_size 4 cannot be shared by 3 devices"):
        trained(tiny_run(tmp_path, devices=3))
