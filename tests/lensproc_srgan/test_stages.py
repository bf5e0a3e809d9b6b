"""The stages: manifests, strength between two sets of weights, and what the suite asks of pixels."""

from __future__ import annotations

import pickle

import pytest
import torch

from lensproc.contract.registry import load_registry
from lensproc.contract.stage import Batch, Item
from lensproc.errors import UsageError, WeightsError
from lensproc.nn.interpolated import TwoWeights
from lensproc.nn.resnet_sisr import ResnetSISR
from lensproc.nn.weights import save_weights
from lensproc.testing.suite import run_check, subject_of
from lensproc_srgan.stages import GeneratorStage

CHECKS = ("output_shape", "star_keeps_flux", "star_keeps_centroid", "batch_equals_singles", "stage_pickles")


def applied(weights, strength: float, stage: str = "srgan") -> torch.Tensor:
    options = {"weights": str(weights), "strength": strength}
    opened = load_registry().open_stage(stage, options)
    images = torch.linspace(0.0, 1.0, 18 * 18).reshape(1, 1, 18, 18)
    batch = Batch(images, None, torch.zeros(images.shape, dtype=torch.bool), (Item(),))
    with torch.inference_mode():
        result = opened.apply(batch).images
    opened.close()
    return result


@pytest.mark.parametrize("stage", ["srgan", "esrgan"])
def test_they_say_that_they_may_invent(stage):
    manifest = load_registry().manifest(stage)
    assert manifest.generative
    assert manifest.output_psf == 0.5
    assert manifest.training == f"lensproc_srgan.training:{stage}"


@pytest.mark.parametrize("stage", ["srgan", "esrgan"])
def test_what_depends_on_the_network_conforms(stage, two_parts):
    subject = subject_of(stage, {"weights": str(two_parts(stage))})
    results = [run_check(subject, check) for check in CHECKS]
    assert [result for result in results if not result.ok] == []


def test_strength_goes_from_the_weights_of_pixels_to_those_of_the_adversary(two_parts):
    """The last convolutions differ by a factor, and the output follows their mean."""
    weights = two_parts("srgan", 3.0)
    pixel, middle, strong = (applied(weights, strength) for strength in (0.0, 0.5, 1.0))
    torch.testing.assert_close(strong, 3.0 * pixel)
    torch.testing.assert_close(middle, 2.0 * pixel)


def test_strength_outside_its_range_is_refused(two_parts):
    with pytest.raises(UsageError, match=r"srgan.strength=1.5 is above its maximum 1"):
        applied(two_parts("srgan"), 1.5)


def test_statistics_of_normalisations_lie_between_too():
    torch.manual_seed(0)
    both = TwoWeights(ResnetSISR(blocks=1))
    both.pixel.middle[1].running_var.fill_(1.0)
    both.adversarial.middle[1].running_var.fill_(3.0)
    both.adversarial.middle[1].num_batches_tracked.fill_(7)
    between = both.between(0.25)
    torch.testing.assert_close(between.middle[1].running_var, torch.full((64,), 1.5))
    assert int(between.middle[1].num_batches_tracked) == 7
    for strength, part in ((0.0, both.pixel), (1.0, both.adversarial)):
        found, expected = both.between(strength).state_dict(), part.state_dict()
        assert all(torch.equal(found[name], expected[name]) for name in dict(part.named_parameters()))


def test_weights_of_one_part_alone_are_refused(tmp_path):
    network = ResnetSISR(blocks=1)
    path = tmp_path / "one.safetensors"
    save_weights(path, network.state_dict(), {"stage": "srgan", "network": {"blocks": 1}})
    with pytest.raises(WeightsError, match="the weights do not fit the network"):
        applied(path, 1.0)


def test_it_pickles_before_it_is_loaded(two_parts):
    manifest = load_registry().manifest("srgan")
    options = manifest.resolve_options({"weights": str(two_parts("srgan"))})
    again = pickle.loads(pickle.dumps(GeneratorStage(manifest, options)))
    again.load(torch.device("cpu"), torch.float32)
    assert isinstance(again.network, ResnetSISR)
    assert not again.network.training
