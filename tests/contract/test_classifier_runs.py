"""Classifiers in `lensproc run`: header, catalogue, table, summary, and beside an enhanced image."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from click.testing import CliRunner

from lensproc.cli import cli
from lensproc.contract import registry as registries
from lensproc.contract.stage import Batch
from lensproc.engine import pipeline as pipelines
from lensproc.errors import UsageError
from tests import tiny_classifier as tiny
from tests.scenes import star_field, write_cutout

KEYWORDS = ("LPCLASS", "LPPNO", "LPPSPH", "LPPVOR", "LPENTROP", "LPCONSET", "LPAGREE", "LPOOD")
SHARP, BLURRED = 2.2, 6.0


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    """Let every pipeline know the tiny classifier too."""
    real = registries.load_registry

    def load(*arguments):
        registry = real(*arguments)
        registry.manifests[tiny.MANIFEST.id] = tiny.MANIFEST
        registry.packages[tiny.MANIFEST.id] = "tests==1"
        return registry

    monkeypatch.setattr(pipelines, "load_registry", load)


def field(path, fwhm):
    """A cutout of stars that wide on a sky far above zero."""
    write_cutout(path)
    stars = star_field((48, 48), noise=0.0, fwhm=fwhm)
    with fits.open(path, mode="update") as hdus:
        hdus["SCI"].data = (stars + 5.0).astype(np.float32)
    return path


def roughness(data: np.ndarray) -> float:
    steps = np.abs(np.diff(data, axis=1)).mean() + np.abs(np.diff(data, axis=0)).mean()
    return float(np.log(steps / np.abs(data).mean()))


@pytest.fixture
def files(tmp_path):
    """A sharp and a blurred image, and weights that call the first vortex and the second sphere."""
    made = [field(tmp_path / "sharp.fits", SHARP), field(tmp_path / "smooth.fits", BLURRED)]
    sharp, smooth = (roughness(fits.getdata(path, "SCI").astype(float)) for path in made)
    assert sharp - smooth > 0.2
    network = tiny.rough_or_smooth(tiny.network(), 0.5 * (sharp + smooth))
    return made, tiny.write(tmp_path / "w.safetensors", network)


def run(files, *arguments, stages=tiny.MANIFEST.id):
    paths, weights = files
    given = [*map(str, paths), "--stages", stages, "--set", f"{tiny.MANIFEST.id}.weights={weights}"]
    result = CliRunner().invoke(cli, ["run", *given, *map(str, arguments), "--jobs", "1"])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_a_run_writes_header_catalogue_and_table(files, tmp_path):
    result = run(files, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "LPCLASS: sphere 1, vortex 1" in result.output
    table = Table.read(tmp_path / "out" / "catalog.ecsv")
    assert list(table["LPCLASS"]) == ["vortex", "sphere"]
    assert str(table["LPENTROP"].unit) == "bit"
    with fits.open(tmp_path / "out" / "sharp_enhanced.fits", checksum=True) as hdus:
        header, rows = hdus[0].header, hdus["CLASS"].data
        for name in KEYWORDS:
            assert header[name] == table[name][0]
            assert header.comments[name]
        assert list(rows["CLASS"]) == ["no", "sphere", "vortex"]
        assert rows["PROB"].sum() == pytest.approx(1.0)
        assert rows["INSET"].tolist() == [False, False, True]
        assert set(rows.names) == {"CLASS", "PROB", "PROBSTD", "INSET", "LOGIT"}
        assert np.array_equal(hdus["SCI"].data, fits.getdata(files[0][0], "SCI")), "pixels stay as they are"


def test_without_images_the_catalogue_is_the_same(files, tmp_path):
    run(files, "-o", tmp_path / "images")
    result = run(files, "--no-images", "-o", tmp_path / "none")
    assert result.exit_code == 0, result.output
    assert "LPCLASS: sphere 1, vortex 1" in result.output
    assert list((tmp_path / "none").glob("*.fits")) == []
    one, other = (Table.read(tmp_path / name / "catalog.ecsv") for name in ("images", "none"))
    for name in KEYWORDS:
        assert list(one[name]) == list(other[name])


def test_undecided_is_counted_and_so_are_files_done_before(files, tmp_path):
    paths, weights = files
    network = tiny.rough_or_smooth(tiny.network(), -100.0)  # all are vortices …
    network.all_views.reference.fill_(-1.0)  # … and farther out than any image of validation
    tiny.write(weights, network)
    for _ in range(2):
        result = run((paths, weights), "--no-images", "-o", tmp_path / "out")
        assert "LPCLASS: undecided 2" in result.output
    assert "2 skipped" in result.output
    table = Table.read(tmp_path / "out" / "catalog.ecsv")
    assert list(table["LPCONSET"]) == ["vortex", "vortex"]
    assert max(table["LPOOD"]) < 0.01


def test_the_original_and_the_enhanced_image_disagree_where_enhancing_changes_what_is_seen(files, tmp_path):
    """Twice as many pixels halve the steps between them: a sharp field looks smooth to this network."""
    chain = f"bicubic,{tiny.MANIFEST.id}"
    both = ("--set", f"{tiny.MANIFEST.id}.also_enhanced=true")
    result = run(files, *both, "-o", tmp_path / "both", stages=chain)
    assert result.exit_code == 0, result.output
    run(files, "-o", tmp_path / "one", stages=chain)
    both, one = (Table.read(tmp_path / name / "catalog.ecsv") for name in ("both", "one"))
    for name in KEYWORDS:
        assert list(both[name]) == list(one[name]), "the verdict on the original does not depend on it"
    assert list(both["LPCLASS"]) == ["vortex", "sphere"]
    assert list(both["LPECLASS"]) == ["sphere", "sphere"]
    assert both["LPEAGREE"].tolist() == [False, True]
    with fits.open(tmp_path / "both" / "sharp_enhanced.fits") as hdus:
        assert hdus[0].header["LPECLASS"] == "sphere"
        assert hdus[0].header["LPEAGREE"] is False
        assert hdus["SCI"].data.shape == (96, 96)
        rows = hdus["CLASS"].data
        assert rows["EPROB"].argmax() == 1
        assert rows["PROB"].argmax() == 2
        seen = roughness(hdus["SCI"].data.astype(float))
    assert seen < roughness(fits.getdata(files[0][0], "SCI").astype(float)) - 0.5


def test_the_stage_gets_the_enhanced_image_with_its_own_pixels_noise_and_psf(files, monkeypatch):
    from lensproc.config import StageSpec
    from lensproc.contract.classifier_stage import ClassifierStage
    from lensproc.fits.read import read

    paths, weights = files
    seen: list[Batch] = []
    apply = ClassifierStage.apply
    monkeypatch.setattr(
        ClassifierStage, "apply", lambda self, batch: seen.append(batch) or apply(self, batch)
    )
    spec = StageSpec(tiny.MANIFEST.id, {"weights": str(weights), "also_enhanced": True})
    with pipelines.Pipeline(["bicubic", spec], checks="none") as pipeline:
        pipeline.process([read(str(path)) for path in paths])
    (batch,) = seen
    assert batch.images.shape == (2, 1, 48, 48)
    assert batch.enhanced.images.shape == (2, 1, 96, 96)
    original, enhanced = batch.items[0], batch.enhanced.items[0]
    assert enhanced.pixel_scale == pytest.approx(original.pixel_scale / 2)
    assert enhanced.psf.fwhm == pytest.approx(2 * original.psf.fwhm, rel=1e-6)


def test_also_enhanced_needs_an_enhanced_image(files, tmp_path):
    with pytest.raises(
        UsageError, match=r"no stage before it gives an enhanced image; .*--stages lens-sr,tiny"
    ):
        run(files, "--set", f"{tiny.MANIFEST.id}.also_enhanced=true", "-o", tmp_path / "out")
