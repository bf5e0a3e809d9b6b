"""H brings an ideal output back to its input, keeps the flux, and lets gradients through."""

import numpy as np
import pytest
import torch

from lensproc.nn.forward import convolve, forward, forward_image, stack_kernels
from lensproc.nn.psf import matching_kernel, sampling_kernel
from tests.qc.scenes import Scene, bicubic, observe

STAR = Scene(size=41, fwhm=3.0, stars=((20.2, 19.7, 100.0),))


def error_of(made, truth):
    """Error of the flux that a matched filter sees, and the largest error over the peak."""
    return ((made - truth) * truth).sum() / (truth**2).sum(), np.abs(made - truth).max() / truth.max()


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("width", [0.5, 0.8, 1.0])
@pytest.mark.parametrize("image", [True, False])
def test_h_of_an_ideal_output_is_the_input(scale, width, image):
    output_psf = "same" if width == 1.0 else width
    kernel = matching_kernel(STAR.psf(image), output_psf, scale)
    made = forward_image(STAR.render(scale, width), kernel, scale, "surface brightness")
    flux, peak = error_of(made, STAR.render())
    assert abs(flux) < 3e-3
    assert peak < 1e-2
    assert made.sum() == pytest.approx(100.0, rel=1e-4)


def test_h_of_a_deconvolved_point_is_the_psf():
    scale, place = 2, 40
    x = (place + 0.5) / scale - 0.5
    points = np.zeros((82, 82))
    points[place, place] = 100.0
    truth = Scene(size=41, fwhm=3.0, stars=((x, x, 100.0),)).render()
    made = forward_image(points, matching_kernel(STAR.psf(), 0.0, scale), scale, "flux")
    flux, peak = error_of(made, truth)
    assert abs(flux) < 2e-3
    assert peak < 6e-3


def test_h_of_a_declared_kernel_is_the_input():
    narrow = Scene(size=21, fwhm=1.5 * 2, stars=((10.0, 10.0, 1.0),)).render()
    kernel = tuple(map(tuple, (narrow / narrow.sum()).tolist()))
    made = forward_image(STAR.render(2, 0.5), matching_kernel(STAR.psf(), kernel, 2), 2, "surface brightness")
    assert abs(error_of(made, STAR.render())[0]) < 3e-3


@pytest.mark.parametrize("fwhm", [2.0, 2.5, 3.0, 4.0])
def test_h_of_an_interpolation_is_the_image(fwhm):
    """The plain mean would widen it: 4 % of a star's flux at FWHM 2 px in a matched filter."""
    cutout = observe(Scene(size=41, fwhm=fwhm, stars=((20.2, 19.7, 1e4),)), np.random.default_rng(0))
    fine = bicubic(cutout).image.data * 4
    plain = error_of(forward_image(fine, None, 2, "surface brightness"), cutout.data)[0]
    made = error_of(forward_image(fine, sampling_kernel(2), 2, "surface brightness"), cutout.data)[0]
    assert abs(made) < 5e-3
    assert abs(made) < 0.6 * abs(plain)


def test_a_moffat_seen_through_half_of_its_width():
    scene = Scene(size=41, fwhm=4.0, stars=((20.2, 19.7, 100.0),), moffat=3.0)
    made = forward_image(scene.render(2, 0.5), matching_kernel(scene.psf(), 0.5, 2), 2, "surface brightness")
    flux, peak = error_of(made, scene.render())
    assert abs(flux) < 1e-3
    assert peak < 5e-3


def test_sum_and_mean_keep_what_they_should():
    image = torch.rand(2, 3, 12, 12)
    kernels = torch.from_numpy(np.stack([matching_kernel(STAR.psf(), 0.5, 2)[3:-3, 3:-3]] * 2))
    kernels = kernels / kernels.sum((-2, -1), keepdim=True)
    flat = torch.ones_like(image)
    assert forward(flat, kernels, 2, "surface brightness").allclose(torch.ones(2, 3, 6, 6), atol=1e-5)
    assert forward(flat, kernels, 2, "flux").allclose(torch.full((2, 3, 6, 6), 4.0), atol=1e-5)
    assert forward(image, None, 2, "flux").sum().item() == pytest.approx(image.sum().item(), rel=1e-5)


@pytest.mark.parametrize("side", [5, 15])
def test_each_item_has_its_own_kernel_and_channels_share_it(side):
    torch.manual_seed(0)
    images, kernels = torch.rand(2, 2, 20, 22), torch.rand(2, side, side)
    together = convolve(images, kernels)
    for i in range(2):
        for c in range(2):
            alone = convolve(images[i : i + 1, c : c + 1], kernels[i : i + 1])
            assert alone[0, 0].allclose(together[i, c], rtol=1e-4, atol=1e-4)


def test_direct_and_fourier_convolution_agree_and_match_scipy():
    from scipy.ndimage import convolve as reference

    rng = np.random.default_rng(0)
    image, kernel = rng.random((20, 23)), rng.random((7, 7))
    wide = np.pad(kernel, 4)
    expected = reference(image, kernel, mode="nearest")
    for weights in (kernel, wide):
        made = convolve(torch.from_numpy(image)[None, None], torch.from_numpy(weights)[None])[0, 0]
        assert made.numpy() == pytest.approx(expected, abs=1e-10)


def test_gradients_pass():
    images = torch.rand(1, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    kernels = torch.rand(1, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda i, k: forward(i, k, 2, "flux"), (images, kernels))


def test_stacked_kernels_keep_their_centres():
    small, large = sampling_kernel(2), matching_kernel(STAR.psf(), 0.0, 2)
    stacked = stack_kernels([small, None, large])
    assert stacked.shape == (3, *large.shape)
    assert stacked.sum((-2, -1)).allclose(torch.ones(3), atol=1e-4)
    middle = large.shape[0] // 2
    assert stacked[1, middle, middle] == 1.0
    assert stacked[0, middle, middle] == pytest.approx(float(small[2, 2]))
    assert stack_kernels([None, None]) is None


def test_sides_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="multiple"):
        forward(torch.zeros(1, 1, 7, 8), None, 2, "flux")
    with pytest.raises(ValueError, match="odd"):
        forward(torch.zeros(1, 1, 8, 8), torch.ones(1, 4, 4), 2, "flux")
    with pytest.raises(ValueError, match="amplitude"):
        forward(torch.zeros(1, 1, 8, 8), None, 2, "counts")
