from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import fftconvolve

from lensproc.cutout import PSF
from lensproc.nn.psf import fwhm_of, gaussian_psf
from lensproc.testing.scenes import draw, field
from lensproc.testing.suite import subject_of
from lensproc_classical.richardson_lucy import PEDESTAL, deconvolve


def star() -> np.ndarray:
    return draw((41, 41), [(20.0, 20.0, 1.0e4)])


def test_a_star_becomes_narrower_and_keeps_its_flux():
    sharp = deconvolve(star(), gaussian_psf(3.0), 1.0, 50)
    assert sharp.sum() == pytest.approx(star().sum(), rel=1e-3)
    assert fwhm_of(sharp) < 0.55 * fwhm_of(star())


def test_the_result_explains_the_image_the_better_the_longer_it_runs():
    psf = gaussian_psf(3.0)
    left = []
    for iterations in (10, 40, 160):
        again = fftconvolve(deconvolve(star(), psf, 1.0, iterations), psf, mode="same")
        left.append(float(np.abs(again - star()).max() / star().max()))
    assert left[1] < 0.6 * left[0]
    assert left[2] < 0.6 * left[1]
    assert left[2] < 0.05


def test_light_never_falls_further_below_the_sky_than_the_pedestal():
    rng = np.random.default_rng(1)
    sharp = deconvolve(star() + rng.normal(size=(41, 41)), gaussian_psf(3.0), 1.0, 50)
    assert sharp.min() >= -PEDESTAL
    assert sharp.min() < 0.0


@pytest.mark.parametrize("unit", [1e-11, 1.0, 1e6])
def test_the_unit_does_not_matter(unit):
    expected = deconvolve(star(), gaussian_psf(3.0), 1.0, 10)
    found = deconvolve(unit * star(), gaussian_psf(3.0), unit, 10) / unit
    np.testing.assert_allclose(found, expected, atol=1e-5 * expected.max())


def test_a_flat_sky_stays_flat_up_to_the_border():
    flat = deconvolve(np.full((30, 30), 3.0), gaussian_psf(3.0), 1.0, 30)
    np.testing.assert_allclose(flat[3:-3, 3:-3], 3.0, atol=0.02)


@pytest.mark.parametrize("stage", ["richardson-lucy", "starlet"])
def test_without_a_psf_the_reason_names_the_remedy(stage):
    scene = field((32, 32))
    unknown = type(scene)(scene.data, scene.variance, scene.bad, None)
    broken = type(scene)(scene.data, scene.variance, scene.bad, PSF(3.0, np.full((5, 5), np.nan, np.float32)))
    outcomes = subject_of(stage).run([unknown, broken, scene])
    assert "--psf" in outcomes[0].failed
    assert "non-finite" in outcomes[1].failed
    assert outcomes[2].failed is None
