"""Maps of lenses whose parameters are known: deflection, source plane, residual, light of the lens."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lensproc_sis.sis_light import lens_light
from lensproc_sis.sis_physics import maps_of, source_plane
from lensproc_sis.source import reconstruct
from lensproc_sis.source_noise import residual_sigma
from tests.lensproc_sis.sis_scenes import drawn, noise

LENS = (14.0, 31.3, 29.1, 0.12, -0.06, 0.03, 0.02)


def maps(image, lens=LENS, lit=None, sigma=1.0, sampling=2):
    ones = torch.ones_like(image)
    light = torch.ones_like(image) if lit is None else lit
    return maps_of(image, sigma * ones, ones, torch.tensor(lens, dtype=torch.float64), light, None, sampling)


@pytest.mark.parametrize(("shape", "scale"), [((60, 64), 0.263), ((61, 47), 0.03), ((40, 40), 0.1)])
def test_deflection_and_convergence_are_those_of_lenstronomy(shape, scale):
    from lensproc.simulate.mass import main_lens

    lens = (0.25 * min(shape), shape[1] / 2 - 0.7, shape[0] / 2 + 0.4, 0.15, -0.1, 0.04, -0.03)
    made = maps(drawn(lens, shape)[0], lens)
    y, x = np.mgrid[: shape[0], : shape[1]]
    place = (lens[1] * scale, lens[2] * scale)
    truth = main_lens(lens[0] * scale, *lens[3:], place)
    alpha = truth.deflection(x * scale, y * scale)
    assert np.abs(made.alpha * scale - np.stack(alpha)).max() < 1e-4
    kappa = truth.convergence(x * scale, y * scale)
    away = np.hypot(x - lens[1], y - lens[2]) > 1.5
    assert np.abs(made.kappa / kappa - 1)[away].max() < 1e-3


def test_the_source_lensed_again_is_the_image():
    image, _ = drawn(LENS)
    made = maps(image)
    assert np.abs(made.relensed - image.numpy()).max() < 4.0  # of 100: what bilinear weights smooth
    bright = image.numpy() > 50
    assert np.mean((made.relensed - image.numpy())[bright]) == pytest.approx(0.0, abs=1.0)


def test_the_source_keeps_surface_brightness_and_place():
    image, _ = drawn(LENS, source=(0.6, -0.9, 3.0), peak=100.0)
    made = maps(image)
    y, x = np.mgrid[: made.source.shape[0], : made.source.shape[1]]
    bx, by = (x - made.origin[0]) * made.step, (y - made.origin[1]) * made.step
    truth = 100.0 * np.exp(-0.5 * ((bx - 0.6) ** 2 + (by + 0.9) ** 2) / 9.0)
    assert made.source.max() == pytest.approx(100.0, rel=0.03)
    apart = (made.source - truth)[truth > 5]
    assert np.sqrt(np.mean(apart**2)) < 2.0
    assert np.mean(apart) == pytest.approx(0.0, abs=0.5)
    weight = made.source / made.source.sum()
    assert (weight * bx).sum() == pytest.approx(0.6, abs=0.1)
    assert (weight * by).sum() == pytest.approx(-0.9, abs=0.1)


def test_the_residual_of_the_true_lens_is_noise_of_one_sigma():
    image, _ = drawn(LENS, peak=20.0, source=(0.6, -0.9, 4.0))
    made = maps(image + noise(image.shape))
    told = made.residual != 0
    assert told.mean() > 0.5
    assert made.residual[told].std() == pytest.approx(1.0, abs=0.06)
    assert made.residual[told].mean() == pytest.approx(0.0, abs=0.05)


def test_the_residual_shows_a_subhalo_where_it_is():
    smooth, _ = drawn(LENS, peak=60.0, source=(0.6, -0.9, 4.0))
    place = (31.3 + 14.0, 29.1 + 1.0)
    lumpy, _ = drawn(LENS, peak=60.0, source=(0.6, -0.9, 4.0), subhalo=(*place, 1.5))
    grain = noise(smooth.shape)
    without, with_it = (maps(one + grain).residual for one in (smooth, lumpy))
    y, x = np.mgrid[: smooth.shape[0], : smooth.shape[1]]
    near = np.hypot(x - place[0], y - place[1]) < 6
    assert np.mean(with_it[near] ** 2) > 4 * np.mean(without[near] ** 2)
    power = with_it**2
    assert power[near].mean() > 2 * power[~near].mean()


def test_noise_left_is_that_of_the_linear_map():
    rng = np.random.default_rng(3)
    x, y = rng.uniform(1, 5, 40), rng.uniform(1, 5, 40)
    weights, sigma = rng.uniform(0.5, 1.5, 40), rng.uniform(0.5, 2.0, 40)
    from lensproc.nn.lensing import Grid

    plane = Grid.of(7, 7, torch.ones(1, dtype=torch.float64), (0.0, 0.0))
    at = torch.from_numpy(np.stack([x, y])).reshape(1, 2, 1, 40)
    w = torch.from_numpy(weights).reshape(1, 1, 1, 40)
    columns = []
    for unit in torch.eye(40, dtype=torch.float64):
        made = reconstruct(unit.reshape(1, 1, 1, 40), w, at, plane)
        columns.append((unit - made.relensed.flatten()).numpy())
    expected = np.sqrt((np.stack(columns, axis=1) ** 2) @ sigma**2)
    assert residual_sigma(x, y, weights, sigma, (7, 7)) == pytest.approx(expected, abs=1e-9)


def test_light_of_the_lens_is_taken_off_and_the_arcs_are_not():
    lens = (16.0, 31.3, 29.1, 0.05, 0.0, 0.0, 0.0)
    arcs, _ = drawn(lens, source=(1.0, 0.5, 2.0), peak=40.0)
    both, _ = drawn(lens, source=(1.0, 0.5, 2.0), peak=40.0, light=(300.0, 4.0))
    made = maps(both, lens, (arcs > 0.3).double())
    galaxy = (both - arcs).numpy()
    assert np.abs(made.light - galaxy).max() < 0.02 * 300
    assert np.abs(made.light - galaxy)[arcs.numpy() > 20].max() < 1.0


def test_no_light_is_fitted_where_arcs_fill_the_centre():
    y, x = np.mgrid[:40, :40] - 19.5
    image = np.full((40, 40), 5.0)
    none = lens_light(image, np.ones_like(image), np.hypot(x, y) > 12, x, y, 10.0)
    assert not none.any()


def test_bad_pixels_make_no_source():
    image, _ = drawn(LENS)
    bad = torch.zeros_like(image)
    bad[20:26, 40:50] = 1.0
    spoilt = torch.where(bad > 0, torch.full_like(image, 1e5), image)
    ones = torch.ones_like(image)
    lens = torch.tensor(LENS, dtype=torch.float64)
    made = maps_of(spoilt, ones, 1 - bad, lens, ones)
    assert made.source.max() < 110
    assert not made.residual[bad.numpy() > 0].any()


def test_a_wide_lens_has_a_source_plane_of_bounded_size():
    side, step = source_plane(5000.0, 2)
    assert side == 512
    assert side * step == pytest.approx(2 * 1.2 * 5000.0)
    assert source_plane(10.0, 2) == (48, 0.5)
