"""A training that is killed and goes on ends where one ends that was left alone."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lensproc.errors import InputError, UsageError
from lensproc.nn.weights import read_weights
from lensproc.train.state import read_checkpoint
from tests.train.tiny import RECIPE, Silent, tiny_run, trained

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("left-alone")
    return trained(tiny_run(folder))


def reproducible(record):
    return {key: value for key, value in record.items() if key not in ("machine", "time")}


@pytest.mark.parametrize(("step", "every"), [(8, 0.0), (8, 1000.0)], ids=["in an epoch", "at its end"])
def test_killed_in_the_middle_it_ends_with_the_same_weights(tmp_path, uninterrupted, step, every):
    command = [sys.executable, "-m", "tests.train.tiny", str(tmp_path), str(step), str(every), "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    watcher = Silent()
    again = trained(tiny_run(tmp_path), watcher)
    assert watcher.resumed
    # Twelve steps in all; the checkpoint in the middle holds 7 of them, that of the last epoch 6.
    assert watcher.steps == (5 if every == 0.0 else 6)
    assert again.weights.read_bytes() == uninterrupted.weights.read_bytes()
    assert reproducible(again.record) == reproducible(uninterrupted.record)


def test_the_record_tells_what_is_reproducible_from_what_is_not(uninterrupted):
    record = json.loads((uninterrupted.weights.parent / "tiny.training.json").read_text())
    assert reproducible(record) == reproducible(uninterrupted.record)
    assert record["weights"]["sha256"] == read_weights(uninterrupted.weights).sha256
    assert record["machine"]["device"] == "cpu"
    assert 0.0 < record["time"]["minutes"] < 5.0
    assert len(record["curve"]) == len(record["time"]["curve_minutes"]) == 4
    assert record["stopped"] == "epochs"


def test_a_finished_training_is_not_trained_again(tmp_path):
    first = trained(tiny_run(tmp_path, epochs=2))
    content = first.weights.read_bytes()
    watcher = Silent()
    again = trained(tiny_run(tmp_path, epochs=2), watcher)
    assert watcher.steps == 0
    assert again.weights.read_bytes() == content
    longer = Silent()
    trained(tiny_run(tmp_path, epochs=3), longer)
    assert longer.steps == 3


def test_another_recipe_is_refused_in_the_same_folder(tmp_path):
    trained(tiny_run(tmp_path, epochs=1))
    with pytest.raises(UsageError, match=r"holds a training with other settings, data or start.*--no-resume"):
        trained(tiny_run(tmp_path, epochs=1, learning_rate=0.5))
    with pytest.raises(UsageError, match="holds a training with other settings"):
        trained(tiny_run(tmp_path, text=f"{RECIPE}\n[network]\nstart = 1\n", epochs=1))
    anew = trained(tiny_run(tmp_path, epochs=1, learning_rate=0.5, resume=False))
    assert anew.record["recipe"]["settings"]["learning_rate"] == 0.5


def test_a_broken_checkpoint_is_said_to_be_one(tmp_path):
    run = tiny_run(tmp_path, epochs=1)
    run.output.mkdir()
    (run.output / "last.ckpt").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"last.ckpt: the checkpoint cannot be read.*--no-resume"):
        trained(run)


def test_a_checkpoint_holds_plain_values_only(tmp_path):
    """It loads without running code of the file's."""
    run = tiny_run(tmp_path, epochs=1)
    watcher = Silent()
    trained(run, watcher)
    content = read_checkpoint(run.output / "last.ckpt", watcher.learner.fingerprint, {})
    assert content["progress"]["step"] == 3
    assert isinstance(content["network"]["learning.0.weight"], torch.Tensor)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_heard_after_the_step_and_nothing_is_lost(tmp_path, uninterrupted, number):
    before = signal.getsignal(number)

    def interrupt(learner):
        if learner.progress.step + 1 == 5:
            signal.raise_signal(number)

    watcher = Silent(interrupt)
    with pytest.raises(KeyboardInterrupt):
        trained(tiny_run(tmp_path), watcher)
    assert watcher.steps == 5
    assert signal.getsignal(number) is before
    again = Silent()
    result = trained(tiny_run(tmp_path), again)
    assert again.steps == 12 - 5
    assert result.weights.read_bytes() == uninterrupted.weights.read_bytes()
