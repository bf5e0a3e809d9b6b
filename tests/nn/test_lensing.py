"""Deflection, convergence and the lens equation against formulas, against lenstronomy, and against each other."""

import numpy as np
import pytest
import torch
from lenstronomy.LensModel.lens_model import LensModel

from lensproc.nn import lensing, lensing_models

SIZES = [(24, 24), (25, 25), (24, 31)]
SCALES = [0.031, 0.168]
DOUBLE = torch.float64


def grid(height, width, *scales, origin=None):
    return lensing.Grid.of(height, width, torch.tensor(scales, dtype=DOUBLE), origin)


def numbers(*values):
    return torch.tensor(values, dtype=DOUBLE)


def wavy(positions):
    """Strength that varies with the place, far from any symmetry [arcsec]."""
    x, y = positions[:, 0], positions[:, 1]
    return 1.1 + 0.2 * torch.sin(1.3 * x + 0.4) * torch.cos(0.9 * y) + 0.05 * x * y


def wavy_gradient(positions):
    x, y = positions[:, 0], positions[:, 1]
    along = 0.26 * torch.cos(1.3 * x + 0.4) * torch.cos(0.9 * y) + 0.05 * y
    across = -0.18 * torch.sin(1.3 * x + 0.4) * torch.sin(0.9 * y) + 0.05 * x
    return torch.stack((along, across), dim=1)


def wavy_deflection(positions):
    r = positions.norm(dim=1, keepdim=True)
    unit = torch.where(r > 0, positions / r, 0.0)
    return wavy(positions).unsqueeze(1) * unit + r * wavy_gradient(positions)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_positions_of_pixel_centres_in_arcsec(height, width):
    found = grid(height, width, 0.1, 0.4).positions()
    assert found.shape == (2, 2, height, width)
    assert found[1, :, 3, 7].tolist() == pytest.approx(
        [0.4 * (7 - (width - 1) / 2), 0.4 * (3 - (height - 1) / 2)]
    )
    assert found.mean((2, 3)).abs().max() < 1e-12  # nothing is off by half a pixel
    free = grid(height, width, 0.1, 0.4, origin=((1.0, 2.0), (3.25, -4.0)))
    assert free.positions()[1, :, 0, 0].tolist() == pytest.approx([-1.3, 1.6])
    assert free.pixels(free.positions())[0, :, 5, 6].tolist() == pytest.approx([6.0, 5.0])


def test_a_pixel_scale_that_is_none_is_refused():
    with pytest.raises(ValueError, match="above 0"):
        grid(5, 5, 0.0)
    with pytest.raises(ValueError, match="above 0"):
        lensing.Grid.of(5, 5, torch.tensor(0.1))


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("origin", [None, (9.0, 14.3)])
def test_a_constant_strength_is_the_singular_isothermal_sphere(height, width, scale, origin):
    plane = grid(height, width, scale, origin=origin)
    places = plane.positions()
    strength = torch.full((1, height, width), 0.9, dtype=DOUBLE)
    x, y = places[0].numpy()
    expected = np.stack(LensModel(["SIS"]).alpha(x, y, [{"theta_E": 0.9, "center_x": 0.0, "center_y": 0.0}]))
    off_centre = np.hypot(x, y) > 0
    for found in (
        lensing.sphere_deflection(strength, places),
        lensing.deflection(strength, plane),
        lensing.gradient_of(lambda p: lensing.potential(torch.full_like(p[:, 0], 0.9), p), places),
    ):
        assert np.abs(found[0].detach().numpy() - expected)[:, off_centre].max() < 1e-10
        assert not found[0].detach().numpy()[:, ~off_centre].any()  # the centre stays where it is


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("scale", SCALES)
def test_a_strength_that_varies_deflects_as_its_formula_says(height, width, scale):
    plane = grid(height, width, scale, origin=(10.3, 12.0))
    places = plane.positions()
    expected = wavy_deflection(places)
    automatic = lensing.gradient_of(lambda p: lensing.potential(wavy(p), p), places)
    assert (automatic - expected).abs().max() < 1e-12
    error = (lensing.deflection(wavy(places), plane) - expected).abs()
    assert error[..., 2:-2, 2:-2].max() < 1e-4
    assert error.max() < 5e-4 * (scale / 0.168) ** 4  # beyond the edge k is not known
    without = lensing.sphere_deflection(wavy(places), places)
    assert (without - expected).abs().max() > 0.05  # what dropping the terms costs
    r = places.norm(dim=1, keepdim=True)
    assert (without + r * wavy_gradient(places) - expected).abs().max() < 1e-12


@pytest.mark.parametrize(
    ("e1", "e2"), [(0.0, 0.0), (0.15, -0.1), (-0.3, 0.2), (0.004, 0.003), (1e-5, 0.0), (0.0, 0.5)]
)
@pytest.mark.parametrize("scale", SCALES)
def test_an_ellipse_with_shear_deflects_as_lenstronomy_says(e1, e2, scale):
    plane = grid(30, 33, scale, origin=(15.7, 14.2))
    places = plane.positions()
    theta, g1, g2 = 1.3, 0.04, -0.06
    lens = LensModel(["SIE", "SHEAR"])
    kwargs = [
        {"theta_E": theta, "e1": e1, "e2": e2, "center_x": 0.0, "center_y": 0.0},
        {"gamma1": g1, "gamma2": g2, "ra_0": 0.0, "dec_0": 0.0},
    ]
    x, y = places[0].numpy()
    expected = np.stack(lens.alpha(x, y, kwargs))
    ellipse, shear = (numbers(theta), numbers(e1), numbers(e2)), (numbers(g1), numbers(g2))
    analytic = lensing_models.ellipse_deflection(places, *ellipse) + lensing_models.shear_deflection(
        places, *shear
    )

    def strength(p):
        return lensing_models.ellipse_strength(p, *ellipse) + lensing_models.shear_strength(p, *shear)

    automatic = lensing.gradient_of(lambda p: lensing.potential(strength(p), p), places)
    assert np.abs(analytic[0].numpy() - expected).max() < 1e-4
    assert np.abs(automatic[0].detach().numpy() - expected).max() < 1e-4
    assert (automatic - analytic).abs().max() < 1e-9
    expected_psi = lens.potential(x, y, kwargs)
    assert np.abs(lensing.potential(strength(places), places)[0].numpy() - expected_psi).max() < 1e-4
    kappa = lensing.convergence_of(lambda p: lensing.potential(strength(p), p), places)
    assert np.abs(kappa[0].detach().numpy() / lens.kappa(x, y, kwargs) - 1.0).max() < 1e-3


def test_an_ellipse_by_finite_differences_away_from_its_centre():
    """Its strength depends on the angle, so that it is smooth only some pixels away from the centre."""
    plane = grid(121, 121, 0.05)
    places = plane.positions()
    strength = lensing_models.ellipse_strength(places, numbers(1.3), numbers(0.15), numbers(-0.1))
    x, y = places[0].numpy()
    kwargs = [{"theta_E": 1.3, "e1": 0.15, "e2": -0.1, "center_x": 0.0, "center_y": 0.0}]
    expected = np.stack(LensModel(["SIE"]).alpha(x, y, kwargs))
    far = np.hypot(x, y) > 10 * 0.05
    alpha = lensing.deflection(strength, plane)
    assert np.abs(alpha[0].numpy() - expected)[:, far].max() < 1e-4
    kappa = lensing.convergence(alpha, plane.pixel_scale)[0].numpy()
    assert np.abs(kappa / LensModel(["SIE"]).kappa(x, y, kwargs) - 1.0)[far].max() < 2e-3


def test_convergence_of_a_uniform_sheet_and_of_pure_shear():
    places = grid(9, 12, 0.2).positions()
    assert lensing.convergence(0.3 * places, numbers(0.2)).numpy() == pytest.approx(0.3)
    sheared = lensing_models.shear_deflection(places, numbers(0.1), numbers(0.07))
    assert lensing.convergence(sheared, numbers(0.2)).abs().max() < 1e-12
    # rotating by a quarter turn has a curl and no divergence
    assert (
        lensing.convergence(places.flip(1) * numbers(-1, 1)[:, None, None], numbers(0.2)).abs().max() < 1e-12
    )


def test_a_derivative_is_exact_for_polynomials_up_to_the_fourth_degree_also_at_the_edge():
    x = torch.arange(7, dtype=DOUBLE) - 2.0
    for power in range(5):
        expected = power * x ** max(power - 1, 0)
        values = (x**power).expand(2, 3, 7)
        assert (lensing.derivative(values, -1) - expected).abs().max() < 1e-10
        assert (lensing.derivative(values.mT, -2).mT - expected).abs().max() < 1e-10
    with pytest.raises(ValueError, match="5 pixels"):
        lensing.derivative(torch.zeros(4), -1)


def test_a_source_behind_the_centre_comes_from_the_einstein_ring():
    angle = torch.linspace(0, 2 * torch.pi, 9, dtype=DOUBLE)
    ring = torch.stack((torch.cos(angle), torch.sin(angle)))[None] * 0.7
    alpha = lensing.sphere_deflection(torch.full((1, 9), 0.7, dtype=DOUBLE), ring)
    assert lensing.source_positions(ring, alpha).abs().max() < 1e-12


def test_a_batch_has_its_own_scale_and_centre_per_image():
    both = grid(12, 13, 0.1, 0.3, origin=((5.0, 6.0), (6.5, 2.2)))
    strength = wavy(both.positions())
    alpha = lensing.deflection(strength, both)
    for i in range(2):
        one = lensing.Grid.of(12, 13, both.pixel_scale[i : i + 1], both.origin[i : i + 1])
        assert torch.equal(lensing.deflection(strength[i : i + 1], one)[0], alpha[i])


def test_gradients_reach_the_strength_the_centre_and_the_parameters():
    torch.manual_seed(0)
    plane = grid(5, 6, 0.1, 0.3)
    places = plane.positions()
    strength = (1.0 + 0.1 * torch.rand(2, 5, 6, dtype=DOUBLE)).requires_grad_()

    def from_origin(origin):
        at = lensing.Grid(5, 6, plane.pixel_scale, origin)
        return lensing.deflection(strength.detach(), at), lensing.potential(strength.detach(), at.positions())

    origin = torch.tensor([[2.3, 2.2], [2.6, 1.9]], dtype=DOUBLE, requires_grad=True)
    check = torch.autograd.gradcheck
    assert check(lambda k: lensing.sphere_deflection(k, places), strength)
    assert check(lambda k: lensing.deflection(k, plane), strength)
    assert check(lambda k: lensing.convergence(lensing.deflection(k, plane), plane.pixel_scale), strength)
    assert check(lambda k: lensing.potential(k, places), strength)
    assert check(from_origin, origin)
    theta, e1, e2, g1, g2 = (
        numbers(*pair).requires_grad_()
        for pair in ((1.0, 1.2), (0.2, 0.003), (-0.1, 0.002), (0.03, -0.02), (0.01, 0.05))
    )
    apart = grid(4, 4, 0.1, 0.3, origin=(1.3, 1.8)).positions()
    assert check(lambda *p: lensing_models.ellipse_deflection(apart, *p), (theta, e1, e2))
    assert check(lambda *p: lensing_models.ellipse_strength(apart, *p), (theta, e1, e2))
    assert check(lambda *p: lensing_models.shear_deflection(apart, *p), (g1, g2))
    assert check(lambda *p: lensing_models.shear_strength(apart, *p), (g1, g2))
    assert check(
        lambda t, a, b: lensing.gradient_of(
            lambda p: lensing.potential(lensing_models.ellipse_strength(p, t, a, b), p), apart
        ),
        (theta, e1, e2),
    )


def test_the_gradient_at_a_round_lens_is_that_of_its_neighbours():
    places = grid(4, 4, 0.1, origin=(1.3, 1.8)).positions()
    zero = torch.zeros(1, dtype=DOUBLE)

    def total(a, b):
        return lensing_models.ellipse_deflection(places, numbers(1.0), a, b)[0, 0, 1, 2]

    a, b = zero.clone().requires_grad_(), zero.clone().requires_grad_()
    gradient = torch.autograd.grad(total(a, b), (a, b))
    for found, (da, db) in zip(gradient, ((1e-3, 0.0), (0.0, 1e-3)), strict=True):
        expected = (total(zero + da, zero + db) - total(zero - da, zero - db)) / 2e-3
        assert float(found) == pytest.approx(float(expected), rel=1e-4)


def test_the_centre_pixel_gives_finite_gradients():
    """On odd grids the centre is a pixel, where r has a kink."""
    plane = grid(5, 5, 0.1)
    origin = plane.origin.clone().requires_grad_()
    strength = torch.ones(1, 5, 5, dtype=DOUBLE, requires_grad=True)
    at = lensing.Grid(5, 5, plane.pixel_scale, origin)
    (lensing.deflection(strength, at).sum() + lensing.potential(strength, at.positions()).sum()).backward()
    assert torch.isfinite(origin.grad).all()
    assert torch.isfinite(strength.grad).all()


def test_without_gradients_automatic_differentiation_still_works():
    places = grid(5, 6, 0.1).positions()
    with torch.no_grad():
        alpha = lensing.gradient_of(lambda p: lensing.potential(wavy(p), p), places)
        kappa = lensing.convergence_of(lambda p: lensing.potential(wavy(p), p), places)
    assert not alpha.requires_grad
    assert not kappa.requires_grad
    assert (alpha - wavy_deflection(places)).abs().max() < 1e-12
