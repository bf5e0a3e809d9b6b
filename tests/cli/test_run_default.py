"""``lensproc run FILES`` and nothing else: the flagship, and what it does with files that do not say enough."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner, Result

from lensproc.cli import cli
from tests.scenes import write_cutout


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(cli, ["run", *map(str, arguments), "--jobs", "1", "--checks", "none"])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_without_a_psf_the_line_says_what_to_give(tmp_path: Path) -> None:
    """A field without a star, and a header without the seeing, say nothing of the PSF."""
    source = write_cutout(tmp_path / "a.fits")
    with fits.open(source, mode="update") as hdus:
        sky = np.random.default_rng(1).normal(0.0, 1.0, hdus["SCI"].data.shape)
        hdus["SCI"].data = sky.astype(np.float32)
        del hdus["SCI"].header["SEEING"]
    result = run(source, "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "lens-sr" in result.output
    assert "--psf" in result.output
    assert not list((tmp_path / "out").glob("*.fits"))


def test_with_a_psf_flux_is_kept_and_every_pixel_has_an_error(tmp_path: Path) -> None:
    source = write_cutout(tmp_path / "a.fits")
    result = run(source, "-o", tmp_path / "out", "--psf", "3px")
    assert result.exit_code == 0, result.output
    with fits.open(tmp_path / "out" / "a_enhanced.fits") as made, fits.open(source) as given:
        image, original = made["SCI"].data, next(h.data for h in given if h.data is not None)
        assert image.shape == tuple(2 * side for side in original.shape)
        errors = made["UNCERT"].data
        assert np.isfinite(errors).all()
        assert (errors > 0).all()
        # within the photon error of the sum: the root of the number of pixels times the noise, and stars beside
        noise = 1.4826 * float(np.median(np.abs(original - np.median(original))))
        assert float(image.sum()) == pytest.approx(
            float(original.sum()), abs=2.0 * noise * original.size**0.5
        )
