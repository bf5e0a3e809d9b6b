"""What a task fits after training: to the best weights, on the batches of a validation, kept with the weights."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from lensproc.errors import PluginError
from lensproc.nn.weights import read_weights
from lensproc.train import run as runs
from tests.train import tiny


def doubled(batch, generator):
    return {name: field * 2 if field.is_floating_point() else field for name, field in batch.items()}


@pytest.fixture
def finishing(monkeypatch):
    """Tiny trainings with a task that fits the mean of the images, and what it was called with."""
    seen = []

    def fit(network, batches):
        first, again = list(batches), list(batches)
        values = torch.cat(
            [field.flatten() for batch in first for field in batch.values() if field.is_floating_point()]
        )
        seen.append((network.training, torch.is_grad_enabled(), len(first)))
        for one, other in zip(first, again, strict=True):
            assert all(torch.equal(one[name], other[name]) for name in one)
        network.fitted_mean.fill_(float(values.mean()))
        return {"mean": float(values.mean())}

    def make(**changes):
        def task(manifest, recipe, package=""):
            made = tiny.task(manifest, recipe)
            made.network.register_buffer("fitted_mean", torch.zeros(()))
            return dataclasses.replace(made, finish=fit, **changes)

        monkeypatch.setattr(runs, "make_task", task)
        return seen

    return make


def test_what_is_fitted_is_saved_with_the_weights_and_recorded(finishing, tmp_path):
    seen = finishing()
    trained = tiny.trained(tiny.tiny_run(tmp_path))
    mean = trained.record["fitted"]["mean"]
    assert mean != 0.0
    state = read_weights(trained.weights).state
    assert float(state["fitted_mean"]) == pytest.approx(mean, rel=1e-6)
    assert seen[0][:2] == (False, False)
    assert seen[0][2] >= 1


def test_a_task_may_prepare_validation_in_another_way(finishing, tmp_path):
    finishing(prepare_validation=lambda batch, generator: batch)
    plain = tiny.trained(tiny.tiny_run(tmp_path, "plain")).record["fitted"]["mean"]
    finishing(prepare_validation=doubled)
    twice = tiny.trained(tiny.tiny_run(tmp_path, "twice")).record["fitted"]["mean"]
    assert twice == pytest.approx(2 * plain, rel=1e-5)


def test_a_fit_that_is_no_number_is_an_error(monkeypatch, tmp_path):
    def task(manifest, recipe, package=""):
        return dataclasses.replace(
            tiny.task(manifest, recipe), finish=lambda network, batches: {"t": float("nan")}
        )

    monkeypatch.setattr(runs, "make_task", task)
    with pytest.raises(PluginError, match="after training is not finite: t"):
        tiny.trained(tiny.tiny_run(tmp_path))


def test_without_a_fit_the_record_has_none(tmp_path):
    assert "fitted" not in tiny.trained(tiny.tiny_run(tmp_path)).record
