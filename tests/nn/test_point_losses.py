"""Matched filter and apertures on stars of known flux: known responses, known fluxes, known penalties."""

from __future__ import annotations

import math

import pytest
import torch

from lensproc.nn.point_losses import (
    aperture_fluxes,
    aperture_loss,
    gaussian_stamps,
    matched_response,
    response_loss,
    source_pixels,
)

FWHM = torch.tensor([4.0, 5.0])
SIGMA = torch.tensor([2.0, 0.5])
WIDTH = FWHM / math.sqrt(8.0 * math.log(2.0))


def star(x: float, y: float, flux: float, side: int = 48) -> torch.Tensor:
    """Stars of one flux behind Gaussians of `FWHM`, shape (2, 1, side, side)."""
    axis = torch.arange(side, dtype=torch.float32)
    squared = (axis[None, :] - x) ** 2 + (axis[:, None] - y) ** 2
    width = WIDTH[:, None, None]
    return (flux * torch.exp(-0.5 * squared / width**2) / (2.0 * math.pi * width**2))[:, None]


def test_a_star_has_the_response_of_its_flux_over_its_error():
    """The error of a flux by a matched filter is σ √(4π) s behind a Gaussian of width s."""
    flux = 100.0
    response = matched_response(star(20.0, 31.0, flux), gaussian_stamps(FWHM, 25), SIGMA)
    expected = flux / (SIGMA * math.sqrt(4.0 * math.pi) * WIDTH)
    torch.testing.assert_close(response[:, 0, 31, 20], expected, rtol=1e-3, atol=0.0)
    assert torch.equal(response.flatten(1).argmax(1), torch.tensor([31 * 48 + 20] * 2))


def test_noise_has_a_response_of_scatter_one():
    generator = torch.Generator().manual_seed(4)
    noise = SIGMA[:, None, None, None] * torch.randn(2, 1, 96, 96, generator=generator)
    response = matched_response(noise, gaussian_stamps(FWHM, 25), SIGMA)[..., 12:-12, 12:-12]
    torch.testing.assert_close(response.std((1, 2, 3)), torch.ones(2), rtol=0.1, atol=0.0)


def test_a_star_that_is_lost_costs_what_its_response_says_and_an_invented_one_as_much():
    flux, psf = 60.0, gaussian_stamps(FWHM, 25)
    one = star(24.0, 24.0, flux)
    lost = response_loss(torch.zeros_like(one), one, psf, SIGMA)
    invented = response_loss(one, torch.zeros_like(one), psf, SIGMA)
    torch.testing.assert_close(lost, invented)
    # Its response falls off as the autocorrelation of the PSF, a Gaussian √2 as wide.
    axis = torch.arange(48.0) - 24.0
    squared = axis[None, :] ** 2 + axis[:, None] ** 2
    costs = []
    for sigma, width in zip(SIGMA, WIDTH, strict=True):
        peak = flux / (sigma * math.sqrt(4.0 * math.pi) * width)
        response = peak * torch.exp(-squared / (4.0 * width**2))
        costs.append((torch.sqrt(1.0 + response**2) - 1.0).mean())
    assert float(lost) == pytest.approx(float(sum(costs) / 2.0), rel=0.01)
    assert float(response_loss(one, one, psf, SIGMA)) == 0.0


def test_an_aperture_holds_the_flux_within_it():
    """1 − exp(−r²/2s²) of a Gaussian; all of it where the aperture is wide."""
    image = star(23.0, 22.0, 10.0)
    wide = aperture_fluxes(image, 4.0 * WIDTH)[:, 0, 22, 23]
    torch.testing.assert_close(wide, torch.full((2,), 10.0), rtol=1e-3, atol=0.0)
    narrow = aperture_fluxes(image, FWHM)[:, 0, 22, 23]
    within = 1.0 - torch.exp(-0.5 * (FWHM / WIDTH) ** 2)
    torch.testing.assert_close(narrow, 10.0 * within, rtol=0.02, atol=0.0)


def test_known_sources_are_found_where_they_lie():
    points = torch.maximum(star(12.3, 20.0, 1.0), star(30.0, 33.0, 1.0))
    points = points / points.amax((1, 2, 3), keepdim=True)
    found = source_pixels(points)
    assert [tuple(place) for place in found.nonzero().tolist()] == [
        (0, 0, 20, 12), (0, 0, 33, 30), (1, 0, 20, 12), (1, 0, 33, 30),
    ]  # fmt: skip


def two_sources() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The brighter source, the fainter one, and the map of both."""
    first, second = star(12.0, 14.0, 400.0), star(34.0, 33.0, 80.0)
    points = torch.maximum(first / first.amax((1, 2, 3), True), second / second.amax((1, 2, 3), True))
    return first, second, points


def test_a_lost_second_source_is_punished_by_the_known_amount():
    first, second, points = two_sources()
    radius, sigma = FWHM, 0.01 * SIGMA
    lost = aperture_loss(first, first + second, points, radius, sigma)
    # Nearly without noise: Δ = F / (0.1 F) = 10 for the lost one, 0 for the other.
    assert float(lost) == pytest.approx(0.5 * (math.sqrt(1.0 + 10.0**2) - 1.0), rel=0.01)
    assert float(aperture_loss(first + second, first + second, points, radius, sigma)) == 0.0
    doubled = aperture_loss(first + 2.0 * second, first + second, points, radius, sigma)
    assert float(doubled) == pytest.approx(float(lost), rel=0.01)


def test_noise_is_forgiven():
    first, second, points = two_sources()
    quiet = aperture_loss(first, first + second, points, FWHM, 0.01 * SIGMA)
    loud = aperture_loss(first, first + second, points, FWHM, 50.0 * SIGMA)
    assert float(loud) < 0.02 * float(quiet)


def test_losses_pull_the_lost_source_up():
    first, second, points = two_sources()
    psf = gaussian_stamps(FWHM, 25)
    for loss in (
        lambda image: aperture_loss(image, first + second, points, FWHM, SIGMA),
        lambda image: response_loss(image, first + second, psf, SIGMA),
    ):
        image = first.clone().requires_grad_()
        loss(image).backward()
        assert float(image.grad[0, 0, 33, 34]) < 0.0
        assert bool(torch.isfinite(image.grad).all())


def test_without_sources_nothing_is_lost():
    image = torch.rand(2, 1, 16, 16)
    assert float(aperture_loss(image, 2.0 * image, torch.zeros_like(image), FWHM, SIGMA)) == 0.0


def test_stamps_have_a_middle():
    with pytest.raises(ValueError, match="odd side"):
        gaussian_stamps(FWHM, 24)
