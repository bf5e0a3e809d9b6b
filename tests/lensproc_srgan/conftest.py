"""Weights of two parts: pixels that interpolate, and others that brighten."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lensproc.nn.spec import full_spec
from lensproc.nn.weights import save_weights
from lensproc_srgan.stages import GENERATORS

SMALL = {"srgan": {"blocks": 1}, "esrgan": {"blocks": 1}}


@pytest.fixture(autouse=True, scope="package")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="package")
def two_parts(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write weights of a stage whose pixel part interpolates; the adversarial part multiplies that by `gain`."""
    folder = tmp_path_factory.mktemp("weights")

    def write(stage_id: str, gain: float = 1.0) -> Path:
        path = folder / f"{stage_id}-{gain}.safetensors"
        if not path.exists():
            torch.manual_seed(3)
            spec = full_spec(GENERATORS[stage_id], SMALL[stage_id])
            network = GENERATORS[stage_id](**spec)
            network.start_as_interpolation(others=0.0)
            pixel = {f"pixel.{name}": value.clone() for name, value in network.state_dict().items()}
            with torch.no_grad():
                last = network.last[0] if stage_id == "srgan" else network.last
                last.weight *= gain
            strong = {f"adversarial.{name}": value for name, value in network.state_dict().items()}
            metadata = {"stage": stage_id, "network": {**spec, "features": "none"}}
            save_weights(path, {**pixel, **strong}, metadata)
        return path

    return write
