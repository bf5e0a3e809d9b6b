"""`lensproc plugins check` with options: those of a training, where a network ships without weights."""

from __future__ import annotations

import pytest
import torch
from click.testing import CliRunner

from lensproc.cli import cli
from lensproc.errors import UsageError
from lensproc.nn.weights import save_weights
from lensproc.testing import suite
from lensproc_superres.srcnn import Network


@pytest.fixture
def check(monkeypatch):
    chosen = {name: suite.CHECKS[name] for name in ("output_shape", "star_keeps_flux")}
    monkeypatch.setattr(suite, "CHECKS", chosen)

    def run(*arguments):
        return CliRunner().invoke(cli, ["plugins", "check", "srcnn", *arguments])

    return run


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(1)
    network = Network()
    network.start_as_interpolation(others=0.0)
    path = tmp_path / "mine.safetensors"
    save_weights(path, network.state_dict(), {"stage": "srcnn", "network": {}})
    return path


def test_a_network_without_weights_passes_with_those_that_are_given(check, weights):
    alone, given = check(), check("--set", f"srcnn.weights={weights}")
    assert alone.exit_code == 1
    assert "2 of 2 checks failed" in alone.output
    assert given.exit_code == 0, given.output
    assert "none of 2 checks failed" in given.output


def test_weights_of_no_file_fail_the_checks(check, tmp_path):
    result = check("--set", f"srcnn.weights={tmp_path / 'none.safetensors'}")
    assert result.exit_code == 1
    assert "none.safetensors" in result.output


@pytest.mark.parametrize("setting", ["edsr.weights=a", "srcnn.colour=red", "weights=a"])
def test_a_setting_that_says_nothing_about_the_stage_is_refused(check, setting):
    assert isinstance(check("--set", setting).exception, UsageError)
