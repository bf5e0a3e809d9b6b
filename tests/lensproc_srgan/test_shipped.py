"""srgan and lens-gan as they ship: small, as published, and with the flux and the places of two stars."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lensproc.contract.datafiles import package_folder, verified_path
from lensproc.contract.registry import load_registry
from lensproc.contract.stage import Batch, Item
from lensproc.cutout import PSF
from lensproc.nn.psf import gaussian_psf
from lensproc.nn.weights import half_of, read_weights
from lensproc.qc.calibration_file import find_calibration

SHIPPED = ("lens-gan", "srgan")
FWHM, SIDE = 4.0, 48
NOISE = 1.0
MEGABYTE = 1_000_000


@pytest.mark.parametrize("stage", SHIPPED)
def test_weights_come_with_calibration_and_card(stage):
    manifest = load_registry().manifest(stage)
    (weights,) = manifest.weights
    read = read_weights(verified_path(manifest, weights))
    assert read.metadata["stage"] == read.metadata["training"]["recipe"] == stage
    assert manifest.calibration is not None
    calibration = verified_path(manifest, manifest.calibration).read_text("utf-8")
    assert find_calibration(calibration, manifest.defaults, manifest.version).blanks >= 32
    card = (package_folder(manifest) / "cards" / f"{stage}.md").read_text("utf-8")
    assert weights.sha256 in card
    assert "LPSYNTH" in card
    if stage == "srgan":
        assert half_of(read) in card


def test_both_are_small():
    files = [verified_path(m, data) for m in map(load_registry().manifest, SHIPPED) for data in m.weights]
    assert sum(path.stat().st_size for path in files) <= 10 * MEGABYTE


def test_the_pixel_weights_of_lens_gan_are_those_of_lens_sr():
    registry = load_registry()
    both, alone = (
        read_weights(verified_path(m, m.weights[0])).state
        for m in (registry.manifest("lens-gan"), registry.manifest("lens-sr"))
    )
    assert all(torch.equal(both[f"pixel.{name}"], value) for name, value in alone.items())
    assert not all(torch.equal(both[f"adversarial.{name}"], value) for name, value in alone.items())


def two_stars(separation: float) -> tuple[np.ndarray, np.ndarray]:
    """Stars of fluxes 2000 and 1000, `separation` px apart along x, behind a Gaussian, with noise; and without."""
    stamp = gaussian_psf(FWHM, 2 * SIDE + 1)
    pixel = np.arange(2 * SIDE + 1) - SIDE

    def star(flux: float, x: float) -> np.ndarray:
        shift = np.exp(-2j * np.pi * np.fft.fftfreq(pixel.size)[None, :] * (x - SIDE // 2))
        moved = np.fft.ifft2(np.fft.fft2(stamp) * shift).real
        return flux * moved[SIDE // 2 : SIDE // 2 + SIDE, SIDE // 2 : SIDE // 2 + SIDE]

    clean = star(2000.0, SIDE / 2 - separation / 2) + star(1000.0, SIDE / 2 + separation / 2)
    return clean + np.random.default_rng(3).normal(0.0, NOISE, clean.shape), clean


def enhanced(stage: str, image: np.ndarray) -> np.ndarray:
    opened = load_registry().open_stage(stage, {})
    low, reach = (0.0, 1.0) if opened.manifest.normalisation == "noise" else (image.min(), np.ptp(image))
    values = torch.from_numpy((image - low) / reach).float()[None, None]
    item = Item(psf=PSF(FWHM), noise=(NOISE / reach,))
    variance = torch.full_like(values, (NOISE / reach) ** 2)
    batch = Batch(values, variance, torch.zeros(values.shape, dtype=torch.bool), (item,))
    with torch.inference_mode():
        result = opened.apply(batch).images[0, 0].numpy() * reach + low
    opened.close()
    return result


@pytest.mark.parametrize("stage", SHIPPED)
def test_two_stars_closer_than_the_psf_come_apart_where_they_are(stage):
    """At .8 FWHM the input shows one maximum along the line between them, the output two."""
    image, clean = two_stars(0.8 * FWHM)
    line = clean[clean.sum(1).argmax()]
    assert _maxima(line, 50.0).size == 1
    made = enhanced(stage, image)
    found = _maxima(made[made.sum(1).argmax()], 100.0)
    assert found.size == 2
    # of the grid twice as fine: p' = 2 (p + ½) − ½
    expected = [2.0 * (SIDE / 2 + sign * 0.4 * FWHM + 0.5) - 0.5 for sign in (-1, 1)]
    assert found == pytest.approx(expected, abs=1.5)


def test_lens_gan_keeps_the_flux_of_the_frame():
    image, clean = two_stars(2.5 * FWHM)
    made = enhanced("lens-gan", image)
    photon_error = NOISE * SIDE
    assert abs(made.sum() / 4.0 - image.sum()) < photon_error
    assert abs(made.sum() / 4.0 - clean.sum()) < 3.0 * photon_error


def _maxima(line: np.ndarray, least: float) -> np.ndarray:
    inner = line[1:-1]
    return 1 + np.flatnonzero((inner > line[:-2]) & (inner >= line[2:]) & (inner > least))
