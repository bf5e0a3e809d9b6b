"""The input beside the output: the right file, the right pixels, and what is shown without it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from lensproc.contract.registry import Registry, load_registry
from lensproc.enhanced import Activity
from lensproc.report.original import Compared, compare, declared_psf
from lensproc.report.output import Output, read_output
from tests.report.runs import STARS
from tests.scenes import NOISE, star_field


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


def compared(run: Path, name: str, folders: list[Path], registry: Registry) -> Compared:
    return compare(read_output(run / f"{name}_enhanced.fits"), folders, registry)


def test_the_input_is_read_again_pixel_by_pixel(example_run: Path, registry: Registry) -> None:
    inputs = example_run.parent / "in"
    found = compared(example_run, "ideal", [inputs], registry)
    assert found.original is not None
    np.testing.assert_array_equal(found.original, fits.getdata(inputs / "ideal.fits", "SCI"))
    assert not found.reconstructed


def test_the_difference_holds_what_the_output_lost(example_run: Path, registry: Registry) -> None:
    found = compared(example_run, "erased", [example_run.parent / "in"], registry)
    assert found.difference is not None
    x, y, flux = STARS[1]
    rows, columns = np.indices(found.difference.shape)
    circle = np.hypot(columns - x, rows - y) < 6
    noise = NOISE * np.sqrt(circle.sum())
    assert found.difference[circle].sum() == pytest.approx(-flux, abs=4 * noise)
    # the star that was kept leaves its noise only
    x, y, _ = STARS[0]
    circle = np.hypot(columns - x, rows - y) < 6
    assert found.difference[circle].sum() == pytest.approx(0.0, abs=4 * noise)


def test_without_its_file_the_input_is_put_together(example_run: Path, registry: Registry) -> None:
    truth = compared(example_run, "dimmed", [example_run.parent / "in"], registry)
    rebuilt = compared(example_run, "dimmed", [], registry)
    assert rebuilt.reconstructed
    assert "dimmed.fits not found; put together as H(output) + FIDELITY·σ" in rebuilt.how_original
    assert rebuilt.original is not None
    assert truth.original is not None
    assert rebuilt.difference is not None
    assert truth.difference is not None
    judged = np.isfinite(rebuilt.original)
    assert judged.mean() > 0.5
    np.testing.assert_allclose(
        rebuilt.original[judged], truth.original[judged], atol=1e-3 * truth.original.max()
    )
    np.testing.assert_allclose(rebuilt.difference[judged], truth.difference[judged], atol=0.05 * NOISE)


def test_another_file_of_the_same_name_is_not_taken(
    example_run: Path, tmp_path: Path, registry: Registry
) -> None:
    shutil.copy(example_run.parent / "in" / "ideal.fits", tmp_path / "erased.fits")
    found = compared(example_run, "erased", [tmp_path], registry)
    assert found.reconstructed
    assert "erased.fits found, but with another SHA-256" in found.how_original


def test_the_right_file_is_found_behind_a_wrong_one(
    example_run: Path, tmp_path: Path, registry: Registry
) -> None:
    shutil.copy(example_run.parent / "in" / "ideal.fits", tmp_path / "erased.fits")
    found = compared(example_run, "erased", [tmp_path, example_run.parent / "in"], registry)
    assert not found.reconstructed


class NothingInstalled:
    def package(self, stage_id: str) -> str:
        return ""


def test_a_stage_that_is_not_installed_leaves_the_psfs_unmatched(example_run: Path) -> None:
    # of a run without checks, so no PSF of the output is recorded
    output = read_output(example_run / "erased_enhanced.fits")
    assert not output.checks
    assert declared_psf(output, NothingInstalled()) is None  # type: ignore[arg-type]
    found = compare(output, [example_run.parent / "in"], NothingInstalled())  # type: ignore[arg-type]
    assert found.difference is not None
    assert "PSFs not matched" in found.how_difference
    binned = output.image.reshape(48, 2, 48, 2).mean((1, 3))
    np.testing.assert_allclose(found.difference, binned - star_field(seed=1, stars=STARS), atol=1e-4)
    gone = compare(output, [], NothingInstalled())  # type: ignore[arg-type]
    assert gone.original is None
    assert "the PSF that H needs is not in the output" in gone.how_original


def with_checks(output: Output, psf: object) -> Output:
    """The same file from a run with checks, which record the PSF of the output."""
    row = Activity(2, "checks", "core", "lensproc", "1", options=json.dumps({"output_psf": psf}))
    return replace(output, checks=(row,))


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [("same", "same"), (0.5, 0.5), (0, 0.0), ([[0.0, 0.5], [0.5, 0.0]], ((0.0, 0.5), (0.5, 0.0)))],
)
def test_the_psf_is_the_one_that_the_file_records(
    example_run: Path, recorded: object, expected: object
) -> None:
    output = with_checks(read_output(example_run / "erased_enhanced.fits"), recorded)
    assert declared_psf(output, NothingInstalled()) == expected  # type: ignore[arg-type]


def test_a_stage_that_is_gone_does_not_cost_the_difference(example_run: Path, registry: Registry) -> None:
    output = read_output(example_run / "erased_enhanced.fits")
    folders = [example_run.parent / "in"]
    found = compare(with_checks(output, "same"), folders, NothingInstalled())  # type: ignore[arg-type]
    assert found.how_difference == "H(output) − input"
    np.testing.assert_array_equal(found.difference, compare(output, folders, registry).difference)


def test_output_values_compare_with_the_input(example_run: Path) -> None:
    """A flux per output pixel is a quarter of the input's at scale 2; as surface brightness they agree."""
    output = read_output(example_run / "ideal_enhanced.fits")
    assert output.scale == 2
    peak = star_field(stars=STARS, noise=0.0).max()
    assert output.image.max() == pytest.approx(peak, rel=0.05)
