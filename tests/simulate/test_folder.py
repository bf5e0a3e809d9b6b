import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from lensproc.errors import UsageError
from lensproc.simulate.folder import plan_for, run_plan
from lensproc.simulate.recipe import load_recipe


def make(recipe, number, folder, jobs=1, seed=1, split="train", format="fits"):
    return run_plan(plan_for(load_recipe(recipe), number, seed, split, Path(folder), format), jobs)


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*.fits"))}


def test_the_number_of_processes_and_images_changes_no_byte(tmp_path):
    make("pairs", 5, tmp_path / "five")
    make("pairs", 3, tmp_path / "three", jobs=2)
    five, three = contents(tmp_path / "five"), contents(tmp_path / "three")
    assert len(three) == 6
    assert all(five[name] == data for name, data in three.items())


def test_files_are_named_as_promised(tmp_path):
    make("quasars@des", 1, tmp_path)
    assert (tmp_path / "quasars-des-000000.fits").exists()
    assert (tmp_path / "truth" / "quasars-des-000000.fits").exists()
    assert (tmp_path / "catalog.ecsv").exists()


def test_a_run_goes_on_where_it_stopped(tmp_path):
    make("pairs", 2, tmp_path / "a")
    seen = []
    plan = plan_for(load_recipe("pairs"), 4, 1, "train", tmp_path / "a")
    (tmp_path / "a" / "pairs-000001.fits").unlink()
    run_plan(plan, 1, lambda done, total: seen.append((done, total)))
    assert seen == [(2, 4), (3, 4), (4, 4)]
    make("pairs", 4, tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    a = (tmp_path / "a" / "catalog.ecsv").read_text()
    assert a == (tmp_path / "b" / "catalog.ecsv").read_text()


def test_a_ledger_cut_short_by_a_crash_is_mended(tmp_path):
    make("pairs", 2, tmp_path)
    ledger = tmp_path / "simulate.jsonl"
    whole = ledger.read_bytes()
    ledger.write_bytes(whole[:-20])
    table = make("pairs", 2, tmp_path)
    assert len(table) == 2
    assert ledger.read_bytes() == whole


def test_another_set_in_the_folder_is_refused(tmp_path):
    make("pairs", 1, tmp_path)
    with pytest.raises(UsageError, match="another simulated set"):
        make("pairs", 1, tmp_path, seed=2)
    with pytest.raises(UsageError, match="another simulated set"):
        make("blanks", 1, tmp_path)


def test_the_catalogue_is_flat_and_says_what_the_set_is(tmp_path):
    make("deeplense-2", 4, tmp_path, split="val")
    table = Table.read(tmp_path / "catalog.ecsv", format="ascii.ecsv")
    assert all(column.ndim == 1 and column.dtype.kind in "Uif" for column in table.itercols())
    assert table.meta["split"] == "val"
    assert len(table.meta["split_sha256"]) == 64
    assert set(table["class"]) <= {"no", "sphere", "vortex"}
    assert list(table["index"]) == [0, 1, 2, 3]
    with fits.open(tmp_path / "truth" / "deeplense-2-000003.fits") as truth:
        assert truth[0].header["THETA_E"] == pytest.approx(table["einstein_radius"][3])
        assert truth["SUBHALOS"].data["MASS"].sum() == pytest.approx(table["subhalo_mass"][3])


def test_splits_of_one_seed_share_no_image(tmp_path):
    hashes = [set(make("pairs", 3, tmp_path / s, split=s)["sha256"]) for s in ("train", "val", "test")]
    assert len(set.union(*hashes)) == 9


def test_sealed_sets_take_no_other_seed(tmp_path):
    sealed = load_recipe("sealed-quasars")
    with pytest.raises(UsageError, match="sealed"):
        plan_for(sealed, 5, 1, None, tmp_path)
    with pytest.raises(UsageError, match="sealed"):
        plan_for(sealed, 10**6, None, None, tmp_path)
    plan = plan_for(sealed, None, None, None, tmp_path)
    assert (plan.number, plan.split, plan.seed) == (400, "test", 20260107)


def test_arrays_hold_the_same_pixels_as_the_files(tmp_path):
    make("sr-a", 3, tmp_path / "arrays", jobs=2, format="arrays")
    make("sr-a", 3, tmp_path / "files")
    images = np.load(tmp_path / "arrays" / "train.images.npy")
    targets = np.load(tmp_path / "arrays" / "train.targets.npy")
    assert images.shape == (3, 75, 75)
    for i in range(3):
        with fits.open(tmp_path / "files" / f"sr-a-{i:06d}.fits") as hdus:
            np.testing.assert_array_equal(hdus[0].data, images[i])
        with fits.open(tmp_path / "files" / "truth" / f"sr-a-{i:06d}.fits") as hdus:
            np.testing.assert_array_equal(hdus["HIGHRES"].data, targets[i])
    index = json.loads((tmp_path / "arrays" / "train.json").read_text())
    assert index["arrays"] == {"images": [3, 75, 75], "targets": [3, 150, 150]}


def test_arrays_of_several_splits_live_in_one_folder(tmp_path):
    for split in ("train", "val"):
        make("pairs", 2, tmp_path, split=split, format="arrays")
    assert not np.array_equal(np.load(tmp_path / "train.images.npy"), np.load(tmp_path / "val.images.npy"))
    # Asking again for the same changes nothing.
    before = (tmp_path / "train.images.npy").stat().st_mtime_ns
    make("pairs", 2, tmp_path, split="train", format="arrays")
    assert (tmp_path / "train.images.npy").stat().st_mtime_ns == before
