"""A training in phases: what learns when, what is frozen, what is the best, and that a kill changes nothing."""

import dataclasses
import time

import pytest
import torch
from torch import nn

from lensproc.contract.phases import Phase, PhasedTask
from lensproc.errors import PluginError, UsageError
from lensproc.train.phased import only
from tests.train import tiny
from tests.train.tiny import Silent, tiny_run, trained

NAMES = ("encoder", "decoder", "head")


class Parts(nn.Module):
    """Features from which one part makes the image again and another the finer one."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Dropout(0.2))
        self.decoder = nn.Conv2d(4, 1, 1)
        self.head = nn.Sequential(nn.Conv2d(4, 4, 1), nn.PixelShuffle(2))
        self.fixed = nn.Conv2d(1, 1, 1).requires_grad_(False)


def again(network, batch):
    image = batch["image"][:, None]
    return {"loss": ((network.decoder(network.encoder(image)) - image) ** 2).mean()}


def finer(network, batch):
    error = network.head(network.encoder(batch["image"][:, None]))[:, 0] - batch["truth2"]
    return {"loss": (error**2).mean(), "bias": error.mean()}


PHASES = (
    Phase("image", 0.5, again, ("encoder", "decoder")),
    Phase("head", 0.25, finer, ("head",)),
    Phase("all", 0.25, finer),
)


@pytest.fixture
def phased(monkeypatch):
    """Let the tiny stage train in phases, and keep its task."""
    original, made = tiny.task, []

    def task(manifest, recipe, phases=PHASES):
        given = original(manifest, recipe)
        made.append(
            PhasedTask(
                network=Parts(), network_spec={}, sample=given.sample, scales=given.scales,
                prepare=given.prepare, loss=finer, phases=phases,
            )
        )  # fmt: skip
        return made[-1]

    monkeypatch.setattr(tiny, "task", task)
    return made


class Recorder(Silent):
    """Keeps a copy of the weights after every step, and the modes of the parts."""

    def __init__(self, after=None):
        super().__init__(after)
        self.weights = []

    def begins(self, learner, resumed):
        super().begins(learner, resumed)
        self.keep(learner)

    def step(self, learner):
        super().step(learner)
        self.keep(learner)

    def keep(self, learner):
        self.weights.append({name: value.clone() for name, value in learner.network.state_dict().items()})

    def changed(self, step):
        """Parts that step number `step` changed."""
        before, after = self.weights[step - 1 : step + 1]
        return {name.split(".")[0] for name in after if not torch.equal(before[name], after[name])}


def test_each_phase_trains_its_own_parts(tmp_path, phased):
    watcher = Recorder()
    result = trained(tiny_run(tmp_path, epochs=4, average=0.0), watcher)  # an epoch has three steps
    changed = [watcher.changed(step) for step in range(1, 13)]
    assert changed[:6] == [{"encoder", "decoder"}] * 6
    assert changed[6:9] == [{"head"}] * 3  # the statistics of the frozen encoder stay as well
    assert changed[9:] == [{"encoder", "head"}] * 3
    curve = result.record["curve"]
    assert [entry["train"]["phase"] for entry in curve] == [1.0, 1.0, 2.0, 3.0]
    assert ["bias" in entry["train"] for entry in curve] == [False, False, True, True]
    assert all(set(entry["val"]) == {"loss", "bias"} for entry in curve)  # the same in every phase
    total = sum(parameter.numel() for parameter in Parts().parameters())
    assert result.record["trained_parameters"] == total - 2


def test_parts_that_do_not_learn_are_in_eval_mode_and_all_is_as_before_afterwards():
    network = Parts().train()
    with only(network, ("decoder", "encoder.0")):
        learning = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
        assert learning == {"decoder.weight", "decoder.bias", "encoder.0.weight", "encoder.0.bias"}
        assert network.decoder.training
        assert not network.encoder[1].training
        assert not network.head.training
    frozen = {name for name, parameter in network.named_parameters() if not parameter.requires_grad}
    assert frozen == {"fixed.weight", "fixed.bias"}
    assert network.encoder[1].training
    assert network.head.training
    assert not network.fixed.training
    with pytest.raises(ZeroDivisionError), only(network, ("decoder",)):
        _ = 1 / 0
    assert network.head[0].weight.requires_grad


def test_a_training_that_is_stopped_in_a_phase_goes_on_to_the_same_weights(tmp_path, phased):
    whole = trained(tiny_run(tmp_path, "whole"))

    def stop(learner):
        if learner.progress.step == 7:
            learner.interrupt()

    with pytest.raises(KeyboardInterrupt):
        trained(tiny_run(tmp_path, "parts"), Silent(stop))
    again = trained(tiny_run(tmp_path, "parts"))
    assert whole.weights.read_bytes() == again.weights.read_bytes()


def test_patience_counts_in_the_last_phase_only(tmp_path, phased, monkeypatch):
    """Validation says how good the whole is, which the first phases may leave as it is."""
    original = tiny.task

    def task(manifest, recipe):
        return dataclasses.replace(
            original(manifest, recipe), metrics=lambda network, batch: {"loss": torch.tensor(1.0)}
        )

    monkeypatch.setattr(tiny, "task", task)
    result = trained(tiny_run(tmp_path, epochs=12, patience=2))
    # nine epochs of the first phases; then the second validation without improvement ends it
    assert (len(result.record["curve"]), result.record["stopped"]) == (11, "patience")


def test_with_a_budget_phases_follow_time(tmp_path, phased, monkeypatch):
    phase = dataclasses.replace(PHASES[0], loss=lambda *a: (time.sleep(0.05), again(*a))[1])
    monkeypatch.setattr(tiny, "task", lambda m, r, t=tiny.task: t(m, r, (phase, *PHASES[1:])))
    result = trained(tiny_run(tmp_path, epochs=500, budget=0.03))
    seen = [entry["train"]["phase"] for entry in result.record["curve"]]
    assert seen == sorted(seen)
    assert set(seen) == {1.0, 2.0, 3.0}


def test_what_cannot_be_trained_is_refused(tmp_path, phased, monkeypatch):
    with pytest.raises(UsageError, match="none is left for phase all"):
        trained(tiny_run(tmp_path, epochs=2))
    unlearnt = (Phase("image", 1.0, again, ("head",)),)
    monkeypatch.setattr(tiny, "task", lambda m, r, t=tiny.task: t(m, r, unlearnt))
    with pytest.raises(PluginError, match="phase image depends on nothing that learns"):
        trained(tiny_run(tmp_path))


@pytest.mark.parametrize(
    ("phases", "message"),
    [
        ((), "sum to 1"),
        ((Phase("a", 0.5, again),), "sum to 1"),
        ((Phase("a", 1.5, again), Phase("b", -0.5, again)), "above 0"),
        ((Phase("a", 1.0, again, ("deco",)),), "'deco', which the network does not have"),
    ],
)
def test_phases_that_do_not_fit_are_refused(phases, message):
    with pytest.raises(PluginError, match=message):
        PhasedTask(network=Parts(), network_spec={}, sample=dict, scales={}, loss=finer, phases=phases)


def test_a_phase_begins_where_the_shares_before_it_end():
    shares = (0.1, 0.2, 0.3, 0.4)
    phases = tuple(Phase(str(share), share, again) for share in shares)
    task = PhasedTask(network=Parts(), network_spec={}, sample=dict, scales={}, loss=finer, phases=phases)
    assert [task.phase_at(epoch / 10) for epoch in range(11)] == [0, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3]
