"""The stages sis-1, sis-2 and sis-full: what they see, in which unit, and that physics learns from the class."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from lensproc.contract.registry import load_registry
from lensproc.errors import InputError, WeightsError
from lensproc.nn.classifying.classes import CLASSES
from lensproc.testing import check_stage
from tests.lensproc_sis import weights
from tests.lensproc_sis.weights import batch_of, constant_strength, loaded, made, written

STAGES = ("sis-1", "sis-2", "sis-full")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Weights of each stage."""
    folder = tmp_path_factory.mktemp("weights")
    return {stage: written(folder / f"{stage}.safetensors", made(stage), stage) for stage in STAGES}


@pytest.fixture(scope="module")
def constant(tmp_path_factory):
    """Weights of sis-2 by which k is 1 pixel everywhere, and 1 arcsec."""
    folder, found = tmp_path_factory.mktemp("constant"), {}
    for unit in ("pixel", "arcsec"):
        network = constant_strength(made("sis-2", k_unit=unit))
        found[unit] = written(folder / f"{unit}.safetensors", network, "sis-2", k_unit=unit)
    return found


def skies(number, height=150, width=150, seed=0):
    return torch.rand((number, 1, height, width), generator=torch.Generator().manual_seed(seed))


def caught(stage, batch):
    """What the classifier of a running stage is given of a batch."""
    planes = []
    handle = stage.network.backbone.classifier.trunk.register_forward_pre_hook(
        lambda module, given: planes.append(given[0].clone())
    )
    with torch.inference_mode():
        stage.apply(batch)
    handle.remove()
    (plane,) = planes
    return plane[:, 0]


def centroid(plane):
    rows, columns = torch.meshgrid(*(torch.arange(float(side)) for side in plane.shape), indexing="ij")
    light = plane / plane.sum()
    return float((light * columns).sum()), float((light * rows).sum())


@pytest.mark.parametrize("stage", STAGES)
def test_it_is_a_classifier_of_originals_like_the_others(stage):
    manifest = load_registry().manifest(stage)
    other = load_registry().manifest("resnet-simple")
    for name in ("kind", "sees", "normalisation", "scale", "halo"):
        assert getattr(manifest, name) == getattr(other, name)
    assert manifest.defaults == {**other.defaults, "k_unit": "pixel"}


@pytest.mark.parametrize("stage", STAGES)
def test_it_conforms(files, stage):
    found = check_stage(load_registry().manifest(stage), options={"weights": str(files[stage]), "views": "1"})
    assert {result.name: result.message for result in found if not result.ok} == {}


@pytest.mark.parametrize("stage", STAGES)
def test_each_stage_has_its_physics(files, stage):
    informer = loaded(files[stage], stage).network.backbone.informer
    expected = {"sis-1": ("overwrite", False), "sis-2": ("sum", False), "sis-full": ("sum", True)}
    assert (informer.mode, informer.slope) == expected[stage]


@pytest.mark.parametrize("stage", STAGES)
def test_an_image_is_told_the_same_alone_and_in_a_batch(files, stage):
    running = loaded(files[stage], stage)
    axis = torch.arange(150.0)
    blobs = [
        torch.exp(-(((axis - x) / 9) ** 2) - ((axis[:, None] - 60) / 9) ** 2) for x in (30.0, 80.0, 110.0)
    ]
    images = torch.stack(blobs)[:, None] * torch.tensor([1.0, 0.1, 0.01])[:, None, None, None]
    with torch.inference_mode():
        together = running.answers(batch_of(images)).logits
        alone = [running.answers(batch_of(images[i : i + 1])).logits[0] for i in range(3)]
    assert np.abs(together - np.stack(alone)).max() < 2e-5
    assert np.abs(together[0] - together[1]).max() > 1e-3


@pytest.mark.parametrize("shape", [(150, 150), (151, 151), (75, 75), (64, 101), (33, 50)])
def test_light_keeps_its_side_on_the_way_to_the_classifier(constant, shape):
    """A source plane that comes out transposed has the light at (y, x)."""
    height, width = shape
    rows, columns = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
    square = min(shape)
    x, y = (
        (side - square) // 2 + (square - 1) / 2 for side in (width, height)
    )  # of the square in the middle
    x, y = x - 0.31 * square, y + 0.17 * square
    image = torch.exp(-0.5 * ((columns - x) ** 2 + (rows - y) ** 2) / (0.03 * square) ** 2)[None, None]
    found = caught(loaded(constant["pixel"], "sis-2"), batch_of(image))[0]
    assert found.shape == (150, 150)
    # one pixel of the 150 nearer to the middle
    theta = np.array([-0.31, 0.17]) * 150
    beta = theta * (1.0 - 1.0 / math.hypot(*theta))
    assert np.array(centroid(found)) == pytest.approx(beta + 74.5, abs=0.1)


def test_in_arcsec_a_ring_of_one_arcsec_goes_to_the_middle_whatever_the_pixels(constant):
    running = loaded(constant["arcsec"], "sis-2", k_unit="arcsec")
    for side, scale in ((150, 0.05), (75, 0.1), (101, 0.04)):
        axis = (torch.arange(float(side)) - (side - 1) / 2) * scale
        r = torch.hypot(axis, axis[:, None])
        ring = torch.exp(-0.5 * ((r - 1.0) / (2 * scale)) ** 2)[None, None]
        plane = caught(running, batch_of(ring, [scale]))[0]
        near = torch.hypot(*torch.meshgrid(*(torch.arange(150.0) - 74.5,) * 2, indexing="ij")) < 8 * side / 75
        assert plane[near].sum() > 0.9 * plane.sum()
    # told another scale, the same pixels do not
    plane = caught(running, batch_of(ring, [0.08]))[0]
    assert plane[near].sum() < 0.4 * plane.sum()


def test_in_pixels_the_scale_on_the_sky_does_not_matter(constant):
    running = loaded(constant["pixel"], "sis-2")
    with torch.inference_mode():
        one, other, unknown = (
            running.answers(batch_of(skies(2), scales)).logits for scales in ([0.05, 0.05], [0.2, 0.1], None)
        )
    assert np.array_equal(one, other)
    assert np.array_equal(one, unknown)


def test_in_arcsec_an_image_of_unknown_scale_is_refused_with_the_remedy(constant):
    running = loaded(constant["arcsec"], "sis-2", k_unit="arcsec")
    with pytest.raises(InputError, match="needs the pixel scale") as error:
        running.apply(batch_of(skies(2), [0.05, None]))
    assert "--pixel-scale" in str(error.value.remedy)


def test_weights_of_the_other_unit_are_refused(constant):
    with pytest.raises(WeightsError, match="trained with k in pixel, asked is arcsec") as error:
        loaded(constant["pixel"], "sis-2", k_unit="arcsec")
    assert "--set sis-2.k_unit=pixel" in str(error.value.remedy)


@pytest.mark.parametrize("shape", [(33, 33), (61, 84), (200, 151)])
def test_cutouts_of_odd_and_oblong_shapes_get_an_answer(files, shape):
    with torch.inference_mode():
        output = loaded(files["sis-full"], "sis-full").apply(batch_of(skies(2, *shape)))
    assert output.failed == ()
    for values in output.values:
        assert values["LPCLASS"].value in (*CLASSES, "undecided")
        assert sum(values[name].value for name in ("LPPNO", "LPPSPH", "LPPVOR")) == pytest.approx(1.0)


@pytest.mark.parametrize("classifier", ["resnet-simple", "substructure"])
def test_saliency_lies_on_the_light_of_the_cutout(classifier, tmp_path):
    pytest.importorskip("captum")
    network = made("sis-2", classifier=classifier)
    path = written(tmp_path / "w.safetensors", network, "sis-2", classifier=classifier)
    running = loaded(path, "sis-2", saliency="grad-cam")
    axis = torch.arange(96.0)
    blob = torch.exp(-0.5 * (((axis - 30) / 4) ** 2 + ((axis[:, None] - 60) / 4) ** 2))[None, None]
    image = blob + 0.01 * skies(1, 96, 96)
    with torch.inference_mode():
        (plane,) = running.apply(batch_of(image)).planes
    found = plane["SALIENCY"].data
    assert found.shape == (96, 96)
    assert np.isfinite(found).all()
    assert found.max() == pytest.approx(1.0)


def test_the_frame_of_saliency_is_linear_and_where_the_classifier_looks(constant):
    running = loaded(constant["pixel"], "sis-2")
    image = torch.zeros(1, 1, 150, 150)
    image[0, 0, 120, 40] = 1.0
    _, frame = running.looks(batch_of(image))
    once = frame(image)
    assert torch.allclose(frame(3.0 * image), 3.0 * once)
    assert once[0, 0].argmax() == caught(running, batch_of(image))[0].argmax()


def test_the_features_that_tests_assume_are_those_of_the_classifiers():
    for classifier, features in weights.FEATURES.items():
        network = made("sis-2", classifier=classifier)
        with torch.no_grad():
            assert network.features(skies(1)).shape == (1, features)
