"""sis as it ships: Einstein radii of simulated lenses that it never saw, to the error that it states."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData
from astropy.table import Table
from click.testing import CliRunner

import lensproc
from lensproc.cli import cli
from lensproc.contract.datafiles import package_folder, verified_path
from lensproc.contract.registry import load_registry
from lensproc.fits.options import ReadOptions
from lensproc.nn.weights import half_of, read_weights
from lensproc.simulate.image import simulate
from lensproc.simulate.layouts import hdulist
from lensproc.simulate.recipe import load_recipe


# what was fitted to validation stands in the card, and no blanks, for neither makes an image
@pytest.mark.parametrize(
    ("stage", "fitted"), [("sis", "scale radius"), ("sis-class", "all views temperature")]
)
def test_weights_are_as_published_and_have_a_card(stage, fitted):
    manifest = load_registry().manifest(stage)
    (weights,) = manifest.weights
    read = read_weights(verified_path(manifest, weights))
    assert read.metadata["stage"] == read.metadata["training"]["recipe"] == stage
    card = (package_folder(manifest) / "cards" / f"{stage}.md").read_text("utf-8")
    assert weights.sha256 in card
    assert half_of(read) in card
    assert fitted in card


def test_both_are_small():
    registry = load_registry()
    files = [
        verified_path(m, data) for m in map(registry.manifest, ("sis", "sis-class")) for data in m.weights
    ]
    assert sum(path.stat().st_size for path in files) <= 12_000_000


def test_errors_are_told_by_cutout_and_the_file_says_from_which_it_comes():
    registry = load_registry()
    manifest = registry.manifest("sis")
    read = read_weights(verified_path(manifest, manifest.weights[0]))
    said = read.metadata["errors"]
    assert (said["split"], said["seed"]) == ("val", 8)
    assert float(read.state["errors.largest"].min()) > float(read.state["errors.smallest"].max())
    known = {manifest.weights[0].sha256, *said["refitted_from"]}
    for stage in ("sis-class", "sis-sr"):
        for data in registry.manifest(stage).weights:
            other = read_weights(verified_path(registry.manifest(stage), data))
            assert other.metadata["network"]["sis"] in known


def test_einstein_radii_of_an_unseen_stream():
    """Ten lenses of a stream that neither training nor the figures of the docs draw from."""
    recipe = load_recipe("euclid-vis")
    ratio, pull = [], []
    for index in range(10):
        sim = simulate(recipe, 1234, "test", index)
        read = ReadOptions(
            pixel_scale=sim.exposure.frame.pixel_scale,
            pixel_units=sim.recipe.instrument.amplitude,
            psf=f"{sim.exposure.psf.fwhm}",
        )
        made = lensproc.enhance(hdulist(sim), ["sis"], read=read, checks="none", device="cpu")
        first = made[0] if isinstance(made, list) else made
        value = first.meta["lensproc"].values["LPTHETAE"]
        truth = sim.scene.einstein_radius
        ratio.append(value.value / truth)
        pull.append((value.value - truth) / value.error)
    assert abs(np.median(ratio) - 1.0) < 0.02
    assert np.median(np.abs(np.array(ratio) - 1.0)) < 0.04
    assert np.median(np.abs(pull)) < 1.5


def test_what_cannot_be_measured_is_said_and_costs_nothing_else(tmp_path):
    rng = np.random.default_rng(1)
    fits.PrimaryHDU(rng.normal(size=(40, 40)).astype(np.float32)).writeto(tmp_path / "scale.fits")
    small = fits.PrimaryHDU(rng.normal(size=(12, 40)).astype(np.float32))
    small.header.update(
        CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CRPIX1=20.0, CRPIX2=6.0, CDELT1=-3e-5, CDELT2=3e-5
    )
    small.writeto(tmp_path / "small.fits")
    files = [str(tmp_path / name) for name in ("scale.fits", "small.fits")]
    result = CliRunner().invoke(cli, ["run", *files, "--stages", "sis", "-o", str(tmp_path / "out")])
    assert result.exit_code == 0
    assert "incomplete: scale.fits: stage sis: needs the pixel scale" in result.output
    assert (
        "incomplete: small.fits: stage sis: needs 16 px along each side to measure a lens\n" in result.output
    )
    assert "2 cutouts lack the result of a stage" in result.output
    table = Table.read(tmp_path / "out" / "catalog.ecsv")
    assert list(table["LPSTATUS"]) == ["PARTIAL", "PARTIAL"]


def test_a_frame_without_arcs_has_no_misfit():
    image = CCDData(np.random.default_rng(2).normal(size=(64, 64)), unit="adu")
    read = ReadOptions(pixel_scale=0.1, pixel_units="flux", psf="0.25")
    made = lensproc.enhance(image, ["sis"], read=read, checks="none", device="cpu")
    first = made[0] if isinstance(made, list) else made
    assert first.meta["lensproc"].values["LPMISFIT"].value is None
