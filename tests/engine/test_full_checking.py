"""Full checks on a pipeline: the same values every time; where they cannot be made, quick ones and the reason."""

import json

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from lensproc.config import StageSpec
from lensproc.contract.stage import Batch, StageOutput
from lensproc.cutout import PSF, Resolved
from lensproc.engine.pipeline import Pipeline, PipelineConfig
from tests.engine.stages import Function, cutout, manifest, use_stages
from tests.scenes import star_field, write_cutout

FULL_ONLY = ("QAUNC", "QATTA")


def smooth(batch: Batch) -> StageOutput:
    """Mean of 3 x 3 pixels: a denoiser that keeps sums."""
    from torch.nn.functional import avg_pool2d, pad

    return StageOutput(images=avg_pool2d(pad(batch.images, (1, 1, 1, 1), mode="replicate"), 3, 1))


def field(seed, shape=(40, 40)):
    stars = ((14.2, 25.1, 900.0), (27.4, 12.3, 300.0))
    psf = Resolved(PSF(3.0), "test")
    return cutout(star_field(shape, stars, seed), variance=np.ones(shape, np.float32), psf=psf)


def full(stage, cutouts, **fields):
    config = PipelineConfig((StageSpec(stage),), checks="full", threads=1, **fields)
    return list(Pipeline(config).run(cutouts))


def checks_row(result):
    return next(row for row in reversed(result.activities) if row.id == "checks")


def test_values_planes_and_errors_do_not_depend_on_batches_or_neighbours(monkeypatch):
    use_stages(monkeypatch, (manifest("smooth"), Function(smooth)))
    cutouts = [field(seed) for seed in range(2)]
    runs = [full("smooth", cutouts), full("smooth", cutouts[1:], batch_size=3)]
    first = runs[0][1]
    assert checks_row(first).message == ""
    assert first.qa["QAUNC"].value > 0
    for run in runs[1:]:
        again = run[-1]
        assert again.qa == first.qa
        np.testing.assert_array_equal(again.uncertainty, first.uncertainty)
        np.testing.assert_array_equal(again.image.data, first.image.data)
        for name, column in first.sources.columns.items():
            np.testing.assert_array_equal(again.sources.columns[name], column)
        for name, plane in first.planes.items():
            np.testing.assert_array_equal(again.planes[name].data, plane.data)


@pytest.fixture
def fragile(monkeypatch):
    """A stage that takes an image of 40 px once, and raises on every other of that size."""
    seen = []

    def once(batch: Batch) -> StageOutput:
        if batch.images.shape[-1] == 40:
            seen.append(1)
            if len(seen) > 1:
                raise RuntimeError("out of luck")
        return smooth(batch)

    use_stages(monkeypatch, (manifest("fragile"), Function(once)))


def test_a_stage_that_fails_on_the_copies_leaves_the_quick_checks_and_the_reason(fragile):
    (result,) = full("fragile", [field(0)])
    assert checks_row(result).status == "OK"
    message = checks_row(result).message
    assert message.startswith("quick checks only: ")
    assert "out of luck" in message
    assert not set(FULL_ONLY) & set(result.qa)
    assert result.uncertainty is None
    assert result.qa["QANIN"].value == 2, "quick checks are there"
    assert result.qa["QACHI2"].value is not None


def test_the_reason_stands_in_the_header_the_provenance_and_the_ledger(fragile, tmp_path):
    from click.testing import CliRunner

    from lensproc.cli import cli

    source = write_cutout(tmp_path / "lens.fits", shape=(40, 40))
    arguments = [
        "run",
        str(source),
        "-o",
        str(tmp_path),
        "--stages",
        "fragile",
        "--checks",
        "full",
        "--jobs",
        "1",
    ]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    with fits.open(tmp_path / "lens_enhanced.fits") as hdus:
        history = "".join(hdus[0].header["HISTORY"])
        assert "lensproc: checks: quick checks only: " in history
        assert "out of luck" in history
        assert "UNCERT" not in hdus
        assert not set(FULL_ONLY) & set(hdus[0].header)
        rows = Table(hdus["LENSPROC"].data)
    assert any("quick checks only" in str(message) for message in rows["MESSAGE"])
    line = json.loads((tmp_path / "ledger.jsonl").read_text().splitlines()[0])
    assert "quick checks only" in line["cutouts"][0]["message"]


def test_a_chain_without_an_image_has_nothing_to_check_and_says_so(monkeypatch):
    classify = Function(lambda batch: StageOutput(values=({},) * len(batch)))
    use_stages(monkeypatch, (manifest("kind", kind="classify"), classify))
    (result,) = full("kind", [field(0)])
    assert checks_row(result).message.startswith("not checked: no stage of the chain gives an image")
    assert (result.qa, result.sources) == ({}, None)
    assert classify.batch_sizes == [1], "the stage ran once"


def test_an_image_without_noise_has_no_full_checks_and_says_why(monkeypatch):
    use_stages(monkeypatch, (manifest("smooth"), Function(smooth)))
    (result,) = full("smooth", [cutout(np.full((40, 40), 7.0))])
    assert (
        checks_row(result).message
        == "quick checks only: ValueError: the input has no noise that could be redrawn"
    )
    assert result.qa["QASTAT"].value == "UNKNOWN"


def test_a_stage_that_gives_its_own_errors_keeps_them(monkeypatch):
    def with_errors(batch: Batch) -> StageOutput:
        image = smooth(batch).images
        return StageOutput(images=image, uncertainty=image.new_full(image.shape, 0.5))

    use_stages(monkeypatch, (manifest("sure"), Function(with_errors)))
    (result,) = full("sure", [field(0)])
    np.testing.assert_array_equal(result.uncertainty, np.float32(0.5))
    record = json.loads(checks_row(result).options)
    assert record["uncertainty"].startswith("the stage's own")
