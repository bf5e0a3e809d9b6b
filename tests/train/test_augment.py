"""Crops and turns keep the fields of a sample aligned, whatever their pixel scale."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lensproc.errors import PluginError, UsageError
from lensproc.train.augment import TURNS, turn, turn_each
from lensproc.train.batches import Batches, TrainingSteps
from lensproc.train.cache import CachedShare
from lensproc.train.fields import FieldShape, cropped_shapes, shapes_of

SCALES = {"image": 1, "fine": 2, "psf": 0}


def spot(side, x, y, width):
    """Gaussian of unit flux centred on (x, y), zero-based."""
    axis = np.arange(side)
    image = np.exp(-0.5 * ((axis[None] - x) ** 2 + (axis[:, None] - y) ** 2) / width**2)
    return (image / image.sum()).astype(np.float32)


def centroid(image):
    image = np.asarray(image, np.float64)
    y, x = np.indices(image.shape)
    return (image * x).sum() / image.sum(), (image * y).sum() / image.sum()


def share(folder, number=6, side=40, seed=0, recipe="spots"):
    """Images of one source each at a known place, at two pixel scales, with a PSF that points somewhere."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(0.4 * side, 0.6 * side, (number, 2))
    arrays = {
        "image": np.stack([spot(side, x, y, 1.5) for x, y in places]),
        "fine": np.stack([spot(2 * side, 2 * (x + 0.5) - 0.5, 2 * (y + 0.5) - 0.5, 3.0) for x, y in places]),
        "psf": np.stack([spot(33, 16 + 3, 16 + 1, 2.0)] * number),
        "label": np.arange(number),
    }
    folder.mkdir(exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    fields = shapes_of({name: array[0] for name, array in arrays.items()})
    return CachedShare(folder, recipe, number, 0, "train", fields, "s", "d")


def aligned(image, fine, within=1e-3):
    """A source at p on the one lies at 2 (p + ½) − ½ on the other."""
    (x, y), (fx, fy) = centroid(image), centroid(fine)
    assert fx == pytest.approx(2.0 * (x + 0.5) - 0.5, abs=within)
    assert fy == pytest.approx(2.0 * (y + 0.5) - 0.5, abs=within)


def test_a_source_stays_where_it_was_through_crops_and_turns(tmp_path):
    batches = Batches([share(tmp_path / "a")], SCALES, 30, 6, seed=1)
    elements, corners = set(), set()
    for step in range(20):
        batch = batches.training(step)
        assert batch.fields["image"].shape == (6, 30, 30)
        assert batch.fields["fine"].shape == (6, 60, 60)
        turned = turn_each(batch.fields, SCALES, batch.turns)
        for i in range(6):
            aligned(batch.fields["image"][i], batch.fields["fine"][i])
            aligned(turned["image"][i], turned["fine"][i])
            corners.add(tuple(np.round(centroid(batch.fields["image"][i]), 3)))
        elements |= set(batch.turns.tolist())
    assert elements == set(range(TURNS))
    assert len(corners) > 60


def test_the_psf_turns_with_the_image_and_numbers_stay(tmp_path):
    """An image convolved with a PSF, turned, is the turned scene convolved with the turned PSF."""
    psf = torch.from_numpy(spot(33, 19, 17, 2.0))[None].double()
    scene = torch.zeros(1, 64, 64, dtype=torch.float64)
    scene[0, 20, 41] = 1.0

    def seen(scene, psf):
        return torch.nn.functional.conv2d(scene[None], psf.flip(-1, -2)[None], padding=16)[0]

    fields = {"image": seen(scene, psf), "psf": psf, "label": torch.tensor([3])}
    scales = {"image": 1, "psf": 0}
    for element in range(TURNS):
        turned = turn_each(fields, scales, torch.tensor([element]))
        torch.testing.assert_close(turned["image"], seen(turn(scene, element), turned["psf"]))
        assert turned["label"].tolist() == [3]


def test_the_eight_turns_are_a_group_of_different_elements():
    image = torch.arange(9.0).reshape(3, 3)
    results = {tuple(turn(image, k).flatten().tolist()) for k in range(TURNS)}
    assert len(results) == TURNS
    again = {tuple(turn(turn(image, 5), k).flatten().tolist()) for k in range(TURNS)}
    assert again == results
    assert torch.equal(turn(image, 0), image)


def test_validation_takes_the_middle_and_turns_nothing(tmp_path):
    batches = Batches([share(tmp_path / "a", number=5)], SCALES, 30, 2, seed=1)
    found = [batches.central(rows) for rows in batches.validation()]
    assert [len(batch.fields["label"]) for batch in found] == [2, 2, 1]
    assert all(batch.turns is None for batch in found)
    labels = torch.cat([batch.fields["label"] for batch in found])
    assert labels.tolist() == [0, 1, 2, 3, 4]
    whole = np.load(tmp_path / "a" / "image.npy")
    assert np.array_equal(found[0].fields["image"][0], whole[0, 5:35, 5:35])


def test_every_sample_is_seen_once_in_a_pass_and_the_order_follows_from_the_seed(tmp_path):
    data = share(tmp_path / "a", number=12)
    batches = Batches([data], SCALES, 30, 4, seed=1)
    assert batches.steps_per_pass == 3
    for number in range(3):
        seen = np.concatenate([batches.rows(step) for step in range(3 * number, 3 * number + 3)])
        assert sorted(seen[:, 1].tolist()) == list(range(12))
    again = Batches([data], SCALES, 30, 4, seed=1)
    # Step 7 is what it is without the steps before it.
    one, other = again.training(7), batches.training(7)
    assert torch.equal(one.fields["fine"], other.fields["fine"])
    assert torch.equal(one.turns, other.turns)
    assert not torch.equal(
        Batches([data], SCALES, 30, 4, seed=2).training(7).fields["fine"], one.fields["fine"]
    )


def test_reading_ahead_changes_nothing(tmp_path):
    data = share(tmp_path / "a", number=12)
    plain = list(TrainingSteps(Batches([data], SCALES, 30, 4, seed=1), 2, 9))
    ahead = list(TrainingSteps(Batches([data], SCALES, 30, 4, seed=1), 2, 9, ahead=3))
    assert len(plain) == len(ahead) == 7
    for one, other in zip(plain, ahead, strict=True):
        assert torch.equal(one.fields["image"], other.fields["image"])
        assert torch.equal(one.turns, other.turns)


def test_devices_share_a_batch(tmp_path):
    data = share(tmp_path / "a", number=12)
    whole = Batches([data], SCALES, 30, 4, seed=1).training(5)
    parts = [Batches([data], SCALES, 30, 4, seed=1, rank=rank, devices=2).training(5) for rank in (0, 1)]
    for rank, part in enumerate(parts):
        assert torch.equal(part.fields["image"], whole.fields["image"][rank::2])
        assert torch.equal(part.turns, whole.turns[rank::2])


def test_images_of_two_sizes_are_mixed_by_crops_and_kept_apart_as_whole(tmp_path):
    shares = [share(tmp_path / "a", 8, 40, recipe="a"), share(tmp_path / "b", 8, 48, recipe="b")]
    cropped = Batches(shares, SCALES, 30, 4, seed=1)
    assert any(len(set(cropped.rows(step)[:, 0].tolist())) == 2 for step in range(4))
    whole = Batches(shares, SCALES, 0, 4, seed=1)
    sides = [whole.training(step).fields["image"].shape[-1] for step in range(4)]
    assert sorted(sides) == [40, 40, 48, 48]
    seen = np.concatenate([whole.rows(step) for step in range(4)])
    assert len({tuple(row) for row in seen.tolist()}) == 16


def test_a_crop_larger_than_the_images_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"recipe spots: .* crop = 41 is larger than its images of 40 px"):
        Batches([share(tmp_path / "a")], SCALES, 41, 4, seed=1)


def test_fields_that_do_not_fit_each_other_are_refused():
    shapes = {"image": FieldShape((40, 40), "float32"), "fine": FieldShape((81, 81), "float32")}
    with pytest.raises(PluginError, match="the fields are not aligned: image 40 px at scale 1, fine 81 px"):
        cropped_shapes(shapes, {"image": 1, "fine": 2}, 10, "recipe x")
    with pytest.raises(PluginError, match="field mask, which its samples do not have"):
        cropped_shapes(shapes, {"mask": 1}, 10, "recipe x")
    with pytest.raises(PluginError, match="must be square"):
        cropped_shapes({"image": FieldShape((40, 41), "float32")}, {"image": 1}, 10, "recipe x")
