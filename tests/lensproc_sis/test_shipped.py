"""sis as it ships: Einstein radii of simulated lenses that it never saw, to the error that it states."""

from __future__ import annotations

import numpy as np

import lensproc
from lensproc.contract.datafiles import package_folder, verified_path
from lensproc.contract.registry import load_registry
from lensproc.fits.options import ReadOptions
from lensproc.nn.weights import half_of, read_weights
from lensproc.simulate.image import simulate
from lensproc.simulate.layouts import hdulist
from lensproc.simulate.recipe import load_recipe


def test_weights_are_as_published_and_have_a_card():
    manifest = load_registry().manifest("sis")
    (weights,) = manifest.weights
    read = read_weights(verified_path(manifest, weights))
    assert read.metadata["stage"] == read.metadata["training"]["recipe"] == "sis"
    card = (package_folder(manifest) / "cards" / "sis.md").read_text("utf-8")
    assert weights.sha256 in card
    assert half_of(read) in card
    assert "scale radius" in card  # what the errors were multiplied by, and no blanks, for it makes no image


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
