"""``lensproc run`` as an astronomer uses it: outputs, exit codes, resuming, names, the summary."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from click.testing import CliRunner, Result

from lensproc.cli import cli
from tests.scenes import star_field, write_cutout


def run(*arguments: object) -> Result:
    """Run with interpolation, which needs no PSF, unless the arguments name a chain."""
    given = [str(argument) for argument in arguments]
    chosen = [] if {"--stages", "--recipe"} & set(given) else ["--stages", "lanczos"]
    result = CliRunner().invoke(cli, ["run", *given, *chosen, "--jobs", "1"])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_a_file_becomes_an_enhanced_file_a_catalogue_row_and_a_ledger_line(tmp_path: Path) -> None:
    source = write_cutout(tmp_path / "lens.fits")
    result = run(source, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "1 done, 0 failed, 0 skipped" in result.output
    with fits.open(tmp_path / "out" / "lens_enhanced.fits", checksum=True) as hdus:
        assert hdus["SCI"].data.shape == (96, 96)
        assert hdus[0].header["LPINFILE"] == "lens.fits"
        assert hdus["SCI"].data.sum() == pytest.approx(fits.getdata(source, "SCI").sum(), rel=1e-3)
    table = Table.read(tmp_path / "out" / "catalog.ecsv")
    assert list(table["LPOUT"]) == ["lens_enhanced.fits"]
    centre = WCS(fits.getheader(source, "SCI")).all_pix2world([[23.5, 23.5]], 0)[0]
    assert table["RA"][0] == pytest.approx(centre[0], abs=1e-9)
    assert table["DEC"][0] == pytest.approx(centre[1], abs=1e-9)
    assert table["QANIN"][0] >= 2, "both stars are found in the input"
    assert table["QANMAT"][0] >= 2, "and matched in the output"
    lines = (tmp_path / "out" / "ledger.jsonl").read_text().splitlines()
    assert [json.loads(line)["status"] for line in lines] == ["OK"]


def test_sky_positions_of_stars_survive(tmp_path: Path) -> None:
    from photutils.centroids import centroid_2dg

    source = write_cutout(tmp_path / "lens.fits")
    run(source, "-o", tmp_path, "--checks", "none")
    images = [
        fits.getdata(tmp_path / name, "SCI", header=True) for name in ("lens.fits", "lens_enhanced.fits")
    ]
    for x, y in ((16.3, 30.8), (33.1, 14.6)):
        sky = []
        for (data, header), scale in zip(images, (1, 2), strict=True):
            left, low = int(scale * (x - 6)), int(scale * (y - 6))
            box = data[low : low + 13 * scale, left : left + 13 * scale].astype(float)
            dx, dy = centroid_2dg(box)
            sky.append(WCS(header).pixel_to_world(left + dx, low + dy))
        assert sky[0].separation(sky[1]).mas < 5


def test_other_files_finish_when_one_is_bad(tmp_path: Path) -> None:
    good = [write_cutout(tmp_path / f"good{i}.fits", seed=i) for i in range(3)]
    bad = tmp_path / "bad.fits"
    bad.write_text("this is no FITS file\n")
    result = run(good[0], bad, *good[1:], tmp_path / "missing.fits", "-o", tmp_path / "out")
    assert result.exit_code == 1
    assert "3 done, 2 failed" in result.output
    assert "failed: bad.fits:" in result.output
    assert "failed: missing.fits:" in result.output
    assert sorted(p.name for p in (tmp_path / "out").glob("*.fits")) == [
        f"good{i}_enhanced.fits" for i in range(3)
    ]
    assert not list((tmp_path / "out").glob(".*")), "nothing half-written is left"


def test_the_same_command_again_skips_what_is_done(tmp_path: Path) -> None:
    files = [write_cutout(tmp_path / f"{name}.fits", seed=i) for i, name in enumerate("ab")]
    out = tmp_path / "out"
    run(*files, "-o", out)
    stamp = (out / "a_enhanced.fits").stat().st_mtime_ns
    again = run(*files, "-o", out)
    assert "0 done, 0 failed, 2 skipped" in again.output
    assert (out / "a_enhanced.fits").stat().st_mtime_ns == stamp
    assert len(Table.read(out / "catalog.ecsv")) == 2
    redone = run(*files, "-o", out, "--no-resume")
    assert "2 done" in redone.output
    other = run(*files, "-o", out, "--set", "lanczos.scale=3")
    assert "2 done" in other.output, "another configuration is another result"
    (out / "b_enhanced.fits").unlink()
    write_cutout(files[0], seed=9)
    changed = run(*files, "-o", out, "--set", "lanczos.scale=3")
    assert "2 done" in changed.output, "a changed input and a deleted output are made again"
    names = list(Table.read(out / "catalog.ecsv")["LPOUT"])
    assert len(names) == 3, "the output of the earlier bytes of a.fits stays beside that of the later"


def test_inputs_that_share_a_stem_all_carry_their_hash(tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    first = write_cutout(tmp_path / "lens.fits", seed=1)
    second = write_cutout(tmp_path / "r" / "lens.fits", seed=2)
    run(first, second, "-o", tmp_path / "out")
    names = sorted(p.name for p in (tmp_path / "out").glob("*.fits"))
    import hashlib

    expected = [
        f"lens-{hashlib.sha256(p.read_bytes()).hexdigest()[:8]}_enhanced.fits" for p in (first, second)
    ]
    assert names == sorted(expected)


def test_an_output_of_another_input_is_never_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "out"
    source = write_cutout(tmp_path / "lens.fits", seed=1)
    run(source, "-o", out)
    before = (out / "lens_enhanced.fits").read_bytes()
    write_cutout(source, seed=2)
    run(source, "-o", out)
    assert (out / "lens_enhanced.fits").read_bytes() == before
    assert len(list(out.glob("lens-*_enhanced.fits"))) == 1


def test_catalogue_only(tmp_path: Path) -> None:
    result = run(write_cutout(tmp_path / "lens.fits"), "-o", tmp_path / "out", "--no-images")
    assert result.exit_code == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["catalog.ecsv", "ledger.jsonl"]
    assert len(Table.read(tmp_path / "out" / "catalog.ecsv")) == 1


def test_several_bands_become_several_outputs(tmp_path: Path) -> None:
    cube = np.stack([star_field(seed=i) for i in range(3)])
    header = fits.Header({"BANDS": "grz", "BUNIT": "nanomaggy"})
    fits.PrimaryHDU(cube, header).writeto(tmp_path / "cube.fits")
    result = run(tmp_path / "cube.fits", "-o", tmp_path / "out", "--pixel-scale", "0.262")
    assert result.exit_code == 0, result.output
    names = sorted(p.name for p in (tmp_path / "out").glob("*.fits"))
    assert names == [f"cube-{band}_enhanced.fits" for band in "grz"]
    only = run(tmp_path / "cube.fits", "-o", tmp_path / "one", "--pixel-scale", "0.262", "--band", "r")
    assert only.exit_code == 0
    assert len(list((tmp_path / "one").glob("*.fits"))) == 1


def test_paths_from_a_list(tmp_path: Path) -> None:
    files = [write_cutout(tmp_path / f"{name}.fits", seed=i) for i, name in enumerate("ab")]
    (tmp_path / "list.txt").write_text("# inputs\n" + "\n".join(map(str, files)) + "\n\n")
    result = run("--manifest", tmp_path / "list.txt", "-o", tmp_path / "out")
    assert "2 done" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x.fits", "--stages", "nothing"], "no stage is called 'nothing'; known stages: "),
        (["x.fits", "--stages", "lanczos", "--set", "lanczos.scale=17"], "lanczos.scale"),
        (["x.fits", "--stages", "lanczos", "--set", "lanczos.colour=red"], "has no option 'colour'"),
        (["x.fits", "--device", "cuda:77"], "torch sees"),
        ([], "no input files"),
    ],
)
def test_wrong_usage_is_one_line_before_any_file_is_touched(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    from lensproc.errors import LensprocError

    runner = CliRunner()
    result = runner.invoke(cli, ["run", *arguments, "-o", str(tmp_path / "out")])
    assert isinstance(result.exception, LensprocError)
    assert message in str(result.exception)
    assert "\n" not in str(result.exception)
    assert not list(tmp_path.glob("out/*.fits"))


def test_strict_exits_with_three_where_a_check_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from lensproc.contract.stage import Batch, StageOutput
    from tests.engine.stages import Function, manifest, use_stages

    def shift(batch: Batch) -> StageOutput:
        """Three pixels to the right: no star is where it was."""
        return StageOutput(images=torch.roll(batch.images, 3, -1))

    use_stages(monkeypatch, (manifest("shift"), Function(shift)))
    source = write_cutout(tmp_path / "lens.fits")
    lenient = run(source, "-o", tmp_path / "a", "--stages", "shift")
    strict = run(source, "-o", tmp_path / "b", "--stages", "shift", "--strict")
    assert lenient.exit_code == 0
    assert strict.exit_code == 3
    assert Table.read(tmp_path / "b" / "catalog.ecsv")["QASTAT"][0] == "FAIL"
    assert (tmp_path / "b" / "lens_enhanced.fits").exists(), "a failed check never deletes the output"


def test_fail_fast_stops_at_the_first_failure(tmp_path: Path) -> None:
    bad = tmp_path / "a.fits"
    bad.write_bytes(b"")
    good = [write_cutout(tmp_path / f"g{i}.fits", seed=i) for i in range(3)]
    result = run(bad, *good, "-o", tmp_path / "out", "--fail-fast")
    assert result.exit_code == 1
    lines = (tmp_path / "out" / "ledger.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["file"] == "a.fits"


def test_two_runs_with_a_fixed_date_give_equal_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    files = [write_cutout(tmp_path / f"{name}.fits", seed=i) for i, name in enumerate("abc")]
    run(*files, "-o", tmp_path / "one")
    run(*reversed(files), "-o", tmp_path / "two", "--batch-size", "1")
    for name in "abc":
        first, second = (tmp_path / folder / f"{name}_enhanced.fits" for folder in ("one", "two"))
        assert first.read_bytes() == second.read_bytes()


def test_replay_gives_the_same_pixels_and_names_another_input(tmp_path: Path) -> None:
    source = write_cutout(tmp_path / "lens.fits", seed=3)
    run(source, "-o", tmp_path, "--stages", "wavelet,bicubic", "--set", "bicubic.scale=3", "--psf", "3px")
    output = tmp_path / "lens_enhanced.fits"
    runner = CliRunner()
    same = runner.invoke(cli, ["replay", str(output), "--input", str(source)])
    assert same.exit_code == 0, same.output
    assert "identical: every pixel is as recorded" in same.output
    with fits.open(output, mode="update") as hdus:
        hdus["SCI"].data[10, 10] += 5.0
    differs = runner.invoke(cli, ["replay", str(output), "--input", str(source)])
    assert differs.exit_code == 1
    assert "differs" in differs.output
    other = write_cutout(tmp_path / "other.fits", seed=4)
    wrong = runner.invoke(cli, ["replay", str(output), "--input", str(other)])
    assert "is not the recorded input" in str(wrong.exception)


def test_a_second_run_over_an_output_appends_to_its_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lensproc.contract.stage import Batch, StageOutput
    from lensproc.fits.provenance import read_provenance
    from tests.engine.stages import Function, manifest, use_stages

    def same(batch: Batch) -> StageOutput:
        return StageOutput(images=batch.images.clone())

    stages = ((manifest("dream", generative=True), Function(same)), (manifest("plain"), Function(same)))
    use_stages(monkeypatch, *stages)
    source = write_cutout(tmp_path / "lens.fits")
    run(source, "-o", tmp_path / "a", "--stages", "dream")
    run(tmp_path / "a" / "lens_enhanced.fits", "-o", tmp_path / "b", "--stages", "plain")
    provenance = read_provenance(tmp_path / "b" / "lens_enhanced_enhanced.fits")
    rows = [(activity.stage, activity.id) for activity in provenance.activities]
    assert rows == [(0, "read"), (1, "dream"), (2, "checks"), (0, "read"), (1, "plain"), (2, "checks")]
    assert provenance.primary["LPSYNTH"] is True, "what was once drawn stays drawn"
    assert provenance.primary["LPNSTAGE"] == 1
