"""Training samples: flux, places and noise of what a network is shown."""

from __future__ import annotations

import numpy as np
import pytest

from lensproc.errors import UsageError
from lensproc.nn.psf import fwhm_of
from lensproc.simulate.image import Simulated, simulate
from lensproc.simulate.recipe import load_recipe
from lensproc.simulate.samples import half_width_gaussian, sample


@pytest.fixture(scope="module")
def stars() -> Simulated:
    """Two stars on an empty field, flux per pixel."""
    return simulate(load_recipe("pairs"), 3, "train", 67)


def test_truths_keep_the_flux_of_the_image(stars: Simulated) -> None:
    fields = sample(stars, ("truth1", "truth2", "sharp2"))
    flux = fields["truth1"].sum()
    assert fields["truth2"].sum() / 4 == pytest.approx(flux, rel=2e-3)
    assert fields["sharp2"].sum() / 4 == pytest.approx(flux, rel=2e-2)  # wings of the Moffat leave the frame


def test_sharp_truth_is_half_as_wide(stars: Simulated) -> None:
    single = simulate(load_recipe("pairs"), 3, "train", 0)
    assert len({(p.x, p.y) for p in single.scene.points}) == 1
    fields = sample(single, ("sharp2", "fwhm"))
    sharp = fields["sharp2"].astype(float)
    y, x = np.indices(sharp.shape)
    cx, cy = ((sharp * axis).sum() / sharp.sum() for axis in (x, y))
    spread = (sharp * ((x - cx) ** 2 + (y - cy) ** 2)).sum() / sharp.sum() / 2
    # half the width on pixels half as large: as many fine pixels as input pixels before
    assert np.sqrt(spread) * 2.3548 == pytest.approx(fields["fwhm"], rel=0.01)


def test_points_lie_on_the_sources_of_the_truth() -> None:
    single = simulate(load_recipe("pairs"), 3, "train", 0)
    fields = sample(single, ("sharp2", "points2"))
    peak = np.unravel_index(fields["points2"].argmax(), fields["points2"].shape)
    assert peak == np.unravel_index(fields["sharp2"].argmax(), fields["sharp2"].shape)
    assert 0.8 < fields["points2"].max() <= 1.0


def test_values_of_surface_brightness_stay() -> None:
    sim = simulate(load_recipe("quasars@jwst-nircam"), 1, "train", 0)
    fields = sample(sim, ("truth1", "truth2"))
    binned = fields["truth2"].reshape(150, 2, 150, 2).mean((1, 3))
    np.testing.assert_allclose(binned, fields["truth1"], rtol=0.02, atol=0.02 * fields["truth1"].max())


def test_partner_of_a_bicubic_half_is_on_its_scale() -> None:
    fields = sample(simulate(load_recipe("sr-a"), 1, "train", 0), ("image", "partner", "partner_truth"))
    assert fields["partner"].shape == (150, 150)
    assert fields["image"].mean() == pytest.approx(fields["partner"].mean(), rel=5e-3)
    assert fields["partner_truth"].mean() == pytest.approx(fields["partner"].mean(), rel=5e-3)


def test_half_width_gaussian_knows_the_pixel(stars: Simulated) -> None:
    psf = half_width_gaussian(stars)
    image = psf.kernel(stars.exposure.frame.pixel_scale / 2, oversampling=8)
    whole = sample(stars, ("fwhm",))["fwhm"]
    assert fwhm_of(image) == pytest.approx(whole, rel=0.01)


def test_unknown_field_and_missing_partner_are_said(stars: Simulated) -> None:
    with pytest.raises(UsageError, match="no field 'colour'"):
        sample(stars, ("colour",))
    with pytest.raises(UsageError, match="no high-resolution partner"):
        sample(stars, ("partner",))
