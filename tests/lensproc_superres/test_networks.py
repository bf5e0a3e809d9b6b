"""The networks of the table: sizes, reach, and that an image does not depend on its neighbours."""

from __future__ import annotations

import importlib

import pytest
import torch

from lensproc.contract.registry import load_registry
from lensproc.nn.blocks import parameter_count

NETWORKS = [
    ("resnet-sisr", {}, 1_226_625),
    ("resnet-sisr", {"blocks": 16}, 1_671_297),
    ("srresnet", {}, 264_324),
    ("srresnet", {"blocks": 2}, 338_181),
    ("srresnet", {"blocks": 3}, 412_038),
    ("srresnet", {"batch_norm": True, "activation": "leaky-relu", "head": "transposed"}, None),
    ("srcnn", {}, 216_961),
    ("srcnn", {"head": "transposed"}, 217_026),
    ("superrescnn", {}, 539_649),
    ("edsr", {}, 1_367_553),
    ("esrn", {}, 942_209),
]
CASES = pytest.mark.parametrize(
    ("stage", "spec", "parameters"), NETWORKS, ids=[f"{name}-{spec}" for name, spec, _ in NETWORKS]
)


def network_of(stage: str, spec: dict[str, object]) -> torch.nn.Module:
    torch.manual_seed(1)
    module = load_registry().manifest(stage).factory.split(":")[0]
    return importlib.import_module(module).Network(**spec)


@CASES
def test_has_as_many_parameters_as_the_table_says(stage, spec, parameters):
    if parameters is not None:
        assert parameter_count(network_of(stage, spec)) == parameters


@CASES
def test_one_pixel_reaches_as_far_as_declared_and_no_further(stage, spec, parameters):
    network = network_of(stage, spec).eval()
    # Positive weights everywhere: nothing cancels, and no activation is shut.
    with torch.no_grad():
        for tensor in network.parameters():
            tensor.abs_()
    side = 2 * network.reach + 5
    images = torch.full((1, 1, side, side), 0.5, requires_grad=True)
    middle = side // 2
    output = network(images)
    block = output[0, 0, 2 * middle : 2 * middle + 2, 2 * middle : 2 * middle + 2]
    (gradient,) = torch.autograd.grad(block.sum(), images)
    rows, columns = gradient[0, 0].nonzero(as_tuple=True)
    farthest = max(int((rows - middle).abs().max()), int((columns - middle).abs().max()))
    assert farthest == network.reach
    assert network.reach <= load_registry().manifest(stage).halo


@CASES
@pytest.mark.parametrize("shape", [(13, 20), (24, 24)])
def test_doubles_any_shape_and_gives_no_nan(stage, spec, parameters, shape):
    with torch.inference_mode():
        output = network_of(stage, spec).eval()(torch.rand(2, 1, *shape))
    assert output.shape == (2, 1, 2 * shape[0], 2 * shape[1])
    assert bool(torch.isfinite(output).all())


@CASES
def test_a_network_that_starts_as_an_interpolation_keeps_light_and_place(stage, spec, parameters):
    network = network_of(stage, spec).eval()
    network.start_as_interpolation(others=0.0)
    axis = torch.arange(41.0)
    star = torch.exp(-((axis - 19.6) ** 2) / 18.0)
    image = torch.outer(torch.exp(-((axis - 21.2) ** 2) / 18.0), star)
    with torch.inference_mode():
        fine = network(image[None, None])[0, 0]
    assert float(fine.sum()) / 4.0 == pytest.approx(float(image.sum()), rel=2e-3)
    place = (torch.arange(82.0) + 0.5) / 2.0 - 0.5
    assert float((fine.sum(0) * place).sum() / fine.sum()) == pytest.approx(19.6, abs=0.01)
    assert float((fine.sum(1) * place).sum() / fine.sum()) == pytest.approx(21.2, abs=0.01)
    # between the pixels too: linear interpolation of a star of sigma 3 px errs by (1/8)(1/9) of its curvature
    truth = torch.outer(torch.exp(-((place - 21.2) ** 2) / 18.0), torch.exp(-((place - 19.6) ** 2) / 18.0))
    assert float((fine - truth).abs().max()) < 0.03


def test_a_random_resnet_sisr_is_not_shut_by_its_last_activation():
    for seed in range(5):
        torch.manual_seed(seed)
        module = importlib.import_module("lensproc_superres.resnet_sisr")
        network = module.Network(blocks=2)
        output = network(torch.rand(4, 1, 16, 16))
        assert float((output > 0).float().mean()) > 0.2


def test_the_largest_networks_that_have_recipes_stay_within_their_halos():
    assert network_of("esrn", {"blocks": 8}).reach == load_registry().manifest("esrn").halo
    assert network_of("resnet-sisr", {"blocks": 16}).reach == load_registry().manifest("resnet-sisr").halo
