"""The suite on lens-sr as it ships, and on stages with weights that interpolate: all but what training brings."""

from __future__ import annotations

import pytest

from lensproc.testing import check_stage, parametrize_with_checks
from lensproc.testing.suite import run_check, subject_of

LARGE = ("superrescnn", "edsr", "esrn")
"""All three pass the whole suite too; it takes them minutes."""
CHECKS = ("output_shape", "star_keeps_flux", "star_keeps_centroid")
"""For the large networks, which run through the same `NetworkStage`: what depends on the network."""


@parametrize_with_checks(("lens-sr",))
def test_the_flagship_conforms(check):
    check()


@pytest.mark.parametrize("stage", ["resnet-sisr", "srresnet", "srcnn"])
def test_conforms(stage, interpolating):
    results = check_stage(stage, options={"weights": str(interpolating(stage))})
    assert [result for result in results if not result.ok] == []


@pytest.mark.parametrize("stage", LARGE)
def test_large_networks_conform_in_what_is_their_own(stage, interpolating):
    subject = subject_of(stage, {"weights": str(interpolating(stage))})
    results = [run_check(subject, check) for check in CHECKS]
    assert [result for result in results if not result.ok] == []
