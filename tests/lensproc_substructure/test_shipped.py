"""The classifiers whose weights ship: right on simulated lenses, and at a loss where there is no lens."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from lensproc.contract.datafiles import package_folder, verified_path
from lensproc.contract.registry import load_registry
from lensproc.evaluate.classification.stages import classifiers
from lensproc.evaluate.classification.truth import labelled
from lensproc.evaluate.scoring.dataset import open_dataset
from lensproc.evaluate.scoring.methods import open_method
from lensproc.fits.read import ReadOptions, read_hdulist
from lensproc.nn.weights import read_weights
from tests.scenes import star_field

pytest.importorskip("lenstronomy")

SHIPPED = ("substructure", "resnet-simple")
KEYWORDS = {"no": "LPPNO", "sphere": "LPPSPH", "vortex": "LPPVOR"}
UNLIKE = 0.01
KNOWN = {2: (0.994537, 0.000280, 0.005184), 8: (0.000003, 0.055564, 0.944433)}
"""What the default says of two of the lenses below: probabilities of no, sphere and vortex."""


@pytest.fixture(scope="module")
def run():
    methods = classifiers(SHIPPED, {}, "cpu")
    return {method.name: open_method(method) for method in methods}


@pytest.fixture(scope="module")
def lenses():
    """Twenty-four simulated lenses that no training has seen, and their classes."""
    images = labelled(open_dataset("common-test", 24, 0), range(24))
    return [cutout for cutout, _ in images], [truth.class_name for _, truth in images]


def probabilities(result):
    return np.array([float(result.values[keyword].value) for keyword in KEYWORDS.values()])


def likeliest(result):
    return list(KEYWORDS)[int(probabilities(result).argmax())]


def as_cutout(image, name):
    """Pixels alone: the noise is that of the sky."""
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(np.asarray(image, np.float32), name="SCI")]
    (cutout,) = read_hdulist(fits.HDUList(hdus), ReadOptions(), file=name)
    return cutout


def coarser(cutout):
    """Pixels of twice the side: means of four."""
    ny, nx = cutout.data.shape[-2:]
    image = np.asarray(cutout.data, np.float64).reshape(ny // 2, 2, nx // 2, 2).mean(axis=(1, 3))
    return as_cutout(image, "coarser.fits")


@pytest.mark.parametrize("stage", SHIPPED)
def test_weights_are_those_of_the_stage_and_stand_in_its_card(stage):
    manifest = load_registry().manifest(stage)
    (weights,) = manifest.weights
    metadata = read_weights(verified_path(manifest, weights)).metadata
    assert metadata["stage"] == stage
    assert metadata["training"]["recipe"] == stage
    assert weights.sha256 in (package_folder(manifest) / "cards" / f"{stage}.md").read_text("utf-8")


@pytest.mark.parametrize("stage", SHIPPED)
def test_lenses_get_their_class(run, lenses, stage):
    cutouts, classes = lenses
    results = run[stage](cutouts)
    right = [likeliest(result) == name for result, name in zip(results, classes, strict=True)]
    assert sum(right) >= 19, "of 24; one in three would be chance"
    decided = [
        (str(result.values["LPCLASS"].value), name)
        for result, name in zip(results, classes, strict=True)
        if result.values["LPCLASS"].value != "undecided"
    ]
    assert len(decided) >= 18
    assert sum(said == name for said, name in decided) >= 0.85 * len(decided)


def test_an_answer_is_known(run, lenses):
    for index, known in KNOWN.items():
        (result,) = run["substructure"]([lenses[0][index]])
        assert probabilities(result) == pytest.approx(known, abs=1e-3)


def test_pixels_of_another_size_change_few_classes(run, lenses):
    results = run["substructure"]([coarser(cutout) for cutout in lenses[0]])
    right = [likeliest(result) == name for result, name in zip(results, lenses[1], strict=True)]
    assert sum(right) >= 18


@pytest.mark.parametrize("stage", SHIPPED)
def test_noise_alone_is_unlike_the_training(run, stage):
    draw = np.random.default_rng(1)
    noise = [as_cutout(draw.normal(size=(side, side)), f"noise-{side}.fits") for side in (64, 150)]
    for result in run[stage](noise):
        assert float(result.values["LPOOD"].value) < UNLIKE
        assert result.values["LPCLASS"].value == "undecided"


def test_stars_are_unlike_the_training(run):
    """Of the default: resnet-simple takes some of them for lenses."""
    places = ((16.3, 30.8, 2000.0), (33.1, 14.6, 900.0), (40.2, 38.0, 400.0), (9.1, 7.9, 3000.0))
    images = [
        as_cutout(star_field((side, side), stars, seed=side), f"stars-{side}.fits")
        for side in (64, 96, 150)
        for stars in (
            tuple((x * side / 48, y * side / 48, flux) for x, y, flux in places),
            ((side / 2, side / 2, 20000.0),),
        )
    ]
    for result in run["substructure"](images):
        assert float(result.values["LPOOD"].value) < UNLIKE
        assert result.values["LPCLASS"].value == "undecided"


def test_weights_of_both_are_small():
    registry = load_registry()
    paths = [
        verified_path(registry.manifest(stage), data)
        for stage in SHIPPED
        for data in registry.manifest(stage).weights
    ]
    assert sum(path.stat().st_size for path in paths) <= 16_000_000
