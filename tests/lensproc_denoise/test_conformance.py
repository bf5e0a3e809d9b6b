from __future__ import annotations

import pytest
import torch

from lensproc.contract.registry import load_registry
from lensproc.nn.weights import save_weights
from lensproc.testing import check_stage, parametrize_with_checks
from lensproc_denoise.denoised_sisr import DenoisedSISR
from lensproc_denoise.denoiser import build

SPEC = {"blocks": 1, "upsample": False, "sigma": 0.1}


@parametrize_with_checks(("lens-denoise",))
def test_conforms(check):
    check()


@pytest.fixture(scope="module")
def denoiser():
    """A denoiser that gives its input back."""
    torch.manual_seed(2)
    network = build(SPEC)
    network.start_as_interpolation(0.0)
    return network


def failures(stage, path):
    return {r.name: r.message for r in check_stage(stage, options={"weights": str(path)}) if not r.ok}


def test_a_denoiser_conforms_with_weights_that_copy(denoiser, tmp_path):
    save_weights(tmp_path / "w.safetensors", denoiser.state_dict(), {"stage": "denoiser", "network": SPEC})
    assert failures("denoiser", tmp_path / "w.safetensors") == {}


def test_a_denoised_sisr_conforms_with_weights_that_interpolate(denoiser, tmp_path):
    network = DenoisedSISR(SPEC, blocks=1)
    network.denoiser.load_state_dict(denoiser.state_dict())
    network.sisr.start_as_interpolation(0.0)
    metadata = {"stage": "denoised-sisr", "network": {"denoiser": SPEC, "blocks": 1}}
    save_weights(tmp_path / "w.safetensors", network.state_dict(), metadata)
    assert failures("denoised-sisr", tmp_path / "w.safetensors") == {}


def test_these_are_all_stages_of_the_package():
    (record,) = [r for r in load_registry().records if r.name == "lensproc_denoise"]
    assert record.stages == ("lens-denoise", "denoiser", "denoised-sisr")
