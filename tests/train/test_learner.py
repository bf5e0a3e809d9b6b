"""What the loop does to weights: budget, best ones by value, averages, frozen parts, losses that are no number."""

from __future__ import annotations

import dataclasses
import math
import os
import time

import pytest
import torch
from torch import nn

from lensproc.errors import LensprocError, PluginError, UsageError, WeightsError
from lensproc.nn.weights import read_weights
from lensproc.train.average import Average
from lensproc.train.preparation import keep_frozen_parts_in_eval
from lensproc.train.state import TrainingError
from tests.train import tiny
from tests.train.tiny import MANIFEST, Silent, Tiny, tiny_run, trained


def with_task(monkeypatch, **changes):
    """Let the stage hand over another task."""
    original = tiny.task

    def task(manifest, recipe):
        made = original(manifest, recipe)
        return dataclasses.replace(made, **{k: v(made) if k == "network" else v for k, v in changes.items()})

    monkeypatch.setattr(tiny, "task", task)


def test_it_learns(tmp_path):
    record = trained(tiny_run(tmp_path, epochs=20, average=0.0)).record
    first, best = record["curve"][0]["val"]["loss"], record["best"]["value"]
    assert best < 0.7 * first


def test_the_same_seed_gives_the_same_weights_and_another_one_others(tmp_path):
    first = trained(tiny_run(tmp_path, "a", epochs=1))
    again = trained(tiny_run(tmp_path, "b", epochs=1))
    other = trained(tiny_run(tmp_path, "c", epochs=1, seed=4))
    assert first.weights.read_bytes() == again.weights.read_bytes()
    assert first.weights.read_bytes() != other.weights.read_bytes()


def test_the_best_weights_are_kept_by_value(tmp_path, monkeypatch):
    """Weights that are kept by reference become those of the last epoch."""
    seen = []

    def metrics(network, batch):
        # Worse from epoch to epoch: the first one is the best.
        seen.append({name: tensor.clone() for name, tensor in network.state_dict().items()})
        return {"loss": torch.tensor(float(len(seen)))}

    with_task(monkeypatch, metrics=metrics)
    result = trained(tiny_run(tmp_path, batch_size=12, average=0.0, epochs=3))
    assert len(seen) == 3
    assert result.record["best"] == {"value": 1.0, "epoch": 1, "step": 1}
    kept = read_weights(result.weights).state
    assert all(torch.equal(kept[name], seen[0][name]) for name in kept)
    assert not torch.equal(kept["learning.0.weight"], seen[2]["learning.0.weight"])


def test_frozen_parts_stay_in_eval_mode(tmp_path, monkeypatch):
    """In train mode its dropout would blind it, and its statistics would move."""
    modes = []

    def loss(network, batch):
        modes.append((network.frozen.training, network.frozen[2].training, network.learning[2].training))
        return tiny.loss(network, batch)

    before = {}

    def network(made):
        before.update({name: t.clone() for name, t in made.network.frozen.state_dict().items()})
        return made.network

    with_task(monkeypatch, loss=loss, metrics=tiny.loss, network=network)
    result = trained(tiny_run(tmp_path, epochs=2))
    assert set(modes) == {(False, False, True)}
    assert len(modes) == 6
    after = read_weights(result.weights).state
    assert all(torch.equal(after[f"frozen.{name}"], tensor) for name, tensor in before.items())


def test_only_parts_that_are_frozen_as_a_whole_are_put_in_eval_mode():
    network = Tiny()
    network.learning[0].bias.requires_grad_(False)
    network.train()
    keep_frozen_parts_in_eval(network)
    assert network.learning[0].training
    assert network.learning[2].training
    assert not network.frozen[1].training


def test_the_budget_ends_training_and_holds_over_resumptions(tmp_path):
    def slow(learner):
        time.sleep(0.1)

    budget = 1.0 / 60.0
    watcher = Silent(slow)
    first = trained(tiny_run(tmp_path, epochs=1000, budget=budget), watcher)
    assert first.record["stopped"] == "budget"
    assert 0.5 < 60.0 * first.record["time"]["minutes"] < 3.0
    assert watcher.steps < 30
    # The last steps are validated too, though they end no epoch.
    assert first.record["curve"][-1]["step"] == first.record["steps"] == watcher.steps
    # The cosine followed the time: the last rate is near the floor of 1 %.
    assert first.record["curve"][-1]["rate"] < 0.1 * 0.01
    again = Silent(slow)
    trained(tiny_run(tmp_path, epochs=1000, budget=budget), again)
    assert again.steps == 0
    more = Silent(slow)
    longer = trained(tiny_run(tmp_path, epochs=1000, budget=2.0 * budget), more)
    assert 0 < more.steps < 30
    assert longer.record["time"]["minutes"] > first.record["time"]["minutes"]


def test_patience_stops_where_validation_no_longer_improves(tmp_path, monkeypatch):
    with_task(monkeypatch, metrics=lambda network, batch: {"loss": torch.tensor(1.0)})
    record = trained(tiny_run(tmp_path, epochs=50, patience=2)).record
    assert record["stopped"] == "patience"
    assert [entry["epoch"] for entry in record["curve"]] == [1, 2, 3]


def test_plateau_halves_the_rate(tmp_path, monkeypatch):
    with_task(monkeypatch, metrics=lambda network, batch: {"loss": torch.tensor(1.0)})
    run = tiny_run(tmp_path, epochs=9, schedule="plateau", warmup_steps=0, learning_rate=0.01)
    rates = [entry["rate"] for entry in trained(run).record["curve"]]
    assert rates == [0.01] * 4 + [0.005] * 3 + [0.0025] * 2


def test_the_rate_rises_and_falls_as_a_cosine(tmp_path):
    rates = []
    watcher = Silent(lambda learner: rates.append(learner.trainer.optimizers[0].param_groups[0]["lr"]))
    trained(tiny_run(tmp_path, epochs=4, warmup_steps=4, learning_rate=1.0e-2), watcher)
    expected = [
        1e-2 * min(1.0, (s + 1) / 4) * (0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * s / 12)))
        for s in range(12)
    ]
    assert rates == pytest.approx(expected, rel=1e-12)


def test_the_average_follows_its_formula_in_weights_and_statistics():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    average = Average(network, 0.9)
    means = None
    for n in range(30):
        with torch.no_grad():
            network[0].weight.normal_()
            network[1].running_var.uniform_(0.5, 2.0)
            network[1].num_batches_tracked.fill_(n)
        average.update(network)
        now = [network[0].weight.clone(), network[1].running_var.clone()]
        decay = min(0.9, (1.0 + n) / (10.0 + n))
        means = now if n == 0 else [decay * m + (1.0 - decay) * x for m, x in zip(means, now, strict=True)]
    torch.testing.assert_close(average.network[0].weight, means[0])
    torch.testing.assert_close(average.network[1].running_var, means[1])
    assert int(average.network[1].num_batches_tracked) == 29
    assert not average.network.training


def test_the_average_is_what_is_validated_and_kept(tmp_path, monkeypatch):
    seen = []

    def metrics(network, batch):
        assert not network.training
        seen.append(network.learning[0].weight.detach().clone())
        return tiny.loss(network, batch)

    with_task(monkeypatch, metrics=metrics)
    watcher = Silent()
    result = trained(tiny_run(tmp_path, epochs=1, batch_size=6, average=0.99), watcher)
    kept = read_weights(result.weights).state["learning.0.weight"]
    assert torch.equal(kept, seen[-1])
    assert not torch.equal(kept, watcher.learner.network.learning[0].weight)


@pytest.mark.parametrize("average", [0.0, 0.5])
def test_a_loss_that_is_no_number_stops_it_and_good_weights_stay(tmp_path, monkeypatch, average):
    calls = []

    def loss(network, batch):
        calls.append(1)
        found = tiny.loss(network, batch)
        return {"loss": found["loss"] * (math.nan if len(calls) == 8 else 1.0)}

    with_task(monkeypatch, loss=loss, metrics=tiny.loss)
    run = tiny_run(tmp_path, every=0.0, average=average)
    with pytest.raises(
        TrainingError, match=r"the loss became nan at step 8 \(epoch 3\); lower learning_rate"
    ):
        trained(run)
    state = read_weights(run.output / "tiny.safetensors").state
    assert all(bool(torch.isfinite(tensor).all()) for tensor in state.values())
    # The checkpoint is that of step 7: with a remedy that leaves the settings alone it goes on from there.
    watcher = Silent()
    trained(tiny_run(tmp_path, average=average), watcher)
    assert watcher.steps == 5


def test_weights_that_are_not_finite_never_reach_the_checkpoint(tmp_path):
    def spoil(learner):
        if learner.progress.step + 1 == 5:
            with torch.no_grad():
                learner.network.learning[0].weight[0, 0, 0, 0] = math.inf

    run = tiny_run(tmp_path, every=0.0)
    with pytest.raises(TrainingError, match=r"weights are not finite after step 5 \(learning.0.weight\)"):
        trained(run, Silent(spoil))
    again = Silent()
    trained(tiny_run(tmp_path), again)
    assert again.steps == 12 - 4


def test_precision_of_bfloat16_trains(tmp_path):
    record = trained(tiny_run(tmp_path, epochs=10, precision="bf16-mixed")).record
    assert record["best"]["value"] < record["curve"][0]["val"]["loss"]
    assert record["machine"]["precision"] == "bf16-mixed"


def test_half_precision_needs_a_gpu(tmp_path):
    with pytest.raises(UsageError, match="16-mixed needs a GPU"):
        trained(tiny_run(tmp_path, precision="16-mixed"))


def test_gradients_are_clipped_and_weights_decay(tmp_path):
    norms = []

    def norm(learner):
        squares = [float((p.grad**2).sum()) for p in learner.network.parameters() if p.grad is not None]
        norms.append(math.sqrt(sum(squares)))

    trained(tiny_run(tmp_path, epochs=1, gradient_clip=0.01, weight_decay=0.1), Silent(norm))
    assert norms == pytest.approx([0.01] * 3, rel=1e-3)


def test_it_starts_from_given_weights(tmp_path):
    first = trained(tiny_run(tmp_path, "first", epochs=2))
    watcher = Silent()
    run = tiny_run(tmp_path, "second", epochs=1, learning_rate=1e-9, average=0.0, start=first.weights)
    second = trained(run, watcher)
    assert second.record["start"] == {
        "file": "tiny.safetensors", "sha256": read_weights(first.weights).sha256,
    }  # fmt: skip
    before, after = (read_weights(one.weights) for one in (first, second))
    torch.testing.assert_close(after.state["learning.0.weight"], before.state["learning.0.weight"])
    assert after.metadata["training"]["start_sha256"] == before.sha256


def test_weights_of_another_network_are_refused(tmp_path, monkeypatch):
    first = trained(tiny_run(tmp_path, "first", epochs=1))
    with_task(monkeypatch, network=lambda made: nn.Sequential(made.network.learning))
    with pytest.raises(WeightsError, match=r"tiny.safetensors: these weights are for another network"):
        trained(tiny_run(tmp_path, "second", start=first.weights))


def test_a_task_that_keeps_no_word_is_told_so(tmp_path, monkeypatch):
    with_task(monkeypatch, monitor="auc")
    with pytest.raises(PluginError, match="the task monitors 'auc', but its metrics are bias, loss"):
        trained(tiny_run(tmp_path, "a", epochs=1))
    monkeypatch.undo()
    with_task(monkeypatch, loss=lambda network, batch: {"error": torch.tensor(0.0)})
    with pytest.raises(PluginError, match="the task's loss gave error, but no 'loss'"):
        trained(tiny_run(tmp_path, "b", epochs=1))
    monkeypatch.undo()
    monkeypatch.setattr(tiny, "task", lambda manifest, recipe: nn.Identity())
    with pytest.raises(PluginError, match="gave Identity, expected a TrainingTask"):
        trained(tiny_run(tmp_path, "c"))


def test_nothing_is_written_outside_its_folders(tmp_path, monkeypatch, capfd, with_curve):
    """And nothing reaches the terminal that lensproc did not say."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    run = tiny_run(tmp_path, epochs=1)
    trained(run)
    assert os.listdir(elsewhere) == []
    assert sorted(path.name for path in run.output.iterdir()) == [
        "curve.png", "last.ckpt", "metrics.csv", "tensorboard", "tiny.safetensors", "tiny.training.json",
    ]  # fmt: skip
    assert any("tfevents" in path.name for path in (run.output / "tensorboard").iterdir())
    assert capfd.readouterr() == ("", "")


def test_metrics_stand_in_a_table(tmp_path):
    run = tiny_run(tmp_path, epochs=2)
    record = trained(run).record
    lines = (run.output / "metrics.csv").read_text().splitlines()
    assert lines[0] == "epoch,step,minutes,rate,train_loss,train_bias,val_bias,val_loss"
    cells = dict(zip(lines[0].split(","), lines[2].split(","), strict=True))
    assert (cells["epoch"], cells["step"]) == ("2", "6")
    assert float(cells["val_loss"]) == pytest.approx(record["curve"][1]["val"]["loss"], rel=1e-6)


def test_a_stage_without_a_task_is_refused():
    from lensproc.train.lookup import require_training

    with pytest.raises(LensprocError, match="stage tiny has nothing to train"):
        require_training(dataclasses.replace(MANIFEST, training=None))
