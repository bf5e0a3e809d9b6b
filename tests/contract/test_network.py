"""A stage of one network: which file it loads, what it refuses, and that a cutout does not feel its neighbours."""

from __future__ import annotations

import dataclasses
import os
import pickle
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from lensproc.contract.datafiles import sha256_of
from lensproc.contract.manifest import DataFile, Manifest
from lensproc.contract.network import NetworkStage, require_reach
from lensproc.contract.stage import Batch, Item
from lensproc.contract.weights import chosen_weights, loaded_weights, weights_option, weights_path
from lensproc.errors import PluginError, WeightsError
from lensproc.nn.resnet_sisr import ResnetSISR
from lensproc.nn.spec import from_spec
from lensproc.nn.weights import save_weights

MANIFEST = Manifest(
    id="net",
    kind="enhance",
    factory="netpackage.net:stage",
    summary="a network",
    options=(weights_option(),),
    scale=2,
    halo=42,
)
CPU = torch.device("cpu")


def write(path: Path, stage: str = "net", spec: Mapping[str, Any] | None = None) -> Path:
    torch.manual_seed(1)
    net = ResnetSISR(**(spec or {"blocks": 1}))
    net(torch.rand(8, 1, 16, 16))
    save_weights(path, net.state_dict(), {"stage": stage, "network": spec or {"blocks": 1}})
    return path


def stage_of(path: Path | str, manifest: Manifest = MANIFEST) -> NetworkStage:
    return NetworkStage(manifest, {"weights": str(path)}, partial(from_spec, ResnetSISR, name="net"))


def batch_of(images: torch.Tensor) -> Batch:
    return Batch(images, None, torch.zeros(images.shape, dtype=torch.bool), (Item(),) * len(images))


def images_of(stage: NetworkStage, images: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        output = stage.apply(batch_of(images)).images
    assert output is not None
    return output


def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Manifest, Path]:
    """A package that ships weights."""
    folder = tmp_path / "netpackage"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    path = write(folder / "net.safetensors")
    monkeypatch.syspath_prepend(str(tmp_path))
    data = DataFile("net.safetensors", sha256_of(path))
    return dataclasses.replace(MANIFEST, weights=(data,)), path


def test_a_network_runs_alone_as_in_a_batch_since_its_statistics_are_frozen(tmp_path: Path) -> None:
    stage = stage_of(write(tmp_path / "w"))
    stage.load(CPU, torch.float32)
    torch.manual_seed(5)
    images = torch.rand(4, 1, 17, 20) * torch.tensor([1.0, 5.0, 0.2, 2.0])[:, None, None, None]
    together = images_of(stage, images)
    alone = torch.cat([images_of(stage, image[None]) for image in images])
    assert together.shape == (4, 1, 34, 40)
    assert float((together - alone).abs().max()) < 1e-5 * float(together.abs().max())
    assert stage.network is not None
    assert not stage.network.training
    assert not any(parameter.requires_grad for parameter in stage.network.parameters())


def test_a_tile_with_its_halo_gives_what_the_whole_image_gives(tmp_path: Path) -> None:
    stage = stage_of(write(tmp_path / "w"))
    stage.load(CPU, torch.float32)
    assert stage.network is not None
    reach = stage.network.reach
    assert isinstance(reach, int)
    image = torch.rand(1, 1, 60, 60)
    whole = images_of(stage, image)
    tile = images_of(stage, image[..., 20 - reach : 40 + reach, 20 - reach : 40 + reach])
    core = tile[..., 2 * reach : 2 * reach + 40, 2 * reach : 2 * reach + 40]
    assert float((core - whole[..., 40:80, 40:80]).abs().max()) < 1e-5 * float(whole.abs().max())


def test_the_shipped_file_is_loaded_unless_the_option_names_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, path = shipped(tmp_path, monkeypatch)
    own = write(tmp_path / "own.safetensors", spec={"blocks": 2})
    assert weights_path(manifest, {"weights": ""}) == path
    assert weights_path(manifest, {"weights": str(own)}) == own
    for given, name, sha in (("", path.name, sha256_of(path)), (str(own), own.name, sha256_of(own))):
        stage = stage_of(given, manifest)
        assert loaded_weights(stage, manifest) == manifest.weights, "before it is loaded"
        stage.load(CPU, torch.float32)
        found = loaded_weights(stage, manifest)
        assert [(data.file, data.sha256) for data in found] == [(name, sha)]
        assert [data.sha256 for data in chosen_weights(manifest, {"weights": given})] == [sha]


def test_shipped_weights_of_other_bytes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest, path = shipped(tmp_path, monkeypatch)
    write(path, spec={"blocks": 2})
    with pytest.raises(WeightsError, match=r"net\.safetensors has SHA-256 .*its manifest says"):
        stage_of("", manifest).load(CPU, torch.float32)


def test_a_stage_without_weights_says_how_to_get_them() -> None:
    with pytest.raises(WeightsError) as error:
        stage_of("").load(CPU, torch.float32)
    assert str(error.value) == (
        "stage net ships no weights; train it with lensproc train net, then --set net.weights=FILE"
    )
    assert chosen_weights(MANIFEST, {"weights": ""}) == ()


def test_a_file_that_does_not_exist_or_is_for_another_stage_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="stage net: weights file nowhere does not exist"):
        stage_of("nowhere").load(CPU, torch.float32)
    with pytest.raises(WeightsError, match="w: stage net: these are weights of stage other"):
        stage_of(write(tmp_path / "w", stage="other")).load(CPU, torch.float32)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    state = ResnetSISR(blocks=1).state_dict()
    save_weights(tmp_path / "a", state, {"stage": "net", "network": {"blocks": 2}})
    with pytest.raises(WeightsError, match=r"the weights do not fit the network: .*Missing key"):
        stage_of(tmp_path / "a").load(CPU, torch.float32)
    save_weights(tmp_path / "b", state, {"stage": "net", "network": {"depth": 2}})
    with pytest.raises(WeightsError, match="no hyperparameter depth; it has: blocks"):
        stage_of(tmp_path / "b").load(CPU, torch.float32)


def test_a_network_that_reaches_further_than_the_halo_is_refused() -> None:
    require_reach(ResnetSISR(blocks=16), MANIFEST)
    with pytest.raises(WeightsError, match="the network reaches 44 px, its halo is 42 px"):
        require_reach(ResnetSISR(blocks=17), MANIFEST)


def test_it_pickles_before_it_is_loaded_and_is_refused_then(tmp_path: Path) -> None:
    stage = pickle.loads(pickle.dumps(stage_of(write(tmp_path / "w"))))
    with pytest.raises(PluginError, match="used before it is loaded"):
        stage.apply(batch_of(torch.zeros(1, 1, 8, 8)))
    stage.load(CPU, torch.float32)
    images_of(stage, torch.zeros(1, 1, 8, 8))
    stage.close()
    assert stage.network is None


def test_the_hash_of_the_users_file_follows_its_content(tmp_path: Path) -> None:
    path = write(tmp_path / "w")
    options = {"weights": str(path)}
    before = chosen_weights(MANIFEST, options)
    write(path, spec={"blocks": 2})
    os.utime(path, ns=(1, 1))
    after = chosen_weights(MANIFEST, options)
    assert before[0].file == after[0].file
    assert before[0].sha256 != after[0].sha256 == sha256_of(path)
