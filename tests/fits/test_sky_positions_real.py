"""A star of eight surveys' images stays where it was on the sky when the images are enhanced."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.real

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "sky_positions.py"


@pytest.fixture
def sky_positions(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The benchmark script as a module."""
    spec = importlib.util.spec_from_file_location("sky_positions", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "sky_positions", module)
    spec.loader.exec_module(module)
    return module


def test_a_star_stays_within_5_mas_in_every_survey(real_data: Path, sky_positions: ModuleType) -> None:
    shifts = list(sky_positions.measure(real_data))
    assert len(shifts) == 8
    for shift in shifts:
        assert shift.shift_mas <= 5, shift
        # It is the star that was fitted: surveys place it within tens of mas of each other.
        assert shift.from_catalogue_mas < 30, shift


def test_the_measurement_sees_a_header_that_is_half_a_pixel_off(
    real_data: Path, sky_positions: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sky_positions, "FILES", {"HSC i": sky_positions.FILES["HSC i"]})
    right = sky_positions.sky_of

    def without_the_half_pixel(cutout):  # type: ignore[no-untyped-def]
        """Multiply CRPIX by the scale, as is often done, which forgets that pixels are centred on integers."""
        wcs = right(cutout)
        if cutout.shape[0] > 100:
            wcs.wcs.crpix += 0.5
        return wcs

    monkeypatch.setattr(sky_positions, "sky_of", without_the_half_pixel)
    (shift,) = sky_positions.measure(real_data)
    assert shift.shift_mas == pytest.approx(168 / 4 * 2**0.5, rel=0.02)
