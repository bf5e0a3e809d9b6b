"""The network of ``substructure`` on source planes: its own sky and noise, no matter how bright the plane."""

from __future__ import annotations

import pytest
import torch

from lensproc_sis.ring_classifier import RingClassifier, in_sigma


def planes(number=2, seed=0):
    """Rings on a sky of 3 with a noise of .5, with nothing in the outermost ten pixels."""
    axis = torch.arange(150.0) - 74.5
    r = torch.hypot(axis, axis[:, None])
    noise = torch.randn(number, 1, 150, 150, generator=torch.Generator().manual_seed(seed))
    made = 3.0 + 0.5 * noise + 10.0 * torch.exp(-0.5 * ((r - 30) / 3) ** 2)
    made[..., :10], made[..., -10:], made[..., :10, :], made[..., -10:, :] = (0.0,) * 4
    return made.clamp_min(0.0)


def test_sky_and_noise_are_those_where_light_has_come():
    found = in_sigma(planes())
    assert float(found[..., :10].abs().max()) == 0.0
    corner = found[..., 12:30, 12:30]
    assert float(corner.std()) == pytest.approx(1.0, abs=0.25)
    assert float(corner.mean()) == pytest.approx(0.0, abs=0.4)


@pytest.mark.parametrize("plane", [torch.zeros(1, 1, 20, 20), torch.ones(1, 1, 20, 20)])
def test_planes_without_structure_become_zero(plane):
    assert float(in_sigma(plane).abs().max()) == 0.0
    assert torch.isfinite(RingClassifier().eval()(plane)).all()


def test_brightness_and_neighbours_do_not_matter():
    torch.manual_seed(0)
    network = RingClassifier().eval()
    with torch.no_grad():
        together = network(planes(3) * torch.tensor([1.0, 1e-2, 7.0])[:, None, None, None])
        alone = torch.cat([network(plane[None]) for plane in planes(3)])
    assert torch.allclose(together, alone, atol=1e-3)


def test_the_ring_is_looked_at_where_it_is():
    network = RingClassifier()
    rings = network.rings(planes().roll((9, -14), (-2, -1)))
    assert rings.x.tolist() == pytest.approx([60.5, 60.5], abs=0.5)
    assert rings.y.tolist() == pytest.approx([83.5, 83.5], abs=0.5)
    assert rings.radius.tolist() == pytest.approx([30.0, 30.0], abs=2.0)
