"""The informed classifier: shapes as they are drawn, physics that learns, and none of the known defects."""

import pytest
import torch
from torch.nn import functional

from lensproc.contract.classifier_training import CrossEntropy
from lensproc.contract.phases import PhasedTask
from lensproc.nn.blocks import parameter_count
from lensproc.nn.lensing import Grid
from lensproc.nn.spec import from_spec, full_spec
from lensproc_sis import training
from lensproc_sis.autoencoder import Autoencoder
from lensproc_sis.informer import Informer, strength_of
from lensproc_sis.network import InformedClassifier

MODES = ["sum", "overwrite"]


def images(number=2, height=150, width=150, seed=0):
    return torch.rand(number, 1, height, width, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return InformedClassifier().eval()


def test_the_autoencoder_goes_down_to_8_maps_of_16_and_up_to_150_px():
    network = Autoencoder(pooled=False).eval()
    assert network.encoder.first.in_features == 25088
    maps = network.encoder(images(1))
    assert maps.shape == (1, 8, 16, 16)
    sides = []
    for layer in network.decoder.layers:
        maps = layer(maps)
        sides.append(maps.shape[-1])
    assert sides == [48, 48, 145, 145, 150]
    assert maps.shape[1] == 1


@pytest.mark.parametrize(("pooled", "parameters"), [(True, 2_953_700), (False, 20_648_420)])
def test_parameter_counts(pooled, parameters):
    assert parameter_count(InformedClassifier(pooled=pooled)) == parameters


def test_the_strength_is_from_8_to_12_tenths_of_its_unit():
    raw = torch.tensor([[[-1e3, 0.0, 1e3]], [[-1e3, 0.0, 1e3]]])
    scale = torch.tensor([0.05, 0.2])
    pixels = strength_of(raw, scale, "pixel")[:, 0] / scale[:, None]
    assert pixels.numpy() == pytest.approx(torch.tensor([[0.8, 1.0, 1.2]] * 2).numpy())
    assert strength_of(raw, scale, "arcsec")[:, 0].numpy() == pytest.approx(
        torch.tensor([[0.8, 1.0, 1.2]] * 2).numpy()
    )


@pytest.mark.parametrize("slope", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_an_einstein_ring_goes_back_to_the_point_it_came_from(mode, slope):
    scale = torch.tensor([0.05, 0.1])
    grid = Grid.of(51, 51, scale)
    r = grid.positions().norm(dim=1)
    ring = torch.exp(-0.5 * ((r - 0.9) / 0.06) ** 2)[:, None]
    source = Informer(mode, slope)(ring, torch.full((2, 51, 51), 0.9), scale)
    for found, side in zip(source[:, 0], (0.05, 0.1), strict=True):
        assert found[25, 25] > 0.7
        inside = grid.positions()[0].norm(dim=0) / 0.05 * side < 0.25
        assert found[inside].sum() > 0.8 * found.sum()


@pytest.mark.parametrize("mode", MODES)
def test_light_above_the_middle_stays_above_it(mode):
    """An image that comes out transposed has it beside the middle."""
    image = torch.zeros(1, 1, 31, 31)
    image[0, 0, 26, 15] = 1.0
    found = Informer(mode)(image, torch.full((1, 31, 31), 3.0), torch.ones(1))[0, 0]
    assert found[23, 15] == 1.0
    assert found.sum() == 1.0


@pytest.mark.parametrize("side", [9, 10])
def test_the_pixel_in_the_middle_is_not_lost(side):
    image = torch.zeros(1, 1, side, side)
    image[0, 0, side // 2, side // 2] = 2.0
    found = Informer("sum")(image, torch.full((1, side, side), 1.0), torch.ones(1))
    assert found.sum() > 0.9


@pytest.mark.parametrize("slope", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_the_gradient_reaches_the_strength(mode, slope):
    """Where positions are rounded it is nought everywhere, and k learns nothing."""
    strength = (1.0 + 0.1 * images(2, 20, 20, 1)[:, 0]).requires_grad_()
    Informer(mode, slope)(images(2, 20, 20), strength, torch.ones(2)).square().sum().backward()
    assert (strength.grad != 0).float().mean() > (0.4 if mode == "overwrite" else 0.9)


def test_an_image_does_not_depend_on_its_neighbours(network):
    """Dividing by the maximum of the batch made it so."""
    batch = images(3) * torch.tensor([1.0, 0.1, 0.01])[:, None, None, None]
    with torch.no_grad():
        together, source = network(batch), network.source(batch)
        for i in range(3):
            assert torch.allclose(network.source(batch[i : i + 1])[0], source[i], atol=1e-5)
            assert torch.allclose(network(batch[i : i + 1])[0], together[i], atol=1e-4)
    assert source.amax((1, 2, 3)).tolist() == pytest.approx([1.0] * 3)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (101, 101), (50, 70)])
def test_images_of_any_size(network, height, width):
    with torch.no_grad():
        assert network(images(1, height, width)).shape == (1, 3)
        assert network.source(images(1, height, width)).shape == (1, 1, 150, 150)


def test_a_black_image_gives_finite_logits(network):
    with torch.no_grad():
        assert torch.isfinite(network(torch.zeros(1, 1, 150, 150))).all()


def test_in_pixels_the_scale_does_not_matter_and_in_arcsec_it_does(network):
    batch, scales = images(2), (torch.full((2, 1), 0.05), torch.full((2, 1), 0.2))
    physical = InformedClassifier(k_unit="arcsec").eval()
    physical.load_state_dict(network.state_dict())
    with torch.no_grad():
        fine, coarse = (network.source(batch, scale) for scale in scales)
        assert torch.allclose(fine, coarse, atol=1e-4)
        assert torch.allclose(fine, network.source(batch), atol=1e-4)
        fine, coarse = (physical.source(batch, scale) for scale in scales)
        assert (fine - coarse).abs().max() > 0.1
        # twice the field at the same number of pixels is twice the scale, whatever it is resampled to
        wide = functional.interpolate(batch, scale_factor=2, mode="nearest")
        assert torch.allclose(
            physical.strength(batch, scales[0][:, 0]), physical.strength(batch, scales[1][:, 0])
        )
        resampled = physical.source(wide, scales[0] / 2)
        alike = torch.corrcoef(torch.stack((resampled.flatten(), fine.flatten())))[0, 1]
        assert alike > 0.9
    with pytest.raises(ValueError, match="needs the pixel scale"):
        physical(batch)


def test_it_is_built_again_from_its_hyperparameters():
    spec = full_spec(InformedClassifier, {"mode": "overwrite", "slope": True})
    assert spec == {
        "mode": "overwrite", "slope": True, "k_unit": "pixel", "k_network": "autoencoder",
        "classifier": "resnet-simple", "pooled": True, "dropout": 0.3, "classes": 3,
    }  # fmt: skip
    made = from_spec(InformedClassifier, spec, "sis")
    assert (made.informer.mode, made.informer.slope) == ("overwrite", True)
    for wrong in ({"mode": "mean"}, {"k_unit": "px"}, {"k_network": "cnn"}, {"classifier": "vgg"}):
        with pytest.raises(ValueError, match="is not"):
            InformedClassifier(**wrong)


class Wrapped(torch.nn.Module):
    """What adds something to a network of its own, as a calibration does."""

    def __init__(self):
        super().__init__()
        self.backbone = InformedClassifier()

    def forward(self, *inputs):
        return self.backbone(*inputs)


@pytest.mark.parametrize(("made", "within"), [(InformedClassifier, ""), (Wrapped, "backbone")])
def test_three_phases_each_with_its_loss_and_its_parts(made, within):
    network = made()
    task = PhasedTask(
        network=network, network_spec={}, sample=dict, scales={"image": 1}, loss=CrossEntropy(),
        phases=training.phases(within),
    )  # fmt: skip
    assert [phase.name for phase in task.phases] == ["image", "classifier", "all"]
    batch = {"images": images(2, 64, 64), "label": torch.tensor([0, 1])}
    for phase in task.phases:
        network.zero_grad()
        losses = phase.loss(network, batch)
        losses["loss"].backward()
        given = {name for name, parameter in network.named_parameters() if parameter.grad is not None}
        for part in phase.learns:
            inside = {name for name, _ in network.named_parameters() if name.startswith(f"{part}.")}
            assert inside
            assert inside <= given
    # what is learnt by the image alone is the k-network
    network.zero_grad()
    task.phases[0].loss(network, batch)["loss"].backward()
    prefix = f"{within}." if within else ""
    given = {name for name, parameter in network.named_parameters() if parameter.grad is not None}
    assert given == {name for name, _ in network.named_parameters() if name.startswith(f"{prefix}k_network.")}


def test_the_autoencoder_learns_its_image_and_the_strength_learns_from_the_class():
    torch.manual_seed(1)
    network = InformedClassifier(dropout=0.0).train()
    batch = {"images": images(2), "label": torch.tensor([0, 2])}
    first, _, last = training.phases()
    for loss, steps in ((first.loss, 6), (last.loss, 6)):
        optimiser = torch.optim.Adam(network.parameters(), 3e-3)
        seen = []
        for _ in range(steps):
            optimiser.zero_grad()
            found = loss(network, batch)["loss"]
            found.backward()
            optimiser.step()
            seen.append(float(found.detach()))
        assert seen[-1] < 0.7 * seen[0]
    weight = network.k_network.decoder.layers[0].weight
    assert weight.grad.abs().max() > 0
