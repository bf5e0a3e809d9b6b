"""Weights files: the same contents give the same bytes, half precision keeps the output, strangers are refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lensproc.errors import WeightsError
from lensproc.nn.resnet_sisr import ResnetSISR
from lensproc.nn.weights import half_of, read_weights, save_weights, write_half

METADATA = {"stage": "a", "network": {"blocks": 1}, "training": {"sha256": "ff", "minutes": 1.5}}


def network() -> ResnetSISR:
    torch.manual_seed(0)
    net = ResnetSISR(blocks=1)
    net(torch.rand(4, 1, 20, 20))  # in training mode: the running statistics leave 0 and 1
    return net.eval()


def test_weights_come_back_as_they_were(tmp_path: Path) -> None:
    net = network()
    sha = save_weights(tmp_path / "w.safetensors", net.state_dict(), METADATA)
    weights = read_weights(tmp_path / "w.safetensors")
    assert weights.metadata == METADATA
    assert weights.sha256 == sha == hashlib.sha256((tmp_path / "w.safetensors").read_bytes()).hexdigest()
    assert all(torch.equal(weights.state[name], tensor) for name, tensor in net.state_dict().items())
    assert [path.name for path in tmp_path.iterdir()] == ["w.safetensors"], "no partial file stays"


def test_the_same_contents_give_the_same_bytes(tmp_path: Path) -> None:
    state = network().state_dict()
    turned = dict(reversed(list(METADATA.items())))
    channels_last = {
        name: tensor.to(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor
        for name, tensor in state.items()
    }
    assert save_weights(tmp_path / "a", state, METADATA) == save_weights(
        tmp_path / "b", channels_last, turned
    )


def test_half_precision_halves_the_file_and_changes_the_output_by_less_than_a_thousandth(
    tmp_path: Path,
) -> None:
    net = network()
    save_weights(tmp_path / "full", net.state_dict(), METADATA)
    save_weights(tmp_path / "half", net.state_dict(), METADATA, half=True)
    assert (tmp_path / "half").stat().st_size < 0.51 * (tmp_path / "full").stat().st_size
    weights = read_weights(tmp_path / "half")
    assert {tensor.dtype for tensor in weights.state.values()} == {torch.float32, torch.int64}
    again = ResnetSISR(blocks=1)
    again.load_state_dict(weights.state)
    images = torch.rand(1, 1, 30, 30)
    with torch.inference_mode():
        before, after = net(images), again.eval()(images)
    assert 0.0 < float((after - before).abs().max() / before.abs().max()) < 1e-3


def test_halved_weights_name_the_file_that_they_are_from(tmp_path: Path) -> None:
    metadata = {**METADATA, "training": {"recipe": "short"}}
    full = save_weights(tmp_path / "full", network().state_dict(), metadata)
    half = write_half(tmp_path / "full", tmp_path / "half")
    weights = read_weights(tmp_path / "half")
    assert weights.sha256 == half != full
    assert weights.metadata == {**metadata, "training": {"recipe": "short", "float32_sha256": full}}
    assert half_of(weights) == full
    assert half_of(read_weights(tmp_path / "full")) == ""
    rewritten = save_weights(tmp_path / "again", weights.state, weights.metadata, half=True)
    assert rewritten == half


def test_what_is_not_finite_or_overflows_float16_is_not_written(tmp_path: Path) -> None:
    large = {"kernel": torch.full((2, 2), 1e6)}
    save_weights(tmp_path / "w", large, {})
    with pytest.raises(WeightsError, match=r"kernel holds values that are not finite as torch.float16"):
        save_weights(tmp_path / "w", large, {}, half=True)
    with pytest.raises(WeightsError, match="bias holds values that are not finite"):
        save_weights(tmp_path / "w", {"bias": torch.tensor([float("nan")])}, {})


def test_a_missing_a_broken_and_a_strange_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"gone\.safetensors: cannot be read: No such file"):
        read_weights(tmp_path / "gone.safetensors")
    (tmp_path / "cut").write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{}")
    with pytest.raises(WeightsError, match="cut: is not a safetensors file"):
        read_weights(tmp_path / "cut")
    save_file({"a": torch.zeros(2)}, tmp_path / "strange", {"format": "pt"})
    with pytest.raises(WeightsError, match="strange: does not say which stage"):
        read_weights(tmp_path / "strange")


def test_metadata_are_json_in_the_header(tmp_path: Path) -> None:
    save_weights(tmp_path / "w", {"a": torch.zeros(2)}, METADATA)
    content = (tmp_path / "w").read_bytes()
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    assert json.loads(header["__metadata__"]["lensproc"]) == METADATA
