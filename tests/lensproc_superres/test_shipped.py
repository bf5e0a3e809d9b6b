"""The four networks whose weights ship are there as published, and small enough for a wheel."""

from __future__ import annotations

import pytest

from lensproc.contract.datafiles import package_folder, verified_path
from lensproc.contract.registry import load_registry
from lensproc.nn.weights import half_of, read_weights
from lensproc.qc.calibration_file import find_calibration

SHIPPED = ("lens-sr", "lens-denoise", "resnet-sisr", "srresnet")
MEGABYTE = 1_000_000


@pytest.mark.parametrize("stage", SHIPPED)
def test_weights_are_those_of_the_stage_and_come_with_calibration_and_card(stage):
    manifest = load_registry().manifest(stage)
    (weights,) = manifest.weights
    metadata = read_weights(verified_path(manifest, weights)).metadata
    assert metadata["stage"] == stage
    assert metadata["training"]["recipe"]
    assert manifest.calibration is not None
    calibration = verified_path(manifest, manifest.calibration).read_text("utf-8")
    assert find_calibration(calibration, manifest.defaults, manifest.version).blanks >= 32
    card = (package_folder(manifest) / "cards" / f"{stage}.md").read_text("utf-8")
    assert weights.sha256 in card


def test_networks_of_the_reports_are_halved_and_name_the_training_they_are_from():
    for stage in ("resnet-sisr", "srresnet"):
        manifest = load_registry().manifest(stage)
        origin = half_of(read_weights(verified_path(manifest, manifest.weights[0])))
        assert len(origin) == 64
        assert origin in (package_folder(manifest) / "cards" / f"{stage}.md").read_text("utf-8")


def test_weights_for_images_are_small_as_those_of_other_packages_are():
    registry = load_registry()
    stages = ("lens-sr", "resnet-sisr", "srresnet", "lens-denoise")
    files = [
        verified_path(manifest, data)
        for manifest in map(registry.manifest, stages)
        for data in manifest.weights
    ]
    assert len(files) == len(stages)
    assert sum(path.stat().st_size for path in files) <= 20 * MEGABYTE
