from __future__ import annotations

from click.testing import CliRunner

from lensproc.cli import cli
from lensproc.contract.registry import load_registry


def test_these_are_all_stages_of_the_package():
    registry = load_registry()
    (record,) = [r for r in registry.records if r.name == "lensproc_substructure"]
    assert record.stages == ("substructure", "resnet-simple", "resnet-18", "timm", "two-level", "anomaly")
    for stage in record.stages:
        manifest = registry.manifests[stage]
        assert (manifest.kind, manifest.sees, manifest.scale, manifest.halo) == (
            "classify",
            "original",
            1,
            "global",
        )
        assert manifest.defaults.items() >= {"views": "8", "also_enhanced": False, "weights": ""}.items()


def test_any_backbone_of_timm_is_a_stage():
    manifest = load_registry().manifest("timm:mobilenetv3_large_100")
    assert manifest.id == "timm:mobilenetv3_large_100"
    assert manifest.defaults["backbone"] == "mobilenetv3_large_100"
    assert "timm:NAME" in CliRunner().invoke(cli, ["plugins", "list"]).output
