"""Small images are quickest on one thread, most of all where the cores are shared."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lensproc.contract.registry import load_registry
from lensproc.nn.spec import full_spec
from lensproc.nn.weights import save_weights

SMALL = {"resnet-sisr": {"blocks": 2}}
"""Hyperparameters that keep tests quick."""


@pytest.fixture(autouse=True, scope="package")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="package")
def interpolating(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Weights of a stage, untrained, with which it interpolates: what comes out is known."""
    folder = tmp_path_factory.mktemp("weights")
    registry = load_registry()

    def write(stage_id: str) -> Path:
        path = folder / f"{stage_id}.safetensors"
        if not path.exists():
            kind = importlib.import_module(registry.manifest(stage_id).factory.split(":")[0]).Network
            torch.manual_seed(3)
            spec = full_spec(kind, SMALL.get(stage_id, {}))
            network = kind(**spec)
            network.start_as_interpolation(others=0.0)
            save_weights(path, network.state_dict(), {"stage": stage_id, "network": spec})
        return path

    return write
