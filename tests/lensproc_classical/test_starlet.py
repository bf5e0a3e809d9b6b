from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from lensproc.cutout import PSF
from lensproc.nn.forward import forward_image
from lensproc.nn.psf import gaussian_psf, matching_kernel
from lensproc.testing.scenes import Scene, draw, single_star
from lensproc.testing.suite import subject_of
from lensproc_classical.starlet import kernels_of
from lensproc_classical.starlet_grid import Grid
from lensproc_classical.starlet_problem import steps_of
from lensproc_classical.starlet_transform import adjoint, analyse, number_of_scales


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_details_and_rest_sum_to_the_image():
    image = noise(2, 1, 48, 40)
    details, rest = analyse(image, 4)
    torch.testing.assert_close(sum(details) + rest, image)


def test_a_constant_has_no_details():
    details, rest = analyse(torch.full((1, 1, 32, 32), 7.0, dtype=torch.float64), 3)
    assert max(float(detail.abs().max()) for detail in details) < 1e-14
    torch.testing.assert_close(rest, torch.full_like(rest, 7.0))


def test_the_adjoint_is_the_transpose_and_its_norm_is_at_most_one():
    image = noise(1, 1, 32, 40)
    duals = [noise(1, 1, 32, 40, seed=i) for i in range(4)]
    forward = sum(float((d * w).sum()) for d, w in zip(duals, analyse(image, 4)[0], strict=True))
    assert forward == pytest.approx(float((adjoint(duals) * image).sum()), rel=1e-10)
    vector = image
    for _ in range(50):
        vector = adjoint(analyse(vector / vector.norm(), 4)[0])
    assert 0.9 < float(vector.norm()) <= 1.0


@pytest.mark.parametrize(("side", "scales"), [(1, 0), (2, 1), (31, 4), (64, 5)])
def test_scales_fit_into_the_image(side, scales):
    assert number_of_scales(side, 100, 5) == scales


@pytest.mark.parametrize("scale", [1, 2])
def test_back_is_the_transpose_of_predict(scale):
    towards, final = kernels_of(PSF(3.0, gaussian_psf(3.0)), scale, 0.5)
    grid = Grid.around((20, 23), *(torch.from_numpy(k).double()[None] for k in (towards, final)), scale)
    sky, residual = noise(1, 1, *grid.size), noise(1, 1, 20, 23, seed=1)
    there = float((grid.predict(sky) * residual).sum())
    assert there == pytest.approx(float((sky * grid.back(residual)).sum()), rel=1e-9)


def test_the_output_has_the_declared_psf_and_explains_the_input():
    scene = single_star((48, 56), 25.3, 26.8)
    image = subject_of("starlet", {"iterations": 200}).run([scene])[0].image[0]
    fine = draw(
        (96, 112), [(2 * 25.8 - 0.5, 2 * 27.3 - 0.5, 1.0)]
    )  # FWHM of 3 output px: half of the input's
    expected = 4.0 * 5.0e4 * fine + 5.0
    # a star of 10,000σ has not quite come down to its final width: its peak is low
    assert np.abs(image - expected).max() < 0.08 * expected.max()
    back = forward_image(image, matching_kernel(scene.psf, 0.5, 2), 2, "surface brightness")
    # far within the 5 % of the light that the PSF is trusted to
    assert np.abs(back - scene.data[0]).max() < 0.01 * scene.data.max()


def test_mere_noise_gives_a_smooth_image():
    rng = np.random.default_rng(5)
    scene = Scene.of(rng.normal(size=(1, 64, 64)), 1.0)
    image = subject_of("starlet").run([scene])[0].image[0]
    assert image.std() < 0.25
    assert float(image.mean() - scene.data.mean()) == pytest.approx(0.0, abs=0.04)


def test_a_bad_pixel_is_filled_from_what_surrounds_it():
    star = draw((40, 40), [(20.0, 20.0, 5.0e4)])
    rng = np.random.default_rng(6)
    data = (star + rng.normal(size=star.shape)).astype(np.float32)[None]
    bad = np.zeros(data.shape, bool)
    bad[0, 20, 20] = True
    whole = Scene.of(data, 1.0)
    subject = subject_of("starlet", {"scale": 1, "iterations": 200})
    holed = Scene(np.where(bad, 0.0, data).astype(np.float32), whole.variance, bad, whole.psf)
    with_pixel, without = (subject.run([scene])[0].image[0] for scene in (whole, holed))
    assert without[18:23, 18:23].sum() == pytest.approx(with_pixel[18:23, 18:23].sum(), rel=0.05)


def test_kernels_take_the_sky_to_the_input_and_to_half_its_width():
    towards, final = kernels_of(PSF(3.0, gaussian_psf(3.0)), 2, 0.5)
    half = final.shape[0] // 2
    y = np.arange(-half, half + 1)[:, None]
    added = (3.0**2 - 2.0**2) / (8 * np.log(2))  # from 2 to 3 output px of FWHM
    assert (final * y**2).sum() == pytest.approx(added, rel=0.02)
    assert towards.sum() == pytest.approx(1.0, abs=1e-6)


def test_a_bright_smooth_galaxy_gets_no_rings_where_the_psf_is_not_quite_known():
    rng = np.random.default_rng(8)
    y, x = np.mgrid[:64, :64]
    radius = np.hypot(x - 31.0, (y - 32.0) / 0.8)
    galaxy = gaussian_filter(2000.0 * np.exp(-radius / 4.0), 4.0 / 2.355)
    data = (galaxy + rng.normal(size=galaxy.shape)).astype(np.float32)[None]
    whole = Scene.of(data, 1.0)
    scene = Scene(data, whole.variance, whole.bad, PSF(4.2))  # its PSF has a FWHM of 4.0
    image = subject_of("starlet").run([scene])[0].image[0]
    for profile in (image[64:100, 62], image[64, 62:100]):
        smooth = profile.reshape(-1, 2).mean(axis=1)
        assert np.all(np.diff(smooth) < 0.02 * smooth[:-1] + 1.0)  # brightness falls outwards everywhere


@pytest.mark.parametrize("fwhm", [1.0, 1.5, 6.0])
@pytest.mark.parametrize("scale", [1, 2])
def test_the_steps_are_short_enough_for_every_psf(fwhm, scale):
    psf = PSF(fwhm, gaussian_psf(fwhm))
    towards, final = kernels_of(psf, scale, 0.5)
    grid = Grid.around((24, 24), *(torch.from_numpy(k).double()[None] for k in (towards, final)), scale)
    weights = torch.where(noise(1, 1, 24, 24) > 0, 1.0, 1e-3).double()
    vector = noise(1, 1, *grid.size, seed=3)
    for _ in range(60):  # the largest eigenvalue of D^½ Bᵀ W B D^½, D being the steps
        root = steps_of(grid, weights).sqrt()
        vector = root * grid.back(weights * grid.predict(root * vector / vector.norm()))
    assert float(vector.norm()) <= 1.0
