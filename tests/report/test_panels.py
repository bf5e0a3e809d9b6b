"""Pixels to pictures: one stretch, the right way up, and drawings in their places."""

from __future__ import annotations

import base64
import io
import math

import numpy as np
import pytest
from PIL import Image

from lensproc.report.output import Source, read_output
from lensproc.report.overlay import (
    VERDICTS,
    draw_scale_bar,
    draw_sources,
    gravest_first,
    legend_marker,
    marker,
)
from lensproc.report.sky import Orientation, bar_label, bar_length, orientation_of
from lensproc.report.stretch import (
    BRIGHT,
    DIVERGING,
    binned,
    fidelity_levels,
    palette_of,
    png_uri,
    stretch_of,
)
from tests.scenes import NOISE, PIXEL_SCALE, star_field


def pixels_of(uri: str) -> np.ndarray:
    data = base64.b64decode(uri.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def test_the_stretch_stands_on_the_sky_and_its_noise() -> None:
    stretch = stretch_of(star_field().astype(float) + 100.0)
    assert stretch.sky == pytest.approx(100.0, abs=0.1)
    assert stretch.softening == pytest.approx(2.0 * NOISE, rel=0.1)
    levels = stretch.image(np.array([stretch.low, stretch.sky, stretch.high, 1e9]))
    assert levels[0] == 0.0
    assert 0.1 < levels[1] < 0.5
    assert levels[2] == levels[3] == 1.0


def test_a_blank_field_is_not_blown_up() -> None:
    stretch = stretch_of(star_field(stars=()).astype(float))
    assert stretch.high - stretch.sky == pytest.approx(8.0 * NOISE, rel=0.1)


def test_images_without_noise_or_values_have_a_stretch() -> None:
    assert stretch_of(star_field(noise=0.0).astype(float)).softening > 0
    assert np.isfinite(stretch_of(np.full((4, 4), np.nan)).image(np.ones(3))).all()
    assert np.isfinite(stretch_of(np.ones((4, 4))).image(np.ones(3))).all()


def test_the_difference_is_symmetric_on_the_same_stretch() -> None:
    stretch = stretch_of(star_field().astype(float))
    levels = stretch.difference(np.array([-3.0, 0.0, 3.0, stretch.high - stretch.sky]))
    assert levels[1] == 0.5
    assert levels[0] + levels[2] == pytest.approx(1.0)
    assert levels[3] == 1.0


def test_fidelity_is_linear_to_five_sigma() -> None:
    levels = fidelity_levels(np.array([-9.0, -5.0, -2.5, 0.0, 5.0]))
    np.testing.assert_allclose(levels, [0.0, 0.0, 0.25, 0.5, 1.0])


def test_row_zero_is_at_the_bottom_and_missing_pixels_have_their_own_colour() -> None:
    levels = np.zeros((3, 2))
    levels[0, 0], levels[2, 1] = 1.0, np.nan
    picture = pixels_of(png_uri(levels, BRIGHT))
    assert tuple(picture[2, 0]) == (255, 255, 255)
    assert tuple(picture[0, 1]) == tuple(palette_of(BRIGHT)[255])
    assert tuple(picture[0, 0]) == (0, 0, 0)


def test_diverging_colours_are_blue_below_and_red_above() -> None:
    low, middle, high = palette_of(DIVERGING)[[0, 127, 254]].astype(int)
    assert low[2] > low[0]
    assert high[0] > high[2]
    assert middle.min() > 235


def test_binning_keeps_the_mean_and_passes_over_missing_pixels() -> None:
    image = np.arange(36.0).reshape(6, 6)
    image[0, 0] = np.nan
    small = binned(image, largest=3)
    assert small.shape == (3, 3)
    assert small[0, 0] == np.mean([1.0, 6.0, 7.0])
    assert small[2, 2] == np.mean([28.0, 29.0, 34.0, 35.0])
    assert np.isnan(binned(np.full((6, 6), np.nan), largest=3)).all()


def test_binning_keeps_sources_in_their_places_where_the_side_does_not_divide() -> None:
    image = np.zeros((1001, 1001))
    image[1000, 700] = 1.0
    small = binned(image)
    assert small.shape == (334, 334)
    row, column = np.unravel_index(np.argmax(small), small.shape)
    assert row == 333
    assert (column + 0.5) / 334 == pytest.approx(700.5 / 1001, abs=0.7 / 334)


def test_the_compass_follows_the_header(example_run) -> None:  # type: ignore[no-untyped-def]
    orientation = orientation_of(read_output(example_run / "ideal_enhanced.fits"))
    # CD of tests.scenes: x' = -cos 20° towards east and sin 20° towards north
    angle = math.radians(20.0)
    assert orientation.pixel_scale == pytest.approx(PIXEL_SCALE)
    assert orientation.north == pytest.approx((math.sin(angle), math.cos(angle)), abs=1e-4)
    assert orientation.east == pytest.approx((-math.cos(angle), math.sin(angle)), abs=1e-4)


def test_the_scale_bar_is_as_long_as_it_says() -> None:
    drawn = draw_scale_bar(Orientation(0.2), 48.0, 48.0)
    assert "2″" in drawn
    assert "h10.00" in drawn, "2 arcsec are 10 pixels of 0.2"
    assert "10 px" in draw_scale_bar(Orientation(None), 48.0, 48.0)
    assert bar_label(bar_length(600.0), "″") == "3.33′" or bar_length(600.0) == 200.0


def test_every_verdict_has_a_shape_and_a_colour_of_its_own() -> None:
    shapes = {marker(name, 0.0, 0.0, 1.0).split(' d="')[1].split('"')[0] for name in VERDICTS}
    assert len(shapes) == len(VERDICTS) == len({colour for colour, _, _ in VERDICTS.values()})
    assert all("v-" + name in legend_marker(name) for name in VERDICTS)


def test_lost_and_invented_sources_are_listed_first_and_drawn_last() -> None:
    sources = [
        Source(5.0, 5.0, verdict, {"id": i}) for i, verdict in enumerate(("MATCHED", "HALLUC", "LOST"))
    ]
    assert [source.verdict for source in gravest_first(sources)] == ["LOST", "HALLUC", "MATCHED"]
    drawn = draw_sources(sources, 48.0, 48.0, numbered=True)
    assert drawn.index("v-MATCHED") < drawn.index("v-HALLUC") < drawn.index("v-LOST")
    assert "<text" in drawn
    assert "<text" not in draw_sources(sources * 4, 48.0, 48.0, numbered=True), "too crowded for numbers"
