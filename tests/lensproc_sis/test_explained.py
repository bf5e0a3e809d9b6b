"""What a source explains of a batch of images, by lenses whose parameters are put in."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lensproc_sis.explained import behind, bent, explained, relensed_with_noise, source_grid
from lensproc_sis.source import reconstruct
from lensproc_sis.source_noise import residual_sigma
from tests.lensproc_sis.known_lenses import LENS, known
from tests.lensproc_sis.sis_scenes import drawn, noise

SOFT_SOURCE = {"peak": 60.0, "source": (0.6, -0.9, 4.0)}


def of(image, lens=LENS, sampling=1.0):
    images = torch.as_tensor(image).float()[None, None]
    return explained(images, torch.ones_like(images), known(lens), sampling)


@pytest.mark.parametrize("shape", [(60, 64), (61, 47)])
def test_deflection_is_that_of_the_lens_and_twice_as_fine_on_finer_pixels(shape):
    lens = (12.0, shape[1] / 2 - 0.7, shape[0] / 2 + 0.4, 0.15, -0.1, 0.04, -0.03)
    truth = drawn(lens, shape)[1]
    alpha, _ = bent(known(lens), *shape)
    assert (alpha[0] - truth).abs().max() < 1e-4
    fine, _ = bent(known(lens), *shape, finer=2)
    far = (truth.norm(dim=0) > 0) & (torch.from_numpy(np.hypot(*np.indices(shape) - shape[0] / 2)) > 12)
    assert (torch.nn.functional.avg_pool2d(fine, 2)[0] - truth)[:, far].abs().max() < 0.02


@pytest.mark.parametrize("sampling", [1.0, 1.7, 2.0])
def test_noise_that_is_left_is_exact(sampling):
    image, measured = drawn(LENS)[0].float()[None, None], known(LENS)
    _, beta = bent(measured, 60, 64)
    weights = behind(beta, measured.lens[:, 0]) * (torch.from_numpy(np.indices((60, 64)).sum(0) % 7) > 0)
    plane = source_grid(measured.lens[:, 0], sampling)
    relensed, left = relensed_with_noise(image, weights, beta, plane)
    x, y = plane.pixels(beta)[0].flatten(1).double().numpy()
    ones = np.ones(image.numel())
    exact = residual_sigma(x, y, weights.flatten().double().numpy(), ones, (plane.height, plane.width))
    assert left.flatten().numpy() == pytest.approx(exact, abs=2e-3)
    assert torch.allclose(relensed, reconstruct(image, weights, beta, plane).relensed, atol=1e-3)


def test_the_residual_of_the_true_lens_is_noise_of_one_sigma():
    residual = of(drawn(LENS, **SOFT_SOURCE)[0] + noise((60, 64))).residual
    told = residual != 0
    assert told.float().mean() > 0.8
    assert float(residual[told].std()) == pytest.approx(1.0, abs=0.08)
    assert float(residual[told].mean()) == pytest.approx(0.0, abs=0.05)


def test_a_subhalo_is_seen_where_it_is_and_a_wrong_lens_on_the_whole_ring():
    place = (45.3, 30.1)
    grain = noise((60, 64))
    smooth = drawn(LENS, **SOFT_SOURCE)[0] + grain
    lumpy = drawn(LENS, **SOFT_SOURCE, subhalo=(*place, 1.0))[0] + grain
    y, x = np.indices((60, 64))
    near = torch.from_numpy(np.hypot(x - place[0], y - place[1]) < 6)
    without, with_it = (of(one).residual[0, 0] ** 2 for one in (smooth, lumpy))
    assert with_it[near].mean() > 2.5 * without[near].mean()
    assert with_it[near].mean() > 2.0 * with_it[~near].mean()
    wrong = of(smooth, (16.0, *LENS[1:])).residual ** 2
    assert wrong.mean() > 3 * without.mean()


def test_convergence_is_that_of_the_lens():
    lens = (14.0, 31.3, 29.1, 0.0, 0.0, 0.0, 0.0)
    kappa = of(drawn(lens)[0], lens).kappa[0, 0]
    y, x = np.indices((60, 64))
    r = torch.from_numpy(np.hypot(x - 31.3, y - 29.1))
    assert (kappa - 7.0 / r)[r > 6].abs().max() < 2e-3
    assert float(kappa.max()) <= 3.0


def test_neighbours_in_a_batch_make_no_difference():
    lenses = (LENS, (22.0, *LENS[1:]), (6.0, *LENS[1:]))
    images = torch.stack([drawn(lens)[0] + noise((60, 64), i) for i, lens in enumerate(lenses)])[
        :, None
    ].float()
    together = explained(images, torch.ones_like(images), known(*lenses))
    for i, lens in enumerate(lenses):
        alone = of(images[i, 0], lens)
        assert torch.allclose(alone.residual[0], together.residual[i], atol=1e-3)
        assert torch.allclose(alone.kappa[0], together.kappa[i], atol=1e-4)


def test_bad_pixels_explain_nothing_and_have_no_residual():
    image = drawn(LENS)[0].float()
    good = torch.ones_like(image)
    good[20:24, 40:44] = 0.0
    spoilt = torch.where(good > 0, image, torch.full_like(image, 1e5))
    one, other = (explained(i[None, None], good[None, None], known(LENS)).residual for i in (image, spoilt))
    assert torch.equal(one, other)
    assert not one[0, 0][good == 0].any()


def test_gradients_reach_lens_and_pixels():
    image = (drawn(LENS)[0] + noise((60, 64))).float()[None, None].requires_grad_()
    measured = known(LENS)
    measured.lens.requires_grad_()
    measured.correction.requires_grad_()
    found = explained(image, torch.ones_like(image), measured)
    (found.residual**2).mean().backward()
    assert (measured.lens.grad != 0).all()
    assert torch.isfinite(measured.lens.grad).all()
    assert (measured.correction.grad != 0).any()
    assert (image.grad != 0).any()
    # more mass than there is: the residual falls as the radius does
    heavy = known((14.8, *LENS[1:]))
    heavy.lens.requires_grad_()
    (explained(image.detach(), torch.ones_like(image), heavy).residual ** 2).mean().backward()
    assert heavy.lens.grad[0, 0] > 0
