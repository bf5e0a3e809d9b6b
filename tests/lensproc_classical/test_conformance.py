from __future__ import annotations

from lensproc.contract.registry import load_registry
from lensproc.testing import parametrize_with_checks

STAGES = ("bicubic", "lanczos", "richardson-lucy", "starlet", "nlm", "wavelet")


@parametrize_with_checks(STAGES)
def test_conforms(check):
    check()


def test_these_are_all_stages_of_the_package():
    (record,) = [r for r in load_registry().records if r.name == "lensproc_classical"]
    assert record.stages == STAGES
