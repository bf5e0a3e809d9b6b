"""Forced photometry gives known fluxes with honest errors, and pairs are told from singles."""

import numpy as np
import pytest

from lensproc.cutout import PSF
from lensproc.qc.forced import ForcedFit, PointSpread, flux_error
from lensproc.qc.noise import measure_noise
from lensproc.qc.pairs import delta_chi2
from tests.qc.scenes import Scene, flux_of_snr, observe

FWHM = 3.0


def measured(scene, seed, lag1=0.0, **kwargs):
    cutout = observe(scene, np.random.default_rng(seed), lag1=lag1, **kwargs)
    noise = measure_noise(cutout, FWHM)
    x, y = (np.array([star[i] for star in scene.stars]) for i in (0, 1))
    fit = ForcedFit(PointSpread(cutout.psf.value), x, y, noise)
    image = (cutout.data.astype(np.float64) - noise.sky) / noise.level
    return fit.fluxes(image), fit


@pytest.mark.parametrize("lag1", [0.0, 0.4])
@pytest.mark.parametrize("image", [True, False])
def test_flux_and_error_of_a_known_star(lag1, image):
    flux = 120.0
    scene = Scene(stars=((30.3, 32.8, flux),))
    results = [measured(scene, seed, lag1, psf_image=image)[0] for seed in range(60)]
    fluxes = np.array([r.flux[0] for r in results])
    errors = np.array([r.error[0] for r in results])
    assert fluxes.mean() == pytest.approx(flux, abs=4 * errors.mean() / np.sqrt(60))
    assert fluxes.std() == pytest.approx(errors.mean(), rel=0.25)


def test_neighbours_are_fitted_together():
    scene = Scene(stars=((30.0, 32.0, 3000.0), (33.0, 32.0, 300.0)))
    result, _ = measured(scene, 0)
    assert result.flux == pytest.approx([3000.0, 300.0], abs=4 * result.error.max())


def test_a_claim_beside_a_bright_star_is_denied():
    scene = Scene(stars=((30.0, 32.0, 1000.0), (33.0, 32.0, 0.0)))
    result, _ = measured(scene, 1)
    assert abs(result.flux[1]) < 3 * result.error[1]


def test_a_position_without_pixels_is_not_measured():
    scene = Scene(stars=((1.0e3, 5.0, 10.0), (30.0, 30.0, 500.0)))
    result, _ = measured(scene, 2)
    assert np.isnan(result.flux[0])
    assert result.flux[1] == pytest.approx(500.0, abs=4 * result.error[1])


def test_offsets_are_those_of_the_star():
    first = Scene(stars=((30.3, 32.8, 2000.0),)).render()
    second = Scene(stars=((30.4, 32.75, 2000.0),)).render()
    result, fit = measured(Scene(stars=((30.3, 32.8, 2000.0),)), 3)
    dx, dy, error = fit.offsets(second - first, result.flux)
    assert dx[0] == pytest.approx(0.1, abs=0.01)
    assert dy[0] == pytest.approx(-0.05, abs=0.01)
    # sqrt(2) σ / SNR, the bound of a Gaussian star on white noise
    assert error[0] == pytest.approx(np.sqrt(2) * 1.274 / (2000.0 / flux_of_snr(1.0, FWHM)), rel=0.1)


def test_error_of_a_lone_source_is_near_the_optimum():
    noise = measure_noise(observe(Scene(), np.random.default_rng(4)), FWHM)
    optimum = flux_of_snr(1.0, FWHM)
    assert optimum < flux_error(PointSpread(PSF(FWHM)), noise) < 1.35 * optimum


def pair(separation, snr, seed, moffat=None, image=True):
    """Δχ² of an equal pair, or of a single star tried as a pair of half an FWHM."""
    rng = np.random.default_rng(seed)
    angle, flux = rng.uniform(0, 2 * np.pi), flux_of_snr(snr, FWHM)

    def places(apart):
        dx, dy = 0.5 * apart * FWHM * np.cos(angle), 0.5 * apart * FWHM * np.sin(angle)
        return (31.2 - dx, 31.7 - dy), (31.2 + dx, 31.7 + dy)

    stars = tuple((*p, flux / 2) for p in places(separation)) if separation else ((31.2, 31.7, flux),)
    cutout = observe(Scene(stars=stars, moffat=moffat), rng, psf_image=image)
    noise = measure_noise(cutout, FWHM)
    data = (cutout.data.astype(np.float64) - noise.sky) / noise.level
    spread = PointSpread(cutout.psf.value)
    return delta_chi2(data, noise, spread, *places(separation or 0.5), 0.02 if image else 0.1)


@pytest.mark.parametrize("moffat", [None, 3.0])
def test_singles_are_not_split_with_a_psf_image(moffat):
    assert max(pair(0.0, 100, seed, moffat) for seed in range(10)) < 25


def test_a_pair_below_the_resolution_is_told_by_delta_chi2():
    assert min(pair(0.5, 100, seed) for seed in range(10)) > 25
    assert max(pair(0.2, 30, seed) for seed in range(10)) < 25
