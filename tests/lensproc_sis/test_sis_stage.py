"""The stage with small random weights: the contract's suite, and what it says of cutouts."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from lensproc.contract.registry import load_registry
from lensproc.contract.stage import Batch, Item, SkyAxes
from lensproc.cutout import PSF
from lensproc.errors import WeightsError
from lensproc.nn.prepare import sky_and_noise
from lensproc.nn.weights import save_weights
from lensproc.testing import check_stage
from lensproc_sis.measure import Cutouts, measure
from lensproc_sis.sis_network import SISNetwork
from lensproc_sis.sis_stage import stage
from tests.lensproc_sis.sis_scenes import drawn, noise

SPEC = {"width": 4, "blocks": 1, "side": 32}
SKY = SkyAxes(24.5, 24.5, 150.0, 2.0, ((-0.1, 0.0), (0.0, 0.1)))


def written(path, calibrated=True):
    torch.manual_seed(3)
    network = SISNetwork(**SPEC)
    torch.nn.init.normal_(network.correct.weight, std=0.1)
    torch.nn.init.normal_(network.spread.weight, std=0.3)
    if calibrated:
        network.calibration.fill_(1.0)
    save_weights(path, network.state_dict(), {"stage": "sis", "network": SPEC})
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return written(tmp_path_factory.mktemp("sis") / "sis.safetensors")


@pytest.fixture(scope="module")
def running(weights):
    manifest = load_registry().manifest("sis")
    found = stage(manifest, manifest.resolve_options({"weights": str(weights)}))
    found.load(torch.device("cpu"), torch.float32)
    return found


def batch_of(*images, items=None, bad=None) -> Batch:
    stack = torch.stack([torch.as_tensor(image).float() for image in images])[:, None]
    mask = torch.zeros_like(stack, dtype=torch.bool) if bad is None else bad
    known = items or tuple(Item(0.1, PSF(2.0), (1.0,), sky=SKY) for _ in images)
    return Batch(stack, None, mask, known)


def lens(shape=(50, 50), seed=0):
    middle = (12.0, shape[1] / 2, shape[0] / 2, 0.1, 0.0, 0.0, 0.0)
    return drawn(middle, shape)[0] + noise(shape, seed)


def apply(running, batch):
    with torch.inference_mode():
        return running.apply(batch)


def test_it_conforms(weights):
    found = check_stage(load_registry().manifest("sis"), options={"weights": str(weights)})
    assert {result.name: result.message for result in found if not result.ok} == {}


@pytest.mark.parametrize("shape", [(50, 50), (51, 51), (40, 67)])
def test_planes_lie_on_the_image_and_the_source_has_its_own_sky(running, shape):
    output = apply(running, batch_of(lens(shape)))
    planes, values = output.planes[0], output.values[0]
    assert planes["ALPHA"].data.shape == (2, *shape)
    assert planes["KAPPA"].data.shape == planes["RESIDUAL"].data.shape == shape
    assert {name: plane.scale for name, plane in planes.items()} == {
        "ALPHA": 1.0,
        "KAPPA": 1.0,
        "SOURCE": None,
        "RESIDUAL": 1.0,
    }
    assert planes["ALPHA"].unit == "arcsec"
    assert planes["SOURCE"].header["CTYPE1"] == "RA---TAN"
    assert planes["SOURCE"].header["PIXSCALE"] == pytest.approx(0.05)
    assert set(values) == {
        "LPTHETAE", "LPLENSX", "LPLENSY", "LPE1", "LPE2", "LPG1", "LPG2", "LPMISFIT",
    }  # fmt: skip
    assert all(v.error > 0 for name, v in values.items() if name != "LPMISFIT")


def test_angles_scale_with_the_pixels_and_pixels_do_not(running):
    image = lens()
    near, far = (
        apply(running, batch_of(image, items=(Item(scale, PSF(2.0), (1.0,)),))) for scale in (0.1, 0.3)
    )
    one, other = near.values[0], far.values[0]
    assert other["LPTHETAE"].value == pytest.approx(3 * one["LPTHETAE"].value)
    assert other["LPLENSX"].value == one["LPLENSX"].value
    assert far.planes[0]["ALPHA"].data == pytest.approx(3 * near.planes[0]["ALPHA"].data, rel=1e-5)
    assert np.array_equal(far.planes[0]["KAPPA"].data, near.planes[0]["KAPPA"].data)


def test_the_unit_of_the_image_is_that_of_the_source(running):
    image = lens() + 7.0  # with a sky
    one, other = (
        apply(running, batch_of(f * image, items=(Item(0.1, PSF(2.0), (f,)),))) for f in (1.0, 1e-11)
    )
    assert other.values[0]["LPTHETAE"].value == pytest.approx(one.values[0]["LPTHETAE"].value, rel=1e-4)
    assert other.planes[0]["SOURCE"].data / 1e-11 == pytest.approx(one.planes[0]["SOURCE"].data, abs=0.1)


def test_neighbours_make_no_difference(running):
    images = [lens(seed=seed) * (seed + 1) for seed in range(3)]
    together = apply(running, batch_of(*images))
    for i, image in enumerate(images):
        alone = apply(running, batch_of(image))
        assert alone.values[0] == together.values[i]
        for name, plane in alone.planes[0].items():
            assert np.array_equal(plane.data, together.planes[i][name].data), name


def test_a_cutout_without_a_scale_or_pixels_costs_only_itself(running):
    items = (Item(None, None, (1.0,)), Item(0.1, None, (1.0,)), Item(0.1, PSF(2.0), (1.0,)))
    bad = torch.zeros(3, 1, 50, 50, dtype=torch.bool)
    bad[1] = True
    output = apply(running, batch_of(lens(), lens(), lens(), items=items, bad=bad))
    assert "--pixel-scale" in output.failed[0]
    assert "good" in output.failed[1]
    assert output.failed[2] is None
    assert output.values[2]["LPTHETAE"].value > 0


def test_a_frame_without_measurement_is_not_seen(running):
    image = lens()
    bad = torch.zeros(1, 1, 50, 50, dtype=torch.bool)
    bad[..., :6, :] = bad[..., -6:, :] = bad[..., :6] = bad[..., -6:] = True
    spoilt = torch.where(bad[0, 0], torch.full_like(image, 1e4), image)
    one, other = (apply(running, batch_of(i, bad=bad)) for i in (image, spoilt))
    assert one.values[0] == other.values[0]
    assert not one.planes[0]["RESIDUAL"].data[bad[0, 0].numpy()].any()


def test_without_a_wcs_axes_are_those_of_the_pixels(running):
    item = Item(0.1, PSF(2.0), (1.0,))
    with_sky, without = (
        apply(running, batch_of(lens(), items=(i,))) for i in (dataclasses.replace(item, sky=SKY), item)
    )
    assert without.values[0]["LPE1"].value == pytest.approx(with_sky.values[0]["LPE1"].value)
    assert without.values[0]["LPE2"].value == pytest.approx(-with_sky.values[0]["LPE2"].value)
    assert "CTYPE1" not in without.planes[0]["SOURCE"].header


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_file_holds_values_with_errors_and_planes_with_their_sky(weights, mirrored):
    """What other programs read: keywords of PRIMARY, extensions, and a WCS for the source plane."""
    from astropy.nddata import CCDData
    from astropy.wcs import WCS

    import lensproc
    from lensproc.fits.options import ReadOptions
    from lensproc.fits.write import enhanced_to_hdulist

    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [150.0, 2.0], [25.5, 25.5]
    wcs.wcs.cdelt = [(1 if mirrored else -1) * 0.1 / 3600, 0.1 / 3600]
    ccd = CCDData(lens().numpy(), unit="adu", wcs=wcs)
    settings = {"sis.weights": str(weights)}
    result = lensproc.enhance(
        ccd, ["sis"], settings=settings, read=ReadOptions(pixel_units="flux"), checks="none", device="cpu"
    )
    with enhanced_to_hdulist(result.meta["lensproc"]) as hdus:
        header = hdus[0].header
        for name in ("THETAE", "LENSX", "LENSY", "E1", "E2", "G1", "G2"):
            assert header[f"LE{name}"] > 0, name
            assert np.isfinite(header[f"LP{name}"])
        assert "RA, Dec" in header.comments["LPE1"]
        assert hdus["ALPHA"].shape == (2, 50, 50)
        assert hdus["ALPHA"].header["BUNIT"] == "arcsec"
        x, y = header["LPLENSX"], header["LPLENSY"]
        behind = WCS(hdus["SOURCE"].header).pixel_to_world(
            hdus["SOURCE"].header["BETA0X"], hdus["SOURCE"].header["BETA0Y"]
        )
        assert behind.separation(wcs.pixel_to_world(x, y)).arcsec < 1e-3
        on_sky = WCS(hdus["RESIDUAL"].header).pixel_to_world(x, y)
        assert on_sky.separation(wcs.pixel_to_world(x, y)).arcsec < 1e-6


def test_weights_without_calibrated_errors_are_refused(tmp_path):
    manifest = load_registry().manifest("sis")
    path = written(tmp_path / "w.safetensors", calibrated=False)
    with pytest.raises(WeightsError, match="not calibrated"):
        stage(manifest, manifest.resolve_options({"weights": str(path)})).load(
            torch.device("cpu"), torch.float32
        )


def test_of_a_known_centre_and_the_middle_the_surer_answer_is_taken(running):
    image = (drawn((6.0, 34.0, 18.0, 0.0, 0.0, 0.0, 0.0), (60, 60))[0] + noise((60, 60))).float()
    sky, level = sky_and_noise(image.numpy())
    seen = ((image - sky) / level)[None, None]
    one = torch.ones(1)
    from_there = {}
    with torch.inference_mode():
        for x, y in ((29.5, 29.5), (34.0, 18.0)):
            start = Cutouts(seen, torch.ones_like(seen), 2.0 * one, x * one, y * one, 30.0 * one)
            quick = measure(running.network, start, views=1)
            from_there[float(quick.sigma[0, 0] / quick.lens[0, 0])] = measure(running.network, start).lens
        item = Item(0.1, PSF(2.0), (1.0,), lens_center=(34.0, 18.0))
        found = running.measured(batch_of(image, items=(item,)), 0)
    assert len(from_there) == 2
    torch.testing.assert_close(found.lens, from_there[min(from_there)])
