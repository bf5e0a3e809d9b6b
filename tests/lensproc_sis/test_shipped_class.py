"""sis-class as it ships: right on simulated lenses, undecided where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from lensproc.contract.registry import load_registry
from lensproc.evaluate.classification.stages import classifiers
from lensproc.evaluate.classification.truth import labelled
from lensproc.evaluate.scoring.dataset import open_dataset
from lensproc.evaluate.scoring.methods import open_method
from lensproc.fits.read import ReadOptions, read_hdulist
from lensproc.testing import check_stage
from tests.scenes import star_field

CLASSES = {"LPPNO": "no", "LPPSPH": "sphere", "LPPVOR": "vortex"}
UNLIKE = 0.01


@pytest.fixture(scope="module")
def run():
    (method,) = classifiers(["sis-class"], {}, "cpu")
    return open_method(method)


def as_cutout(image, name):
    hdus = [fits.PrimaryHDU(), fits.ImageHDU(np.asarray(image, np.float32), name="SCI")]
    (cutout,) = read_hdulist(fits.HDUList(hdus), ReadOptions(), file=name)
    return cutout


def test_classes_of_lenses_that_no_training_has_seen(run):
    images = labelled(open_dataset("common-test", 16, 0), range(16))
    results = run([cutout for cutout, _ in images])
    said = [max(CLASSES, key=lambda keyword: float(result.values[keyword].value)) for result in results]
    right = [CLASSES[keyword] == truth.class_name for keyword, (_, truth) in zip(said, images, strict=True)]
    assert sum(right) >= 15
    assert np.median([float(result.values["LPOOD"].value) for result in results]) > 0.1


def test_an_answer_does_not_depend_on_the_batch():
    """A residual in σ makes much of rounding, which differs with the number of images."""
    found = check_stage(load_registry().manifest("sis-class"))
    assert {result.name: result.message for result in found if not result.ok} == {}
    assert "batch_equals_singles" in {result.name for result in found}


def test_what_is_no_lens_is_unlike_the_training(run):
    draw = np.random.default_rng(1)
    stars = ((16.3, 30.8, 2000.0), (33.1, 14.6, 900.0), (40.2, 38.0, 400.0), (9.1, 7.9, 3000.0))
    images = [as_cutout(draw.normal(size=(side, side)), f"noise-{side}.fits") for side in (64, 150)]
    images += [
        as_cutout(
            star_field((96, 96), tuple((2 * x, 2 * y, flux) for x, y, flux in stars), seed=1), "field.fits"
        ),
        as_cutout(star_field((96, 96), ((48.0, 48.0, 20000.0),), seed=2), "star.fits"),
    ]
    for result in run(images):
        assert float(result.values["LPOOD"].value) < UNLIKE
        assert result.values["LPCLASS"].value == "undecided"
