"""How the network of sis learns: samples, the closure of sources, calibrated errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lensproc.simulate.image import simulate
from lensproc.simulate.recipe import load_recipe
from lensproc_sis.error_calibration import calibrate
from lensproc_sis.measure import frame_half
from lensproc_sis.sis_learning import Weights, closure, draw_frames, likelihood, loss
from lensproc_sis.sis_network import Found, SISNetwork
from lensproc_sis.sis_samples import lens_sample


@pytest.fixture(scope="module")
def batch():
    """Lenses with and without lens light, of two instruments, on one frame."""
    shares = [simulate(load_recipe(name), 5, "val", i) for name in ("rings", "common-test") for i in (0, 1)]
    rows = [lens_sample(sim, 150) for sim in shares]
    return {name: torch.from_numpy(np.stack([np.asarray(row[name]) for row in rows])) for name in rows[0]}


def test_arcs_are_the_light_of_the_source_alone():
    sim = simulate(load_recipe("common-test"), 5, "val", 3)
    row = lens_sample(sim, 150)
    sky, noise = np.median(sim.exposure.noise_free[:5]), row["image"].std()
    assert noise > 0
    scaled = (sim.exposure.noise_free - sky) / np.ptp(sim.exposure.noise_free)
    arcs = row["arcs"] / np.ptp(row["arcs"])
    assert np.abs(arcs - scaled).max() < 0.02
    lensed = simulate(load_recipe("rings"), 5, "val", 0)
    with_light = lens_sample(lensed, 64)
    near = tuple(round(float(c)) for c in with_light["lens"][[2, 1]])
    assert with_light["arcs"][near] < 0.2 * with_light["image"][near]


def test_a_lens_is_found_where_the_sample_says(batch):
    """The centre of the ring's light lies near the lens; the frame around changes nothing but the place."""
    small, large = (lens_sample(simulate(load_recipe("rings"), 5, "val", 0), side) for side in (64, 150))
    assert large["lens"][1:3] - small["lens"][1:3] == pytest.approx([43.0, 43.0])
    assert large["lens"][0] == small["lens"][0]
    assert np.array_equal(large["image"][43:107, 43:107], small["image"])


def test_frames_hold_the_ring_and_know_their_lens(batch):
    seen = draw_frames(batch, torch.Generator().manual_seed(0), Weights(whole=0.0, noisier=0.0), 64)
    assert seen["planes"].shape == (4, 6, 64, 64)
    radius = seen["lens"][:, 0].exp()
    assert ((radius > 0.2) & (radius < 0.95)).all()
    again = draw_frames(batch, torch.Generator().manual_seed(0), Weights(whole=0.0, noisier=0.0), 64)
    assert torch.equal(seen["planes"], again["planes"])


def found_of(lens: torch.Tensor) -> Found:
    n = len(lens)
    return Found(lens, torch.full_like(lens, 0.01), torch.zeros(n, 1, 8, 8), torch.zeros(n, 1, 32, 32))


@pytest.mark.parametrize("wrong", [-0.12, 0.12])
def test_a_source_closes_best_for_the_true_ring(batch, wrong):
    seen = draw_frames(batch, torch.Generator().manual_seed(2), Weights(whole=0.0, noisier=0.0), 64)
    truth, _ = closure(found_of(seen["lens"]), seen["arcs"])
    moved = seen["lens"].clone()
    moved[:, 0] += wrong
    other, _ = closure(found_of(moved), seen["arcs"])
    assert (other > truth).all()
    assert (truth[2:] < 0.02).all()  # sharp images


def test_the_likelihood_is_least_for_the_error_that_is_made():
    lens = torch.zeros(1, 7)
    lens[0, 0] = 0.1
    units = torch.ones(7)

    def of(sigma):
        found = Found(torch.zeros(1, 7), torch.full((1, 7), sigma), torch.zeros(1), torch.zeros(1))
        return float(likelihood(found, lens[:, :1].expand(1, 7), units, 0.0))

    assert of(0.1) < min(of(0.07), of(0.14))


def test_every_part_of_the_network_learns(batch):
    torch.manual_seed(0)
    network = SISNetwork(width=4, blocks=1, side=64)
    with torch.no_grad():
        network.spread.bias[0] = -5.0  # sure of θ_E, so that sources are reconstructed
    seen = draw_frames(batch, torch.Generator().manual_seed(0), Weights(), 64)
    parts = loss(network, seen, Weights())
    parts["loss"].backward()
    assert float(parts["left"].detach()) > 0
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    assert network.correct.weight.grad.abs().max() > 0


def test_errors_are_scaled_to_the_scatter(batch):
    torch.manual_seed(0)
    network = SISNetwork(width=4, blocks=1, side=32).eval()
    fitted = calibrate(network, [batch, batch])
    assert (network.calibration > 0).all()
    assert fitted["scale_radius"] == pytest.approx(float(network.calibration[0]))
    assert set(fitted) >= {"radius_bias_percent", "radius_scatter_percent", "scale_gamma2"}


def test_a_frame_is_neither_smaller_than_pixels_nor_larger_than_the_cutout():
    half = frame_half(torch.tensor([0.5, 10.0, 90.0]), torch.full((3,), 50.0))
    assert half.tolist() == pytest.approx([6.0, 25.0, 65.0])
