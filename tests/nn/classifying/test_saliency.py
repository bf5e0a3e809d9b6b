"""Saliency maps show the pixels that an answer rests on, on the pixels of the cutout."""

from __future__ import annotations

import sys

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from lensproc.contract.stage import Batch, Item
from lensproc.cutout import PSF
from lensproc.errors import PluginError
from lensproc.nn.classifying import saliency
from lensproc.nn.classifying.saliency import saliency_of, smoothed
from tests import tiny_classifier as tiny

PLACE = (5, 17)


class OnePixel(nn.Module):
    """Logits 0 and three times the pixel at `PLACE`."""

    def forward(self, images):
        pixel = 3.0 * images[:, 0, PLACE[0], PLACE[1]]
        return torch.stack((torch.zeros_like(pixel), pixel), dim=1)


class Corner(nn.Module):
    """The second logit is the light of a quarter of the image, through a convolution."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(1, 2, 3, padding=1, bias=False)
        with torch.no_grad():
            self.convolution.weight.fill_(1.0 / 9.0)
        self.pool = nn.AdaptiveAvgPool2d(2)

    def forward(self, images):
        pooled = self.pool(F.relu(self.convolution(images)))
        return torch.stack((pooled[:, 0, 0, 0], pooled[:, 1, 1, 1]), dim=1)


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(2)
    return torch.rand((2, 1, 24, 32), generator=generator)


@pytest.fixture
def with_captum():
    pytest.importorskip("captum")


@pytest.mark.usefixtures("with_captum")
def test_the_map_peaks_on_the_one_pixel_that_counts_and_adds_up_to_the_logit(images):
    with torch.inference_mode():
        found = saliency_of("integrated-gradients", OnePixel().eval(), images, torch.tensor([1, 1]))
    assert found.shape == (2, 24, 32)
    assert found.dtype == torch.float32
    difference = 3.0 * (images - smoothed(images))[:, 0, PLACE[0], PLACE[1]]
    for i in range(2):
        peak = divmod(int(found[i].abs().argmax()), 32)
        assert peak == PLACE
        assert float(found[i].sum()) == pytest.approx(float(difference[i]), rel=1e-4)
        rest = found[i].clone()
        rest[PLACE] = 0.0
        assert float(rest.abs().max()) == 0.0


@pytest.mark.usefixtures("with_captum")
def test_each_image_is_explained_for_its_own_class(images):
    found = saliency_of("integrated-gradients", OnePixel().eval(), images, torch.tensor([0, 1]))
    assert float(found[0].abs().max()) == 0.0
    assert float(found[1].abs().max()) > 0.0


@pytest.mark.usefixtures("with_captum")
def test_grad_cam_is_brightest_where_the_light_of_the_last_maps_is(images):
    dark = torch.zeros_like(images)
    dark[:, :, 18:21, 25:28] = 1.0
    found = saliency_of("grad-cam", Corner().eval(), dark, torch.tensor([1, 1]))
    assert found.shape == (2, 24, 32)
    assert float(found.amax()) == pytest.approx(1.0)
    assert divmod(int(found[0].argmax()), 32) == (19, 26)
    assert float(found[:, :12].amax()) == 0.0


@pytest.mark.usefixtures("with_captum")
def test_maps_of_a_turned_frame_come_back_to_the_pixels_of_the_cutout(images):
    """A network that looks at the image turned by a half has its map turned back."""
    dark = torch.zeros_like(images)
    dark[:, :, 3:6, 4:7] = 1.0

    def half_turn(pixels):
        return torch.flip(pixels, (-2, -1))

    found = saliency_of(
        "grad-cam",
        Corner().eval(),
        dark,
        torch.tensor([1, 1]),
        lambda pixels: (half_turn(pixels),),
        half_turn,
    )
    assert divmod(int(found[0].argmax()), 32) == (4, 5)


@pytest.mark.usefixtures("with_captum")
def test_a_network_without_maps_has_no_grad_cam(images):
    with pytest.raises(PluginError, match="needs a network with feature maps"):
        saliency_of("grad-cam", OnePixel().eval(), images, torch.tensor([1, 1]))


def test_smoothing_keeps_the_light(images):
    flat = smoothed(torch.ones(1, 1, 40, 40))
    torch.testing.assert_close(flat, torch.ones(1, 1, 40, 40))
    assert float(smoothed(images).std()) < 0.3 * float(images.std())


def test_a_missing_captum_is_named(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name="captum")

    monkeypatch.setattr(saliency.importlib, "import_module", missing)
    with pytest.raises(PluginError, match="saliency maps need captum, which is not installed") as error:
        saliency.load_captum()
    assert "lensproc[explain]" in str(error.value.remedy)


def batch_of(images):
    items = tuple(Item(psf=PSF(2.0, None)) for _ in images)
    return Batch(images, None, torch.zeros_like(images, dtype=torch.bool), items)


@pytest.mark.usefixtures("with_captum")
@pytest.mark.parametrize("method", ["integrated-gradients", "grad-cam"])
def test_the_stage_gives_the_map_as_a_plane_on_the_pixels_of_the_cutout(method, images, tmp_path):
    path = tiny.write(tmp_path / "w.safetensors", tiny.network())
    options = {"weights": str(path), "saliency": method}
    stage = tiny.stage(tiny.MANIFEST, tiny.MANIFEST.resolve_options(options))
    stage.load(torch.device("cpu"), torch.float32)
    with torch.inference_mode():
        found = stage.apply(batch_of(images.clone()))
        plain = tiny.loaded(path).apply(batch_of(images.clone()))
    for i in range(2):
        plane = found.planes[i]["SALIENCY"]
        assert plane.data.shape == (24, 32)
        assert plane.scale == 1.0
        assert plane.data.std() > 0.0
        assert method in plane.description
        assert found.values[i] == plain.values[i]  # the answer is the same with and without
    assert plain.planes == ()


@pytest.mark.usefixtures("with_captum")
def test_a_missing_captum_is_told_when_the_stage_is_loaded(tmp_path, monkeypatch):
    path = tiny.write(tmp_path / "w.safetensors", tiny.network())
    options = tiny.MANIFEST.resolve_options({"weights": str(path), "saliency": "grad-cam"})
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(PluginError, match="saliency maps need captum"):
        tiny.stage(tiny.MANIFEST, options).load(torch.device("cpu"), torch.float32)
