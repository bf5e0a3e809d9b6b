"""Units, variance and mask bits around a stage."""

import numpy as np
import pytest

from lensproc.engine.pixels import (
    conversion,
    mark_mask,
    noise_of,
    reach_of,
    variance_conversion,
    variance_for_stage,
)
from tests.engine.stages import cutout


def test_flux_per_pixel_from_an_interpolation_is_divided_by_the_number_of_new_pixels() -> None:
    assert conversion("flux", "surface brightness", 2) == 0.25
    assert conversion("surface brightness", "flux", 3) == 9.0
    assert conversion("flux", "flux", 2) == conversion("surface brightness", "surface brightness", 2) == 1.0


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_variance_of_an_aperture_is_kept(scale: int) -> None:
    variance = 7.0
    as_flux = variance * variance_conversion("flux", scale)
    assert scale**2 * as_flux == pytest.approx(variance), "a sum over the new pixels has the old variance"
    as_brightness = variance * variance_conversion("surface brightness", scale)
    assert as_brightness / scale**2 == pytest.approx(variance), (
        "a mean over the new pixels has the old variance"
    )


def test_noise_is_read_from_the_variance_and_otherwise_measured() -> None:
    rng = np.random.default_rng(2)
    data = rng.normal(0.0, 3.0, (64, 64)).astype(np.float32)
    data[20:30, 20:30] += 500.0
    assert noise_of(cutout(data)) == pytest.approx(3.0, rel=0.06)
    variance = np.full((64, 64), 4.0, np.float32)
    variance[:10] = np.inf
    assert noise_of(cutout(data, variance=variance)) == 2.0


def test_no_data_variance_becomes_the_largest_measured_for_a_network() -> None:
    variance = np.array([[1.0, 9.0], [np.inf, 0.0]], np.float32)
    given = variance_for_stage(cutout(np.ones((2, 2)), variance=variance))
    assert given is not None
    assert given.tolist() == [[1.0, 9.0], [9.0, 9.0]]


def test_one_bad_pixel_marks_its_neighbourhood_and_blanks_nothing() -> None:
    data = np.ones((11, 11), np.float32)
    data[5, 5] = np.nan
    mask, bits, bad_bits = mark_mask(cutout(data), reach=2)
    filled, near = 1 << bits["LP_FILLED"], 1 << bits["LP_NEAR"]
    assert mask[5, 5] == filled
    assert (mask == near).sum() == 5 * 5 - 1
    assert mask[5, 8] == 0
    assert bad_bits & filled
    assert not bad_bits & near


def test_new_bits_avoid_those_in_use_even_without_a_name() -> None:
    data = np.ones((3, 3), np.float32)
    data[0, 0] = np.nan
    mask = np.zeros((3, 3), np.uint32)
    mask[2, 2] = np.uint32(1 << 31)
    _, bits, _ = mark_mask(cutout(data, mask=mask, mask_bits={"SAT": 30}, bad_bits=0), reach=0)
    assert bits == {"SAT": 30, "LP_FILLED": 29, "LP_NEAR": 28}


def test_a_clean_cutout_keeps_its_mask() -> None:
    clean = cutout(np.ones((3, 3)), mask_bits={"DETECTED": 5}, bad_bits=0)
    mask, bits, bad_bits = mark_mask(clean, reach=4)
    assert mask is clean.mask
    assert bits == {"DETECTED": 5}
    assert bad_bits == 0


def test_reach_is_the_halo_or_two_psf_widths() -> None:
    assert reach_of(7, 3.0) == 7
    assert reach_of("global", 2.6) == 6
    assert reach_of("global", None) == 5
