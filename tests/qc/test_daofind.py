"""The finder's DAOFIND gives what photutils' gives."""

import math
import warnings

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from lensproc.qc.daofind import filtered, find_peaks, measure_peaks, star_kernel

NAMES = {"x_centroid": "x", "y_centroid": "y"} | {
    name: name for name in ("sharpness", "roundness1", "roundness2")
}


def field(fwhm):
    """Noise, lumps of the PSF's width, cosmic rays, one of them in a corner, and a blank part."""
    rng = np.random.default_rng(0)
    image = rng.normal(size=(70, 81)) + 30 * gaussian_filter(rng.normal(size=(70, 81)), fwhm / 2.355)
    image[40, 50] += 100.0
    image[3, 2] += 60.0
    image[60:, :10] = 0.0
    excluded = np.zeros(image.shape, bool)
    excluded[20:30, 20:30] = True
    return image, rng.uniform(0.3, 0.5, image.shape), excluded


@pytest.mark.parametrize("fwhm", [2.0, 2.5, 3.0, 3.3, 4.7, 6.0, 9.1])
def test_peaks_are_those_of_photutils(fwhm):
    from photutils.detection import DAOStarFinder

    image, threshold, excluded = field(fwhm)
    theirs = DAOStarFinder(
        threshold=threshold,
        fwhm=fwhm,
        sigma_radius=2.5,
        min_separation=0.5 * fwhm,
        scale_threshold=False,
        sharpness_range=(0.1, math.inf),
        roundness_range=(-1.5, 1.5),
    )
    table = theirs.find_stars(image, mask=excluded)
    kernel = star_kernel(fwhm, 2.5)
    assert kernel.kernel == pytest.approx(theirs.kernel.data, abs=1e-15)
    response = filtered(image, kernel.kernel)
    ours = measure_peaks(image, response, *find_peaks(response, threshold, 0.5 * fwhm, excluded), kernel)
    round_ones = np.maximum(np.abs(ours.roundness1), np.abs(ours.roundness2)) <= 1.5
    ours = ours.chosen((ours.sharpness >= 0.1) & round_ones)
    assert ours.x.size == len(table) > 10
    for name, mine in NAMES.items():
        assert getattr(ours, mine) == pytest.approx(np.asarray(table[name]), abs=1e-8), name
    over = ours.height / threshold[ours.row, ours.column]
    assert -2.5 * np.log10(over) == pytest.approx(np.asarray(table["daofind_mag"]), abs=1e-8)


def test_nothing_is_found_where_nothing_is_above_the_threshold():
    image, threshold, _ = field(3.0)
    rows, columns = find_peaks(image, threshold + 1e30, 1.5)
    assert rows.size == columns.size == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = measure_peaks(image, image, rows, columns, star_kernel(3.0, 2.5))
    assert found.x.size == 0
