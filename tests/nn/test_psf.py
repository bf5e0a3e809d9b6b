"""PSF images and the kernels between them have the widths, sums and transforms that they should."""

import numpy as np
import pytest

from lensproc.cutout import PSF
from lensproc.nn.psf import (
    fwhm_of,
    gaussian_kernel,
    gaussian_psf,
    matching_kernel,
    output_psf_of,
    ratio_kernel,
    resample_psf,
    sampling_kernel,
)

SIGMA_PER_FWHM = 1.0 / np.sqrt(8.0 * np.log(2.0))


def variance_of(image):
    at = np.arange(image.shape[0]) - image.shape[0] // 2
    return float((image.astype(np.float64).sum(0) * at**2).sum())


@pytest.mark.parametrize("fwhm", [1.6, 2.0, 3.0, 5.5])
def test_gaussian_psf_has_the_variance_of_its_fwhm_pixel_included(fwhm):
    image = gaussian_psf(fwhm)
    assert image.sum() == pytest.approx(1.0, abs=1e-6)
    assert variance_of(image) == pytest.approx((fwhm * SIGMA_PER_FWHM) ** 2, rel=4e-3)
    assert fwhm_of(image) == pytest.approx(fwhm, rel=0.03)


def test_a_psf_narrower_than_a_pixel_is_one_pixel():
    assert gaussian_psf(0.0)[1, 1] == 1.0
    assert gaussian_psf(0.5)[1, 1] == 1.0


def test_even_sides_are_refused():
    with pytest.raises(ValueError, match="odd"):
        gaussian_psf(3.0, 8)
    with pytest.raises(ValueError, match="odd"):
        matching_kernel(PSF(3.0), ((0.5, 0.5), (0.0, 0.0)), 1)


@pytest.mark.parametrize("variance", [0.05, 0.3, 2.0])
def test_gaussian_kernel_widens_a_star_by_its_variance(variance):
    from scipy.signal import convolve

    at = np.arange(-15, 16)

    def star(own):
        profile = np.exp(-0.5 * at**2 / own) / np.sqrt(2 * np.pi * own)
        return np.outer(profile, profile)

    made = convolve(star(1.6), gaussian_kernel(variance).astype(np.float64), mode="same")
    assert np.abs(made - star(1.6 + variance)).max() < 4e-3 * made.max()


@pytest.mark.parametrize("scale", [2, 3])
def test_resampled_psf_is_the_same_blur_on_a_finer_grid(scale):
    image = gaussian_psf(3.0, 25)
    fine = resample_psf(PSF(3.0, image), scale)
    assert fine.shape[0] % 2 == 1
    assert fine.sum() == pytest.approx(1.0, abs=1e-6)
    assert variance_of(fine) == pytest.approx(scale**2 * variance_of(image), rel=5e-3)


def test_sampling_kernel_turns_the_mean_of_two_into_lagrange_interpolation():
    taps = sampling_kernel(2, 1).sum(0)
    interpolation = np.convolve(taps, [0.5, 0.5])
    assert interpolation == pytest.approx(np.array([-1, 9, 9, -1]) / 16, abs=1e-6)
    six = np.convolve(sampling_kernel(2, 2).sum(0), [0.5, 0.5])
    assert six == pytest.approx(np.array([3, -25, 150, 150, -25, 3]) / 256, abs=1e-6)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_sampling_kernel_amplifies_no_wave(scale):
    taps = sampling_kernel(scale).sum(0)
    waves = np.linspace(0, np.pi, 50)[1:]
    half = len(taps) // 2
    response = sum(t * np.cos((k - half) * waves) for k, t in enumerate(taps))
    mean = np.sin(scale * waves / 2) / (scale * np.sin(waves / 2))
    assert np.abs(response * mean).max() <= 1.001


def test_ratio_kernel_takes_one_psf_to_the_other():
    from scipy.signal import convolve

    narrow, wide = gaussian_psf(3.0, 41), gaussian_psf(5.0, 41)
    kernel = ratio_kernel(wide, narrow)
    assert kernel.sum() == pytest.approx(1.0, abs=1e-5)
    made = convolve(narrow, kernel, mode="same")
    assert np.abs(made - wide).max() < 5e-3 * wide.max()


def test_same_needs_no_psf_and_is_the_identity_at_scale_one():
    assert matching_kernel(None, "same", 1) is None
    assert matching_kernel(None, "same", 2).sum() == pytest.approx(1.0, abs=1e-5)
    with pytest.raises(ValueError, match="unknown"):
        matching_kernel(None, 0.5, 2)


def test_output_psf_in_output_pixels():
    image = gaussian_psf(3.0, 25)
    same = output_psf_of(PSF(3.0, image), "same", 2)
    assert same.fwhm == pytest.approx(6.0)
    assert fwhm_of(same.image) == pytest.approx(6.0, rel=0.02)
    assert output_psf_of(PSF(3.0, image), 0.5, 2) == PSF(3.0)
    assert output_psf_of(PSF(3.0), 0.0, 2).fwhm == 0.0
    assert output_psf_of(None, "same", 2) is None
    kernel = tuple(map(tuple, gaussian_psf(2.5, 11).tolist()))
    declared = output_psf_of(None, kernel, 2)
    assert declared.fwhm == pytest.approx(2.5, rel=0.03)
    assert declared.image.sum() == pytest.approx(1.0, abs=1e-6)
