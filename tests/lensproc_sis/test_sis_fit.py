"""The lenstronomy fit that `sis` is measured beside."""

import numpy as np
import pytest

from benchmarks.sis_fit import fit
from benchmarks.sis_fit_data import Array, Observed
from benchmarks.sis_fit_model import Model
from benchmarks.sis_fit_parts import parts_added
from lensproc.simulate.light import join, sersic
from lensproc.simulate.mass import main_lens
from lensproc.simulate.psf import PSFModel
from lensproc.simulate.render import Frame, block_sum, convolved, lensed_source

# lenstronomy 1.14 gives numpy's FFT a shape without axes, which numpy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:.axes. should not be .None.:DeprecationWarning")

THETA_E, CENTER, SHEAR, PLACE = 0.9, (0.03, -0.05), (0.03, -0.02), (0.1, 0.06)
SIGMA = 1.0


def observed() -> Observed:
    """An ellipsoid with shear before a Sérsic source, peak 60σ, drawn without the model of the fit."""
    frame, psf = Frame(40, 0.08), PSFModel("moffat", 0.16, 3.0)
    lens = main_lens(THETA_E, 0.1, -0.05, *SHEAR, CENTER)
    at = (CENTER[0] + PLACE[0], CENTER[1] + PLACE[1])
    source = join([sersic(1.0, 0.18, 1.0, 0.0, 0.0, at)])
    fine = frame.finer(4)
    image = block_sum(convolved(lensed_source(fine, lens, source), psf, fine.pixel_scale), 4)
    image *= 60.0 / image.max()
    pixels = image + np.random.default_rng(5).normal(3.0, SIGMA, image.shape)
    return Observed(pixels, np.full_like(pixels, SIGMA), np.ones(pixels.shape, bool), 0.08, psf, False)


def truth() -> Array:
    return np.array([THETA_E, 0.1, -0.05, *CENTER, *SHEAR, *PLACE, 0.18, 1.0, 0.0, 0.0])


def with_star(before: Observed, x: float, y: float) -> Observed:
    axis = before.axis
    star = before.psf.separable(axis - x, axis - y)
    pixels = before.pixels + 80.0 * star / star.max()
    return Observed(pixels, before.sigma, before.use, before.pixel_scale, before.psf, before.light)


def test_an_easy_lens_is_found_from_nothing() -> None:
    found = fit(observed(), particles=30, generations=20)
    assert abs(found.theta_e / THETA_E - 1.0) < 0.01
    assert abs(found.theta_e - THETA_E) < 4.0 * found.error
    assert 0.0002 < found.error / THETA_E < 0.01
    assert found.chi2 == pytest.approx(1.0, abs=0.1)
    assert not found.bounded


def test_the_truth_leaves_noise_and_the_sky_is_found() -> None:
    model = Model(observed(), supersampling=2)
    amplitudes, residual = model.solved(truth(), 3.0)
    assert np.mean(residual**2) == pytest.approx(1.0, abs=0.08)
    assert amplitudes[0] == pytest.approx(3.0, abs=0.15)


def test_no_light_is_negative_but_the_sky_may_be() -> None:
    data = observed()
    dark = Observed(-data.pixels, data.sigma, data.use, data.pixel_scale, data.psf, False)
    amplitudes, _ = Model(dark).solved(truth())
    assert amplitudes[0] < 0
    assert np.all(amplitudes[1:] == 0)


def test_a_star_beside_the_ring_is_added_as_a_neighbour() -> None:
    model, p = parts_added(Model(with_star(observed(), 1.2, -1.1)), truth())
    assert (model.clumps, model.neighbours) == (0, 1)
    assert np.hypot(p[-4] - 1.2, p[-3] + 1.1) < 0.03


def test_a_knot_of_the_source_is_added_as_a_clump() -> None:
    data = observed()
    frame = Frame(40, 0.08).finer(4)
    at = (CENTER[0] + PLACE[0] + 0.1, CENTER[1] + PLACE[1] - 0.15)
    knot = join([sersic(1.0, 0.03, 0.5, 0.0, 0.0, at)])
    image = lensed_source(frame, main_lens(THETA_E, 0.1, -0.05, *SHEAR, CENTER), knot)
    image = block_sum(convolved(image, data.psf, frame.pixel_scale), 4)
    pixels = data.pixels + 40.0 * image / image.max()
    knotty = Observed(pixels, data.sigma, data.use, 0.08, data.psf, False)
    model, p = parts_added(Model(knotty), truth())
    assert (model.clumps, model.neighbours) == (1, 0)
    assert np.hypot(p[13] - PLACE[0] - 0.1, p[14] - PLACE[1] + 0.15) < 0.04
